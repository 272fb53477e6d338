import { Token, TenantError } from './token.js'

/**
 * Keeps the token of a source and asks for the next before it ends. However many ask, the source is asked once at a time.
 * One for each login, kept as long as the login's session.
 */
export function cache(source) {
  let held
  let renew = 0 // from then on the next is asked for, while this one is still given
  let end = 0 // from then on this one is not given any more
  let flight
  const ask = () => {
    flight ??= Promise.resolve()
      .then(() => source.token())
      .then((token) => {
        const now = Date.now()
        const left = token.expires.getTime() - now
        held = token
        renew = now + left * 0.8
        end = now + left - Math.min(5000, left / 10)
        return token
      })
      .catch((error) => {
        renew = Math.max(renew, Date.now() + 1000) // leave it alone for a second, while there still is a good token
        throw error
      })
      .finally(() => {
        flight = undefined
      })
    return flight
  }
  return {
    async token() {
      const now = Date.now()
      if (held && now < end) {
        if (now >= renew) {
          ask().catch(() => {}) // who has no good token any more is told
        }
        return held
      }
      return ask()
    },
    forget(token) {
      if (held === token) {
        held = undefined
      }
    },
  }
}

const MOST = 64 * 1024

/** Gives tokens in exchange for the verified ID token of a login (RFC 8693). */
export function exchange({ url, apiToken, audience, idToken, readOnly = false, fetch = globalThis.fetch }) {
  return {
    async token() {
      return ask(fetch, url, await apiToken(), {
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        subject_token: await idToken(),
        subject_token_type: 'urn:ietf:params:oauth:token-type:id_token',
        audience,
        ...(readOnly ? { scope: 'read' } : {}),
      })
    },
  }
}

/** Gives tokens for a job that runs for a tenant without a login, and that was accepted by name. */
export function job({ url, apiToken, audience, purpose, tenant, readOnly = false, fetch = globalThis.fetch }) {
  return {
    async token() {
      return ask(fetch, url, await apiToken(), {
        grant_type: 'client_credentials',
        audience,
        purpose,
        tenant: String(tenant),
        ...(readOnly ? { scope: 'read' } : {}),
      })
    },
  }
}

async function ask(fetch, url, bearer, form) {
  const to = new URL(url)
  if (to.protocol !== 'https:' && !(to.protocol === 'http:' && ['localhost', '127.0.0.1', '[::1]'].includes(to.hostname))) {
    throw new TenantError('ENDPOINT', { message: 'the endpoint is asked by https only, because tokens go there and come back' })
  }
  const response = await fetch(to, {
    method: 'POST',
    redirect: 'manual', // the token of the application goes nowhere else
    headers: { authorization: `Bearer ${bearer}`, accept: 'application/json' },
    body: new URLSearchParams(form),
    signal: AbortSignal.timeout(10_000),
  })
  let answer
  try {
    answer = JSON.parse(await read(response))
  } catch {
    answer = undefined
  }
  if (typeof answer?.error === 'string') {
    const { error, error_description: description } = answer
    throw new TenantError(error, { message: `no token: ${description ? `${description} (${error})` : error}` })
  }
  const unknown = new TenantError('ENDPOINT', {
    message: `the endpoint of tokens answered ${response.status}, and nothing that is understood: is the address right?`,
  })
  if (response.status !== 200 || answer?.issued_token_type !== 'urn:garant:token-type:tenant') {
    throw unknown
  }
  try {
    return Token.parse(answer.access_token)
  } catch {
    throw unknown
  }
}

async function read(response) {
  const parts = []
  let size = 0
  for await (const part of response.body ?? []) {
    size += part.length
    if (size > MOST) {
      throw new RangeError('too long')
    }
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}
