import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { inspect } from 'node:util'
import { PrismaPg } from '@prisma/adapter-pg'
import pg from 'pg'
import { cache, guard, TenantError, Token } from '../index.js'
import { record, under } from '../prisma.js'
import generated from './node_modules/.generated/index.js'

// The database, its tenants (a has 3 items, b has 5) and tokens come from the test that starts PostgreSQL.
const given = JSON.parse(process.env.GARANT_SDK_TEST ?? assert.fail('run these tests by: go test ./internal/token/sdktest -run TestPrisma'))
const token = Object.fromEntries(Object.entries(given.tokens).map(([name, text]) => [name, Token.parse(text)]))
const open = (at = given) => {
  const pool = guard(new pg.Pool({ host: at.host, port: at.port, user: given.user, database: given.database, max: 4 }))
  const prisma = new generated.PrismaClient({ adapter: new PrismaPg(pool) })
  after(async () => {
    await prisma.$disconnect()
    await pool.end()
  })
  return prisma
}
const prisma = open()
const code = (wanted) => (error) => {
  assert.ok(error instanceof TenantError, inspect(error))
  assert.equal(error.code, wanted)
  return true
}
const numbers = async (db) => (await db.item.findMany({ orderBy: { n: 'asc' } })).map((item) => item.n)

test('each tenant reads and writes its own rows', async () => {
  for (const [name, n] of [['a', 3], ['b', 5]]) {
    const db = under(prisma, token[name])
    assert.deepEqual(await numbers(db), Array.from({ length: n }, (_, i) => i + 1))
    assert.equal(await db.item.count(), n)
    assert.equal((await db.item.aggregate({ _max: { n: true } }))._max.n, n)
    assert.equal((await db.item.findFirst({ where: { n: 1 } })).name, `${name} 1`)
    assert.equal((await db.$queryRaw`SELECT count(*)::int AS n FROM shop.item WHERE n > ${1}`)[0].n, n - 1)
    assert.equal((await db.$queryRawUnsafe('SELECT count(*)::int AS n FROM shop.item'))[0].n, n)
    assert.equal(await db.$executeRaw`UPDATE shop.item SET name = name`, n)
    const { id } = await db.item.create({ data: { name: 'new', n: 50 } })
    assert.equal((await db.item.update({ where: { id }, data: { name: 'newer' } })).name, 'newer')
    assert.equal((await db.item.upsert({ where: { id }, update: { n: 51 }, create: { name: 'x' } })).n, 51)
    assert.equal((await db.item.delete({ where: { id } })).n, 51)
    assert.equal((await db.item.createMany({ data: [{ name: 'x', n: 60 }, { name: 'y', n: 61 }] })).count, 2)
    assert.equal((await db.item.deleteMany({ where: { n: { gte: 60 } } })).count, 2)
    assert.equal(await db.item.count(), n)
  }
  const theirs = await under(prisma, token.b).item.findFirst({ where: { n: 5 } })
  assert.equal(await under(prisma, token.a).item.findUnique({ where: { id: theirs.id } }), null)
  await assert.rejects(under(prisma, token.a).item.delete({ where: { id: theirs.id } }))
  await assert.rejects(under(prisma, token.a).$executeRaw`INSERT INTO shop.item (tenant_id, name) VALUES (${given.b}::uuid, 'theirs')`)
  assert.deepEqual([await prisma.item.count(), await under(prisma, token.b).item.count()], [0, 5])
})

// Prisma puts what is asked in the same tick together.
test('what two logins ask at once is not put together', async () => {
  const [a, b] = [under(prisma, token.a), under(prisma, token.b)]
  const [ofA, ofB] = [await a.item.findFirst({ where: { n: 1 } }), await b.item.findFirst({ where: { n: 1 } })]
  for (let i = 0; i < 4; i++) {
    const got = await Promise.all([a, b].flatMap((db) => [ofA, ofB].map(({ id }) => db.item.findUnique({ where: { id } }))))
    assert.deepEqual(got.map((item) => item?.name), ['a 1', undefined, undefined, 'b 1'])
  }
})

test('nested writes and reads are one transaction', async () => {
  const db = under(prisma, token.a)
  const item = await db.item.create({ data: { name: 'noted', n: 70, notes: { create: [{ text: 'one' }, { text: 'two' }] } }, include: { notes: true } })
  assert.deepEqual(item.notes.map((note) => note.text).sort(), ['one', 'two'])
  const read = await db.item.findMany({ where: { notes: { some: { text: 'two' } } }, include: { notes: { orderBy: { text: 'asc' } } } })
  assert.deepEqual(read.map(({ n, notes }) => [n, notes.length]), [[70, 2]])
  assert.deepEqual([await under(prisma, token.b).note.count(), await prisma.note.count(), await db.note.count()], [0, 0, 2])
  await assert.rejects(db.item.update({ where: { id: item.id }, data: { name: 'lost', notes: { create: [{ text: 'x' }, { id: item.notes[0].id, text: 'twice' }] } } }))
  assert.equal((await db.item.delete({ where: { id: item.id } })).name, 'noted')
  assert.equal(await db.note.count(), 0)
})

test('$transaction is of one login, and all or nothing', async () => {
  const db = under(prisma, token.a)
  const n = await db.$transaction(async (tx) => {
    const { id } = await tx.item.create({ data: { name: 'new', n: 80 } })
    const [{ n }] = await tx.$queryRaw`SELECT count(*)::int AS n FROM shop.item`
    assert.equal(n, await tx.item.count())
    await tx.item.delete({ where: { id } })
    return n
  }, { isolationLevel: 'Serializable' })
  assert.equal(n, 4)
  const stop = new Error('stop')
  await assert.rejects(db.$transaction(async (tx) => {
    await tx.item.deleteMany()
    throw stop
  }), stop)
  await assert.rejects(db.$transaction((tx) => tx.$executeRaw`SELECT garant.enter(${Buffer.from(given.tokens.b, 'base64url')})`), code('GT004'))
  assert.throws(() => db.$transaction([db.item.count()]), TypeError)
  assert.equal(await db.item.count(), 3)
})

test('refusals are explained, and an expired token is replaced once', async () => {
  for (const [name, wanted] of [['forged', 'GT001'], ['expired', 'GT002'], ['revoked', 'GT003']]) {
    await assert.rejects(under(prisma, token[name]).item.count(), code(wanted))
    await assert.rejects(under(prisma, token[name]).$transaction(() => assert.fail()), code(wanted))
  }
  for (const none of [undefined, null, {}, given.tokens.a, { token: async () => undefined }]) {
    await assert.rejects(async () => under(prisma, none).item.count(), code('NO_TOKEN'))
    await assert.rejects(async () => under(prisma, none).$transaction(() => assert.fail()), code('NO_TOKEN'))
  }
  for (const ask of [(db) => db.item.count(), (db) => db.$transaction((tx) => tx.item.count())]) {
    for (const [late, asks, wanted] of [[0, 1], [1, 2], [2, 2, 'GT002']]) {
      let asked = 0
      const db = under(prisma, cache({ token: async () => (++asked <= late ? token.expired : token.a) }))
      await (wanted ? assert.rejects(ask(db), code(wanted)) : ask(db).then((n) => assert.equal(n, 3)))
      assert.equal(asked, asks)
    }
  }
})

test('what one login leaves behind does not reach the next', async () => {
  const db = under(prisma, token.a)
  for (const sql of ["SET leak.it = 'x'", "DO $$ BEGIN PERFORM set_config('leak.it', 'x', false); END $$", "SELECT 1; SET leak.it = 'x'"]) {
    await db.$executeRawUnsafe(sql)
    await db.$transaction((tx) => tx.$executeRawUnsafe(sql))
    const said = await Promise.all(Array.from({ length: 8 }, () => under(prisma, token.b).$queryRaw`SELECT coalesce(current_setting('leak.it', true), '') AS it`))
    assert.deepEqual([...new Set(said.map(([{ it }]) => it))], [''])
  }
})

test('through pgbouncer', async () => {
  const pooled = open(given.pooler)
  await Promise.all(Array.from({ length: 8 }, async (_, i) => {
    const [name, n] = i % 2 ? ['b', 5] : ['a', 3]
    const db = under(pooled, token[name])
    assert.deepEqual([await db.item.count(), await db.$transaction((tx) => tx.item.count(), { maxWait: 20_000, timeout: 20_000 })], [n, n])
  }))
  assert.equal(await pooled.item.count(), 0)
})

test('a token is in no error', async () => {
  const error = await under(prisma, token.expired).item.count().catch((error) => error)
  const all = inspect(error, { depth: 9, showHidden: true })
  for (const text of Object.values(given.tokens)) {
    const raw = Buffer.from(text, 'base64url').subarray(100)
    for (const form of [text.slice(-20), raw.toString('base64').slice(4, 20), raw.toString('hex').slice(0, 20), raw.join(',').slice(0, 40), inspect(raw).slice(8, 40)]) {
      assert.ok(!all.includes(form), form)
    }
  }
})

test('an event is kept with its transaction, is of the login of the token, and is not quoted', async () => {
  const outbox = new pg.Pool({ host: given.host, port: given.port, user: given.super, database: given.database, max: 1 })
  after(() => outbox.end())
  const recorded = async () =>
    (await outbox.query(`WITH gone AS (DELETE FROM garant.event RETURNING *)
      SELECT garant.tenant_of(entered) AS tenant, kind, action, object_kind, object_id, detail::text, before::text, after::text, actor FROM gone ORDER BY xid, id`)).rows
  const refuses = (wanted) => (error) => {
    assert.ok(!inspect(error, { depth: 9, showHidden: true }).includes('s3cr3t'))
    return code(wanted)(error)
  }
  await recorded()
  for (const name of ['a', 'b']) {
    const db = under(prisma, token[name])
    const id = await db.$transaction(async (tx) => {
      const { id } = await tx.item.create({ data: { name: 'new', n: 90 } })
      await record(tx, { action: 'item.made', object: { kind: 'shop.item', id }, detail: { n: 90, id }, before: {}, after: { name: 'é 漢 😀 \ud83d', big: 2n ** 100n }, actor: 'Zoë \udc00' })
      await tx.item.delete({ where: { id } })
      await record(tx, { action: 'item.read' })
      return id
    })
    await record(db, { action: 'alone.said', after: { x: null } }) // a transaction by itself
    const none = { tenant: given[name], object_kind: null, object_id: null, detail: null, before: null, after: null, actor: null }
    assert.deepEqual(await recorded(), [
      { tenant: given[name], kind: 'said', action: 'item.made', object_kind: 'shop.item', object_id: String(id), detail: `{"n": 90, "id": "${id}"}`, before: '{}',
        after: '{"big": "1267650600228229401496703205376", "name": "é 漢 😀 \ufffd"}', actor: 'Zoë \ufffd' },
      { ...none, kind: 'read', action: 'item.read' },
      { ...none, kind: 'said', action: 'alone.said', after: '{"x": null}' },
    ])
  }
  const db = under(prisma, token.a)
  const stop = new Error('stop')
  await assert.rejects(db.$transaction(async (tx) => {
    await record(tx, { action: 'a.b' })
    throw stop
  }), stop)
  for (const event of [undefined, { action: 's3cr3t' }, { action: 'a.b', object: { id: 's3cr3t' } }, { action: 'a.b', after: ['s3cr3t'] }, { action: 'a.b', actor: 's3cr3t\0' }, { action: 'a.b', after: { x: 's3cr3t\0' } }, { action: 'a.b', detail: { x: 's3cr3t'.repeat(5000) } }]) {
    await assert.rejects(db.$transaction((tx) => assert.rejects(record(tx, event), refuses('GT009')).then(() => { throw stop })), stop)
    await assert.rejects(record(db, event), refuses('GT009'))
  }
  await assert.rejects(record(prisma, { action: 'a.b', actor: 's3cr3t' }), refuses('GT008'))
  await assert.rejects(prisma.$transaction((tx) => record(tx, { action: 'a.b' })), refuses('GT008'))
  await assert.rejects(record(under(prisma, token.expired), { action: 'a.b' }), refuses('GT002'))
  await assert.rejects(record(under(prisma, token.read), { action: 'a.read', actor: 's3cr3t' }), (error) => error.meta.driverAdapterError.cause.originalCode === '25006' && !inspect(error, { depth: 9 }).includes('s3cr3t'))
  await assert.rejects(db.$queryRaw`SELECT * FROM garant.event`, (error) => error.meta.driverAdapterError.cause.originalCode === '42501')
  assert.deepEqual(await recorded(), [])
})
