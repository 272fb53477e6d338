import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { inspect } from 'node:util'
import pg from 'pg'
import { explain, query, record, TenantError, Token, transaction } from '../index.js'

const given = JSON.parse(process.env.GARANT_SDK_TEST ?? assert.fail('run these tests by: go test ./internal/token/sdktest -run TestNode'))
const token = Object.fromEntries(Object.entries(given.tokens).map(([name, text]) => [name, Token.parse(text)]))
const open = (user) => {
  const pool = new pg.Pool({ host: given.host, port: given.port, user, database: given.database, max: 2 })
  after(() => pool.end())
  return pool
}
const pool = open(given.user)
const outbox = open(given.super)
const SECRET = 's3cr3t'
const code = (wanted) => (error) => {
  assert.equal(error.code, wanted, error.stack)
  assert.equal(error instanceof TenantError, /^(GT|ROLLBACK)/.test(wanted))
  assert.ok(!inspect(error, { depth: 9, showHidden: true }).includes(SECRET))
  return true
}

/** Takes what waits in the outbox. */
const recorded = async () =>
  (await outbox.query(`WITH gone AS (DELETE FROM garant.event RETURNING *)
    SELECT garant.tenant_of(entered) AS tenant, substr(entered, 8, 32)::uuid::text AS session, kind, action, object_kind, object_id, detail::text, before::text, after::text, actor FROM gone ORDER BY xid, id`)).rows
const all = { action: 'application.decided', object: { kind: 'application', id: '17 é' }, detail: { grant: true, n: 3 }, before: { state: 'open' }, after: { state: 'granted', note: null }, actor: 'Ana' }

test('an event is kept with its transaction, and is of the login of the token', async () => {
  await recorded()
  for (const name of ['a', 'b']) {
    const session = await transaction(pool, token[name], async (client) => {
      await record(client, all)
      const { rows } = await client.query('SELECT garant.session()::text AS session')
      await client.query('SAVEPOINT s')
      await record(client, { action: 'never.was' })
      await client.query('ROLLBACK TO s')
      await record(client, { action: 'applicant.read', object: { kind: 'applicant', id: 9 } })
      assert.deepEqual(await recorded(), [], 'nothing is there before the end')
      return rows[0].session
    })
    const none = { object_kind: null, object_id: null, detail: null, before: null, after: null, actor: null }
    assert.deepEqual(await recorded(), [
      { tenant: given[name], session, kind: 'said', action: 'application.decided', object_kind: 'application', object_id: '17 é', detail: '{"n": 3, "grant": true}',
        before: '{"state": "open"}', after: '{"note": null, "state": "granted"}', actor: 'Ana' },
      { ...none, tenant: given[name], session, kind: 'read', action: 'applicant.read', object_kind: 'applicant', object_id: '9' },
    ])
    await transaction(pool, token[name], (client) => record(client, { action: 'a.b', object: null, detail: null, actor: '' }))
    assert.deepEqual(await recorded(), [{ ...none, tenant: given[name], session, kind: 'said', action: 'a.b' }])
  }
})

test('an event that is rolled back never was', async () => {
  const stop = new Error('stop')
  await assert.rejects(transaction(pool, token.a, async (client) => {
    await record(client, all)
    throw stop
  }), stop)
  await assert.rejects(transaction(pool, token.a, async (client) => {
    await record(client, all)
    await assert.rejects(record(client, { action: 'wrong' }), code('GT009')) // the transaction has failed by it
  }), code('ROLLBACK'))
  await assert.rejects(transaction(pool, token.a, async (client) => {
    await record(client, all)
    await client.query("INSERT INTO shop.item (name, n) VALUES ('twice', 1)") // refused at the end
  }), code('23505'))
  assert.deepEqual(await recorded(), [])
})

test('nobody records without having entered, nor with a token for reading', async () => {
  await assert.rejects(record(pool, all), code('GT008'))
  const client = await pool.connect()
  await client.query('BEGIN')
  await assert.rejects(record(client, all), code('GT008'))
  await client.query('ROLLBACK')
  client.release()
  const kept = await transaction(pool, token.a, async (client) => client)
  await assert.rejects(record(kept, all), code('GT008'))
  await assert.rejects(transaction(pool, token.read, (client) => record(client, { action: 'a.read' })), code('25006'))
  await assert.rejects(transaction(pool, token.expired, (client) => record(client, all)), code('GT002'))
  assert.deepEqual(await recorded(), [])
})

const round = {}
round[SECRET] = { round }
const refused = {
  'nothing': undefined, 'no action': {}, 'one word': { action: SECRET }, 'capitals': { action: 'Application.Decided' }, 'two lines': { action: `a.b\n${SECRET}` },
  'an action too long': { action: `a.${'b'.repeat(99)}` }, 'an action that is no text': { action: { [SECRET]: 1 } },
  'an id without a kind': { object: { id: SECRET } }, 'an id too long': { object: { kind: 'x', id: SECRET.repeat(70) } }, 'an id that is no text': { object: { kind: 'x', id: { [SECRET]: 1 } } },
  'an id that was rounded': { object: { kind: 'x', id: 2 ** 53 } }, 'an id that is no number': { object: { kind: 'x', id: NaN } },
  'a kind with NUL': { object: { kind: `${SECRET}\0` } }, 'an actor with NUL': { actor: `${SECRET}\0` }, 'an actor with a bell': { actor: `${SECRET}\u0007` }, 'an actor that is no text': { actor: { name: SECRET } },
  'a value with NUL': { after: { x: [`\\${SECRET}\0`] } }, 'a name with NUL': { before: { [`${SECRET}\0`]: 1 } },
  'a text': { detail: SECRET }, 'a list': { before: [SECRET] }, 'a date': { after: new Date() }, 'too much': { detail: { x: SECRET.repeat(5000) } }, 'far too much': { after: { x: SECRET.repeat(12_000) } },
  'a function': { detail: { [SECRET]: () => {} } }, 'a function alone': { detail: () => SECRET }, 'a symbol': { detail: { x: Symbol(SECRET) } }, 'no number': { detail: { [SECRET]: [NaN] } }, 'infinity': { detail: { [SECRET]: -Infinity } },
  'a map': { after: new Map([[SECRET, 1]]) }, 'a set': { after: { x: new Set([SECRET]) } }, 'a circle': { before: round }, 'what fails': { before: { toJSON() { throw new Error(SECRET) } } },
}

test('what is no event is refused, and not quoted', async () => {
  for (const [what, event] of Object.entries(refused)) {
    await assert.rejects(transaction(pool, token.a, (client) => record(client, event && { action: 'a.b', ...event, ...(what === 'no action' && { action: undefined }) })), code('GT009'), what)
  }
  // What is refused before it is sent leaves the transaction as it was.
  await transaction(pool, token.a, async (client) => {
    await assert.rejects(record(client, { action: 'a.b', actor: '\0' }), code('GT009'))
    await record(client, { action: 'a.c' })
  })
  assert.deepEqual((await recorded()).map(({ action }) => action), ['a.c'])
})

test('odd values are kept as they are', async () => {
  const odd = { '': 'é 漢 😀 \u202e', "'; DROP TABLE shop.item; --": '$1 \\u0000 \\\\u0000 \\ud800', '\u0001"': '\u001f\n', 'half \udc00': 'half \ud83d', big: Number.MAX_VALUE, small: 5e-324, safe: 2 ** 53 - 1, n: 2n ** 100n, zero: -0, none: undefined,
    at: new Date(0), list: [undefined, null, [], {}], bytes: new Uint8Array([1]) }
  await transaction(pool, token.a, async (client) => {
    await record(client, { action: 'a.b', object: { kind: "x'; --", id: 2n ** 63n }, detail: odd, before: odd, after: odd, actor: 'Zoë 😀 \ud83d' })
    await record(client, { action: `a.${'b'.repeat(98)}`, object: { kind: 'x', id: Number.MIN_SAFE_INTEGER } })
  })
  const [first, second] = await recorded()
  assert.deepEqual([first.object_kind, first.object_id, first.actor], ["x'; --", '9223372036854775808', 'Zoë 😀 \ufffd'])
  const wanted = { '': 'é 漢 😀 \u202e', "'; DROP TABLE shop.item; --": '$1 \\u0000 \\\\u0000 \\ud800', '\u0001"': '\u001f\n', 'half \ufffd': 'half \ufffd', big: Number.MAX_VALUE, small: 5e-324, safe: 9007199254740991, n: '1267650600228229401496703205376', zero: 0,
    at: '1970-01-01T00:00:00.000Z', list: [null, null, [], {}], bytes: { 0: 1 } }
  for (const part of ['detail', 'before', 'after']) {
    assert.deepEqual(JSON.parse(first[part]), wanted)
  }
  assert.match(first.detail, /"safe": 9007199254740991\b/)
  assert.deepEqual([second.action.length, second.object_id], [100, '-9007199254740991'])
})

test('the application reads nothing of what is recorded, and changes nothing', async () => {
  await transaction(pool, token.a, async (client) => {
    await record(client, { ...all, actor: SECRET, after: { x: SECRET } })
    const { rows } = await client.query("SELECT string_agg(query, ' ') AS said FROM pg_stat_activity")
    assert.ok(!rows[0].said.includes(SECRET))
  })
  for (const sql of ['SELECT * FROM garant.event', 'SELECT count(*) FROM garant.event', 'DELETE FROM garant.event', "UPDATE garant.event SET actor = ''", "INSERT INTO garant.event (kind, action) VALUES ('said', 'a.b')",
    'SELECT * FROM garant.take_events(1)', "SELECT garant.forget_events('{}', 0, 0)", 'SELECT * FROM garant.events_waiting()']) {
    await assert.rejects(query(pool, token.a, sql), code('42501'), sql)
    await assert.rejects(pool.query(sql), code('42501'), sql)
  }
  assert.deepEqual((await recorded()).map(({ actor }) => actor), [SECRET])
})

test('what the database refuses of events is explained', async () => {
  for (const wanted of ['GT008', 'GT009', 'GT010']) {
    await assert.rejects(transaction(pool, token.a, (client) => client.query(`DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '${wanted}'; END $$`)), (error) => {
      assert.match(error.message, /^tenant: .{20}/)
      return code(wanted)(error)
    })
  }
  assert.equal(explain(Object.assign(new Error('x'), { code: 'GT099' })).message, 'x')
})
