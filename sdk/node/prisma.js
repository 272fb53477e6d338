import { bytesOf, TenantError, Token, understood } from './token.js'

export { record } from './record.js'

/**
 * A client of Prisma under a login. Each of its operations is a transaction that enters first; $transaction takes a
 * function, all of whose operations are one.
 */
export function under(prisma, source) {
  const enter = (on, token) => on.$executeRaw`SELECT garant.enter(${bytesOf(token)})` // execute: it returns nothing
  return prisma.$extends({
    name: 'garant-tenant',
    client: {
      $transaction(work, options) {
        if (typeof work !== 'function') {
          throw new TypeError('tenant: give $transaction a function: operations of a list are transactions of their own')
        }
        return proven(source, (token, begun) =>
          prisma.$transaction(async (on) => {
            await enter(on, token)
            begun()
            return work(on)
          }, options),
        )
      },
    },
    query: {
      $allOperations: ({ args, query }) =>
        proven(source, async (token) => (await prisma.$transaction([enter(prisma, token), query(args)]))[1]),
    },
  })
}

/** Does something with the source's token; with the next, once, when the first had expired and nothing was done. */
async function proven(source, work) {
  const token = source instanceof Token ? source : await source?.token?.()
  if (!(token instanceof Token)) {
    throw new TenantError('NO_TOKEN')
  }
  let begun = false
  try {
    return await work(token, () => (begun = true))
  } catch (cause) {
    const error = understood(cause)
    const next = !begun && error.code === 'GT002' && source.forget ? (source.forget(token), await source.token()) : token
    if (next === token) {
      throw error
    }
    return work(next, () => {}).catch((cause) => {
      throw understood(cause)
    })
  }
}
