import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { after, test } from 'node:test'
import { inspect } from 'node:util'
import pg from 'pg'
import { cache, exchange, explain, job, query, TenantError, Token, transaction } from '../index.js'
import { plain } from '../left.js'

// The database, its tenants (a has 3 items, b has 5) and tokens come from the test that starts PostgreSQL.
const given = JSON.parse(process.env.GARANT_SDK_TEST ?? assert.fail('run these tests by: go test ./internal/token/sdktest -run TestNode'))
const token = Object.fromEntries(Object.entries(given.tokens).map(([name, text]) => [name, Token.parse(text)]))
const open = (options = {}) => {
  const pool = new pg.Pool({ host: given.host, port: given.port, user: given.user, database: given.database, max: 4, ...options })
  pool.on('error', () => {}) // connections that are ended on purpose
  after(() => pool.end())
  return pool
}
const COUNT = 'SELECT count(*)::int AS n FROM shop.item'
const code = (wanted) => (error) => {
  assert.equal(error.code, wanted, error.stack)
  return true
}

test('each tenant sees its own rows', async () => {
  const pool = open()
  for (const [name, n] of [['a', 3], ['b', 5]]) {
    assert.equal((await query(pool, token[name], COUNT)).rows[0].n, n)
    const { rows, command } = await query(pool, token[name], 'SELECT name, n FROM shop.item WHERE n > $1 ORDER BY n', [1])
    assert.equal(command, 'SELECT')
    assert.deepEqual(rows.map((r) => r.n), Array.from({ length: n - 1 }, (_, i) => i + 2))
    for (let i = 0; i < 2; i++) { // the second time it is prepared
      assert.equal((await query(pool, token[name], { name: 'touch', text: 'UPDATE shop.item SET name = name WHERE n = $1', values: [1] })).rowCount, 1)
    }
    assert.equal(await transaction(pool, token[name], async (client) => (await client.query(COUNT)).rows[0].n), n)
  }
  assert.equal((await pool.query(COUNT)).rows[0].n, 0)
  await assert.rejects(query(pool, token.a, "INSERT INTO shop.item (tenant_id, name) VALUES ($1, 'theirs')", [given.b]))
  assert.equal((await query(pool, token.a, COUNT)).rows[0].n, 3)
})

test('entering costs no round trip of its own', async () => {
  const pool = open({ max: 1 })
  const client = await pool.connect()
  let trips = 0
  client.connection.on('readyForQuery', () => trips++)
  client.release()
  await query(pool, token.a, COUNT)
  assert.equal(trips, 1)
  await transaction(pool, token.a, () => assert.equal(trips, 2))
  assert.equal(trips, 3)
})

test('nothing is asked without a token, and refusals are explained', async () => {
  const pool = open({ max: 1 })
  const pid = (await query(pool, token.a, 'SELECT pg_backend_pid() AS pid')).rows[0].pid
  for (const none of [undefined, null, {}, 'text', given.tokens.a, { token: async () => undefined }]) {
    await assert.rejects(query(pool, none, COUNT), (e) => e instanceof Error)
    await assert.rejects(transaction(pool, none, () => assert.fail()), (e) => e instanceof Error)
  }
  for (const [name, wanted] of [['forged', 'GT001'], ['expired', 'GT002'], ['revoked', 'GT003']]) {
    for (const attempt of [query(pool, token[name], COUNT), transaction(pool, token[name], () => assert.fail())]) {
      await assert.rejects(attempt, (error) => {
        assert.ok(error instanceof TenantError && error.message.startsWith('tenant: '))
        return code(wanted)(error)
      })
    }
  }
  await assert.rejects(
    transaction(pool, token.a, (client) => client.query('SELECT garant.enter($1)', [Buffer.from(given.tokens.b, 'base64url')])),
    code('GT004'),
  )
  assert.equal((await query(pool, token.a, 'SELECT pg_backend_pid() AS pid')).rows[0].pid, pid, 'a refusal cost the connection')
})

test('errors of statements and of the end of a transaction are told, and leave nothing open', async () => {
  const pool = open({ max: 1 })
  const twice = "INSERT INTO shop.item (name, n) VALUES ('twice', 1)"
  for (const [sql, wanted] of [[twice, '23505'], ['SELEC', '42601'], ['SELECT 1 / (n - n) FROM shop.item', '22012']]) {
    await assert.rejects(query(pool, token.a, sql), code(wanted))
    await assert.rejects(transaction(pool, token.a, (client) => client.query(sql)), code(wanted))
  }
  await assert.rejects(transaction(pool, token.a, async (client) => { await client.query('SELEC').catch(() => {}) }), code('ROLLBACK'))
  const stop = new Error('stop')
  await assert.rejects(transaction(pool, token.a, async (client) => {
    await client.query('DELETE FROM shop.item')
    throw stop
  }), stop)
  await assert.rejects(transaction(pool, token.a, () => {}, { isolation: 'chaos; DROP TABLE shop.item' }), TypeError)
  await assert.rejects(query(pool, token.a, { text: COUNT, rows: 1 }), TypeError)
  assert.equal(await transaction(pool, token.a, async (client) => (await client.query('SHOW transaction_isolation')).rows[0].transaction_isolation,
    { isolation: 'serializable', readOnly: true }), 'serializable')
  await assert.rejects(query(pool, token.a, 'SELECT pg_terminate_backend(pg_backend_pid())'))
  await assert.rejects(transaction(pool, token.a, (client) => client.query('SELECT pg_terminate_backend(pg_backend_pid())')))
  assert.equal((await query(pool, token.a, COUNT)).rows[0].n, 3)
  assert.equal(pool.totalCount - pool.idleCount, 0)
  assert.equal(explain(stop), stop)
})

test('what one tenant left behind does not reach the next', async () => {
  const pool = open({ max: 1 })
  await transaction(pool, token.a, (client) => client.query('DECLARE kept CURSOR WITH HOLD FOR SELECT name FROM shop.item'))
  assert.equal((await query(pool, token.b, COUNT)).rows[0].n, 5)
  await assert.rejects(query(pool, token.b, 'FETCH ALL FROM kept'))
  const kept = await transaction(pool, token.a, async (client) => client)
  assert.equal((await kept.query(COUNT)).rows[0].n, 0, 'a client that somebody kept has no tenant')
})

test('many at once', async () => {
  const pool = open()
  await Promise.all(Array.from({ length: 200 }, async (_, i) => {
    const [name, n] = i % 2 ? ['b', 5] : ['a', 3]
    assert.equal((await query(pool, token[name], COUNT)).rows[0].n, n)
    assert.equal(await transaction(pool, token[name], async (client) => (await client.query(COUNT)).rows[0].n), n)
  }))
  assert.equal(pool.totalCount - pool.idleCount, 0)
})

test('an expired token is replaced once', async () => {
  const pool = open()
  for (const [late, asks, wanted] of [[0, 1], [1, 2], [2, 2, 'GT002']]) {
    let asked = 0
    const source = cache({ token: async () => (++asked <= late ? token.expired : token.a) })
    const attempt = query(pool, source, COUNT)
    await (wanted ? assert.rejects(attempt, code(wanted)) : attempt)
    assert.equal(asked, asks)
  }
})

test('a source is asked once at a time', async () => {
  let asked = 0
  const source = cache({ token: async () => { asked++; await new Promise((r) => setTimeout(r, 20)); return token.a } })
  const got = await Promise.all(Array.from({ length: 100 }, () => source.token()))
  assert.ok(got.every((t) => t === token.a))
  assert.equal(asked, 1)
  source.forget(token.b)
  await source.token()
  assert.equal(asked, 1)
  source.forget(token.a)
  await source.token()
  assert.equal(asked, 2)
  const down = cache({ token: async () => { throw new Error('down') } })
  await assert.rejects(down.token(), /down/)
  await assert.rejects(down.token(), /down/)
})

test('tokens are exchanged by RFC 8693, and nothing else is taken for one', async () => {
  let seen
  let answer
  const server = createServer(async (request, response) => {
    const parts = []
    for await (const part of request) parts.push(part)
    seen = { method: request.method, authorization: request.headers.authorization, form: Object.fromEntries(new URLSearchParams(Buffer.concat(parts).toString())) }
    response.writeHead(answer.status ?? 200, answer.headers).end(answer.body)
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  after(() => server.close())
  const at = { url: `http://127.0.0.1:${server.address().port}/api/v1/tenant/token`, apiToken: () => 'api-5ecret', audience: 'shop' }
  const good = { access_token: given.tokens.a, issued_token_type: 'urn:garant:token-type:tenant', token_type: 'N_A', expires_in: 900 }
  answer = { body: JSON.stringify(good) }
  const login = exchange({ ...at, idToken: () => 'id-5ecret', readOnly: true })
  assert.equal((await login.token()).expires.getTime(), token.a.expires.getTime())
  assert.deepEqual(seen, { method: 'POST', authorization: 'Bearer api-5ecret', form: {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange', subject_token: 'id-5ecret',
    subject_token_type: 'urn:ietf:params:oauth:token-type:id_token', audience: 'shop', scope: 'read' } })
  await job({ ...at, purpose: 'invoices', tenant: 42n }).token()
  assert.deepEqual(seen.form, { grant_type: 'client_credentials', audience: 'shop', purpose: 'invoices', tenant: '42' })
  for (const [wanted, given_] of [
    ['invalid_grant', { status: 400, body: '{"error":"invalid_grant","error_description":"The ID token has expired."}' }],
    ['ENDPOINT', { body: '<html>' }],
    ['ENDPOINT', { status: 404 }],
    ['ENDPOINT', { body: JSON.stringify({ ...good, access_token: 'x' }) }],
    ['ENDPOINT', { body: JSON.stringify({ ...good, issued_token_type: 'jwt' }) }],
    ['ENDPOINT', { body: JSON.stringify(good) + ' '.repeat(70_000) }],
    ['ENDPOINT', { status: 307, headers: { location: 'http://127.0.0.1:9/' } }],
  ]) {
    answer = given_
    await assert.rejects(login.token(), (error) => {
      assert.ok(!inspect(error).includes('5ecret'))
      return code(wanted)(error)
    })
  }
  for (const url of ['http://garant.example.com/', 'ftp://127.0.0.1/']) {
    await assert.rejects(exchange({ ...at, url, idToken: () => assert.fail('asked'), fetch: () => assert.fail('asked') }).token(), /https only|asked/)
  }
})

test('a token prints as nothing', async () => {
  const pool = open()
  const said = [inspect(token.a, { showHidden: true, depth: 9 }), JSON.stringify({ t: token.a }), `${token.a}`]
  await transaction(pool, token.a, async (client) => {
    said.push((await client.query("SELECT string_agg(query, ' ') AS q FROM pg_stat_activity")).rows[0].q)
    said.push(inspect(client, { depth: 3 }))
  })
  await query(pool, token.expired, COUNT).catch((error) => said.push(inspect(error, { depth: 9, showHidden: true })))
  for (const text of Object.values(given.tokens)) {
    const raw = Buffer.from(text, 'base64url').subarray(100)
    for (const form of [text.slice(-20), raw.toString('hex'), inspect(raw).slice(8, 40), raw.join(','), raw.join(', ')]) {
      assert.ok(!said.join('\n').includes(form))
    }
  }
  for (const bad of ['', 'x', given.tokens.a.slice(1), `${given.tokens.a}A`, given.tokens.a.replace(/^./, 'B'), undefined, 7]) {
    assert.throws(() => Token.parse(bad), code('GT001'))
  }
})

// Prepares something else under the names of the application's statements: it leaves the names of what it sees in a setting.
const TAKES_OVER = `DO $d$ DECLARE s text; BEGIN FOR s IN SELECT name FROM pg_prepared_statements WHERE statement LIKE '%shop.item%' LOOP
  EXECUTE 'DEALLOCATE ' || quote_ident(s);
  EXECUTE 'PREPARE ' || quote_ident(s) || $e$ AS SELECT length(set_config('leak.it', (SELECT string_agg(name, ',') FROM shop.item), false)) AS n$e$;
END LOOP; END $d$`
const NAMED = { name: 'count', text: COUNT }

test('what one tenant prepares under the name of a statement does not run with the next one\'s token', async () => {
  const attacks = {
    block: (client) => client.query(TAKES_OVER),
    'behind a statement': (client) => client.query(`SELECT 1; ${TAKES_OVER}`),
    'behind a comment': (client) => client.query(`/* /* */ SELECT */ ${TAKES_OVER}`),
    'extended protocol': (client) => client.query({ text: TAKES_OVER, queryMode: 'extended' }),
    'Query object': (client) => new Promise((resolve, reject) => client.query(new pg.Query(TAKES_OVER, (e, r) => (e ? reject(e) : resolve(r))))),
    callback: (client) => new Promise((resolve, reject) => client.query(TAKES_OVER, (e, r) => (e ? reject(e) : resolve(r)))),
    'rolled back': async (client) => {
      await client.query(TAKES_OVER)
      throw new Error('stop')
    },
    'single statement': undefined,
    'past this package': (pool) => pool.query(TAKES_OVER),
    'past it, by a callback': (pool) => new Promise((resolve) => pool.connect((e, client, done) => client.query(TAKES_OVER, () => resolve(done())))),
  }
  for (const [how, attack] of Object.entries(attacks)) {
    const pool = open({ max: 1 })
    assert.equal((await query(pool, token.a, NAMED)).rows[0].n, 3) // prepared from now on
    if (how.startsWith('past')) {
      await attack(pool)
    } else if (attack) {
      await transaction(pool, token.a, attack).catch((error) => assert.equal(error.message, 'stop'))
    } else {
      await query(pool, token.a, TAKES_OVER)
    }
    assert.equal((await query(pool, token.b, NAMED)).rows[0].n, 5, how)
    assert.equal(await transaction(pool, token.b, async (client) => (await client.query(NAMED)).rows[0].n), 5, how)
    assert.equal((await query(pool, token.a, "SELECT coalesce(current_setting('leak.it', true), '') AS said")).rows[0].said, '', how)
  }
})

test('what one tenant leaves on a connection of pgbouncer does not reach the next', async () => {
  const [one, other] = [open({ ...given.pooler, max: 1 }), open({ ...given.pooler, max: 1 })]
  for (const attack of [TAKES_OVER, `SELECT 1; ${TAKES_OVER}`, 'CREATE TEMP TABLE item AS SELECT * FROM shop.item; SET search_path = pg_temp', 'DECLARE kept CURSOR WITH HOLD FOR SELECT name FROM shop.item']) {
    await query(other, token.b, NAMED).catch(code('26000'))
    await transaction(one, token.a, (client) => client.query(attack))
    // A name is forgotten with the rest by this pgbouncer; it never stands for another statement.
    await query(other, token.b, NAMED).then(({ rows }) => assert.equal(rows[0].n, 5), code('26000'))
    for (const pool of [other, one]) {
      assert.equal((await query(pool, token.b, COUNT)).rows[0].n, 5)
      assert.equal(await transaction(pool, token.b, async (client) => (await client.query(COUNT)).rows[0].n), 5)
      assert.equal((await query(pool, token.b, "SELECT coalesce(current_setting('leak.it', true), '') AS said")).rows[0].said, '')
      assert.equal((await pool.query(COUNT)).rows[0].n, 0)
    }
  }
})

test('ordinary statements cost no connection', async () => {
  const pool = open({ max: 1 })
  const pid = async () => (await query(pool, token.a, 'SELECT pg_backend_pid() AS pid')).rows[0].pid
  const was = await pid()
  await transaction(pool, token.a, async (client) => {
    for (const sql of ["SET LOCAL statement_timeout = '10s'", '-- touch\nUPDATE shop.item SET name = name', 'SELECT 1;', 'SAVEPOINT s', 'ROLLBACK TO s']) {
      await client.query(sql)
    }
    assert.equal((await client.query("SELECT length('a;b') AS n, $1::int AS one", [1])).rows[0].n, 3)
    await client.query(NAMED)
    await client.query(new pg.Query('SELECT 1'))
  })
  assert.equal(await pid(), was)
})

test('only statements that leave nothing are taken for plain', () => {
  for (const sql of ['SELECT 1', 'select', '\n  (SELECT 1) UNION SELECT 2', '-- name: A :one\nUPDATE x SET y = 1', '/* a /* b */ c */ WITH x AS (SELECT 1) SELECT',
    'SET LOCAL statement_timeout = 1', 'set\n\tlocal x = 1', 'BEGIN', 'SET TRANSACTION READ ONLY', 'SAVEPOINT s', 'Insert INTO x VALUES (1)',
    'WITH x AS (INSERT INTO y VALUES (1) RETURNING id) SELECT id FROM x', 'WITH x AS (SELECT 1)\nINSERT\tINTO y SELECT 1', 'SELECT printointo, intox FROM x']) {
    assert.ok(plain(sql), sql)
  }
  for (const sql of ['SET search_path = x', 'SET', 'SET locality = x', 'DO $$ $$', 'PREPARE x AS SELECT 1', 'DEALLOCATE ALL', 'CREATE TEMP TABLE x ()', 'CALL f()', 'EXECUTE x',
    'LISTEN x', '/* /* */ SELECT */ DO $$ $$', '/* SELECT', '-- SELECT', '-- x\rDO $$ $$', '', ';', 'selectx', 'EXPLAIN SELECT 1', '/*/ SELECT 1', 'SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY',
    'SELECT 1 INTO x', 'SELECT 1 INTO/**/TEMP x', '(SELECT 1)into x', 'WITH y AS (SELECT 1) SELECT (1) insert INTO TEMP x', "SELECT SET_CONFIG('x', '', false)", "UPDATE pg_settings SET setting = ''", "SELECT query_to_xml('', true, true, '')"]) {
    assert.ok(!plain(sql), sql)
  }
})
