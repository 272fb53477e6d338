import { TenantError, understood } from './token.js'

const RECORD = 'SELECT garant.record($1::text, $2::text, $3::text, $4::text::jsonb, $5::text::jsonb, $6::text::jsonb, $7::text)'

/**
 * Has what a user did kept with the transaction: when it is committed the event is, and when it is rolled back it never was. Who
 * it was the database knows by the token. on is what the transaction is done by: a client of pg, or the tx of Prisma.
 */
export async function record(on, { action, object, detail, before, after, actor } = {}) {
  const values = [
    text('action', action), text('kind of the object', object?.kind), text('id of the object', digits(object?.id)),
    json('detail', detail), json('before', before), json('after', after), text('actor', actor),
  ]
  try {
    await (typeof on.$executeRawUnsafe === 'function' ? on.$executeRawUnsafe(RECORD, ...values) : on.query(RECORD, values))
  } catch (error) {
    throw understood(error)
  }
}

/** No error quotes anything: what is recorded is of persons. */
const wrong = (sentence) => new TenantError('GT009', { message: `this is no event: ${sentence}` })

const digits = (id) => (typeof id === 'bigint' || Number.isSafeInteger(id) ? String(id) : id)

/** A text as PostgreSQL can hold it. Half a character becomes U+FFFD, as in every other text that pg sends. */
function text(what, value) {
  if (value === undefined || value === null || value === '') {
    return null
  }
  if (typeof value !== 'string') {
    throw wrong(`the ${what} is no text`)
  }
  if (value.includes('\0')) {
    throw wrong(`the ${what} holds U+0000, which PostgreSQL cannot hold`)
  }
  return value.replace(/\p{Surrogate}/gu, '\ufffd')
}

/** An object as JSON. What JSON.stringify would leave out or put null for is refused; undefined is left out. */
function json(what, value) {
  if (value === undefined || value === null) {
    return null
  }
  let encoded
  try {
    encoded = JSON.stringify(value, told)
  } catch {} // its message may quote
  if (encoded === undefined) {
    throw wrong(`${what} holds what JSON does not have`)
  }
  return encoded.replace(/\\(u0000|ud[89a-f][0-9a-f]{2}|.)/g, (escaped, it) => {
    if (it === 'u0000') {
      throw wrong(`${what} holds U+0000, which PostgreSQL cannot hold`)
    }
    return it.length > 1 && it.startsWith('ud') ? '\ufffd' : escaped
  })
}

function told(_, value) {
  if (typeof value === 'bigint') {
    return String(value)
  }
  if (typeof value === 'function' || typeof value === 'symbol' || (typeof value === 'number' && !Number.isFinite(value)) || value instanceof Map || value instanceof Set) {
    throw new TypeError('JSON does not have it')
  }
  return value
}
