import { guard } from './left.js'
import { bytesOf, explain, TenantError, Token } from './token.js'
import { begin, execute } from './wire.js'

export { record } from './record.js'
export { cache, exchange, job } from './source.js'
export { explain, guard, TenantError, Token }

const levels = new Map([
  ['read committed', ' ISOLATION LEVEL READ COMMITTED'],
  ['repeatable read', ' ISOLATION LEVEL REPEATABLE READ'],
  ['serializable', ' ISOLATION LEVEL SERIALIZABLE'],
])

/**
 * Does something in a transaction under a login: entered in the round trip of BEGIN, committed when work is done, and rolled
 * back when it fails. work is given the client of pg on which to ask.
 */
export async function transaction(pool, source, work, { isolation, readOnly = false } = {}) {
  if (isolation !== undefined && !levels.has(isolation)) {
    throw new TypeError(`tenant: there is no isolation level ${JSON.stringify(isolation)}`)
  }
  const sql = `BEGIN${levels.get(isolation) ?? ''}${readOnly ? ' READ ONLY' : ''}`
  const client = await enter(pool, source, async (client, token) => {
    try {
      await begin(client, sql, token)
    } catch (error) {
      await client.query('ROLLBACK') // what fails here fails the connection
      throw error
    }
    return client
  })
  let broken
  try {
    let result
    try {
      result = await work(client)
    } catch (error) {
      await client.query('ROLLBACK').catch((cause) => {
        broken = cause
      })
      throw error
    }
    const { command } = await client.query('COMMIT').catch((cause) => {
      broken = cause
      throw cause
    })
    if (command !== 'COMMIT') {
      throw new TenantError('ROLLBACK', { message: 'a statement of the transaction had failed: it was rolled back' })
    }
    return result
  } catch (error) {
    throw explain(error)
  } finally {
    giveBack(client, broken)
  }
}

/** Asks one thing under a login: one statement, which is a transaction by itself, in one round trip. */
export async function query(pool, source, config, values) {
  let result
  const client = await enter(pool, source, async (client, token) => {
    result = await execute(client, token, config, values)
    return client
  })
  giveBack(client)
  return result
}

/** Takes a client and does something on it with the source's token; with the next, once, when the first has expired. */
async function enter(pool, source, work) {
  if (source instanceof Token) {
    return on(pool, source, work)
  }
  if (typeof source?.token !== 'function') {
    throw new TenantError('NO_TOKEN')
  }
  const token = await source.token()
  try {
    return await on(pool, token, work)
  } catch (error) {
    if (error.code !== 'GT002' || !source.forget) {
      throw error
    }
    source.forget(token)
    const next = await source.token()
    if (next === token) {
      throw error
    }
    return on(pool, next, work)
  }
}

/** A client on which somebody left a cursor open is closed, and another is taken. */
async function on(pool, token, work) {
  const raw = bytesOf(token)
  for (let spoilt = 0; ; spoilt++) {
    const client = await guard(pool).connect()
    client.on('error', told) // without a listener the end of a connection would be the end of the process
    try {
      return await work(client, raw)
    } catch (cause) {
      const error = explain(cause)
      const cursor = error.code === 'GT005'
      // What the server said of the statement leaves the connection as it was; all else ends it.
      giveBack(client, cursor || typeof cause?.severity !== 'string' || cause.severity === 'FATAL' ? cause : undefined)
      if (!cursor || spoilt >= (pool.options?.max ?? 10)) {
        throw error
      }
    }
  }
}

/** The end of a connection is told to whoever waits for an answer on it. */
function told() {}

function giveBack(client, broken) {
  client.removeListener('error', told)
  client.release(broken)
}
