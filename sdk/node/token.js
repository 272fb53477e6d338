import { inspect } from 'node:util'

const SIZE = 132
const bytes = new WeakMap()

/** A token proves a login within a tenant to the database. It prints as nothing. */
export class Token {
  /** Reads a token as Garant gives it (base64url). It is verified by the database only. */
  static parse(text) {
    const raw = typeof text === 'string' && /^[A-Za-z0-9_-]{176}$/.test(text) ? Buffer.from(text, 'base64url') : Buffer.alloc(0)
    if (raw.length !== SIZE || raw[0] !== 1) {
      throw new TenantError('GT001')
    }
    const token = new Token()
    bytes.set(token, raw)
    return token
  }

  /** When the token ends. */
  get expires() {
    return new Date(Number(bytesOf(this).readBigUInt64BE(92) / 1000n))
  }

  toString() {
    return '[token]'
  }

  toJSON() {
    return '[token]'
  }

  [inspect.custom]() {
    return '[token]'
  }
}

/** Internal: the bytes that go to the database, as a parameter of garant.enter. */
export function bytesOf(token) {
  const raw = bytes.get(token)
  if (!raw) {
    throw new TenantError('NO_TOKEN')
  }
  return raw
}

const sentences = {
  NO_TOKEN: 'there is no token: nothing is asked of the database without one',
  GT001: 'this is no valid token for this database: it was changed, signed by an unknown key, or made for another database',
  GT002: 'the token has expired: ask for a new one',
  GT003: 'the session of this token was ended: sign in again',
  GT004: 'this transaction already belongs to another tenant or session: one transaction serves one login',
  GT005: 'a cursor is still open on this connection: close it, and let the pooler reset connections',
  GT006: 'the snapshot of this transaction is too old: enter first, then read',
  GT007: 'this tenant lives in another database: ask where, and go on there',
  GT008: 'nobody entered this transaction: an event is of somebody who did',
  GT009: 'this is no event: what is wrong with it stands in the error of the database',
  GT010: 'a cast to JSON would run with the rights of garant_sec: drop it',
}

/** What is said of a token or an event. The code is the SQLSTATE of garant.enter or garant.record, NO_TOKEN, or what Garant answered. */
export class TenantError extends Error {
  constructor(code, { cause, message } = {}) {
    super(`tenant: ${message ?? sentences[code] ?? code}`, cause === undefined ? undefined : { cause })
    this.name = 'TenantError'
    this.code = code
  }
}

/** Turns what garant.enter or garant.record raised into a TenantError; any other error is returned as it is. */
export function explain(error) {
  return error && !(error instanceof TenantError) && typeof error.code === 'string' && error.code.startsWith('GT') && sentences[error.code]
    ? new TenantError(error.code, { cause: error })
    : error
}

/** Internal: the same for Prisma too, which carries what the database said of a raw statement in meta. */
export function understood(error) {
  const code = error?.meta?.driverAdapterError?.cause?.originalCode ?? error?.meta?.code
  return typeof code === 'string' && code.startsWith('GT') ? explain(Object.assign(new Error(error.message, { cause: error }), { code })) : explain(error)
}
