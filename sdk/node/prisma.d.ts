import type { Source, Token } from './index.js'

export { record, type Event, type Recorder } from './index.js'

/**
 * A client of Prisma under a login. Each of its operations is a transaction that enters first; $transaction takes a
 * function, all of whose operations are one, and refuses a list.
 */
export function under<Client extends object>(prisma: Client, source: Source | Token): Client
