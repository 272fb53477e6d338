import type { ClientBase, Pool, PoolClient, QueryConfig, QueryResult, QueryResultRow } from 'pg'

/** Proves a login within a tenant to the database. It prints as nothing. */
export class Token {
  private constructor()
  /** Reads a token as Garant gives it (base64url). It is verified by the database only. */
  static parse(text: string): Token
  readonly expires: Date
}

/** What is said of a token or an event: GT001 to GT007 are the SQLSTATEs of garant.enter, GT008 and GT009 those of garant.record, GT010 that of the triggers that record tables. */
export class TenantError extends Error {
  readonly code: string
}

export interface Source {
  token(): Promise<Token>
  /** Lets go of a token that was refused, so that the next is another. */
  forget?(token: Token): void
}

export interface Endpoint {
  /** https, or http to this machine itself. */
  url: string
  /** The application's own token for Garant. */
  apiToken(): string | Promise<string>
  /** Name of the database in Garant's estate. */
  audience: string
  readOnly?: boolean
  fetch?: typeof globalThis.fetch
}

export function cache(source: Source): Required<Source>
export function exchange(options: Endpoint & { idToken(): string | Promise<string> }): Source
export function job(options: Endpoint & { purpose: string; tenant: string | number | bigint }): Source
export function explain(error: unknown): unknown

/** Lets a pool close each connection on which a tenant may have left something for the next. transaction and query do so by themselves. */
export function guard<P extends Pool>(pool: P): P

export interface TransactionOptions {
  isolation?: 'read committed' | 'repeatable read' | 'serializable'
  readOnly?: boolean
}

/** Does something in a transaction under a login, entered in the round trip of BEGIN. */
export function transaction<T>(pool: Pool, source: Source | Token, work: (client: PoolClient) => Promise<T>, options?: TransactionOptions): Promise<T>

/** Asks one thing under a login, which is a transaction by itself, in one round trip. */
export function query<R extends QueryResultRow = any>(pool: Pool, source: Source | Token, config: string | QueryConfig, values?: unknown[]): Promise<QueryResult<R>>

/** What a user of the application did, as the audit log is to tell it. */
export interface Event {
  /** Two or more words of a–z and _ with dots between them: 'application.decided'; one that ends in '.read' is a read. */
  action: string
  /** What it was done to. An id needs a kind. */
  object?: { kind: string; id?: string | number | bigint | null } | null
  /** Ids, counts and names, 16 KiB at most: it stands open in the audit log, so that it holds nothing of a person. */
  detail?: object | null
  /** Fields with personal data, 64 KiB at most each, which the audit log seals with the customer's key. */
  before?: object | null
  after?: object | null
  /** What the application itself says of its user, such as a name: kept sealed, and apart from what is proven. */
  actor?: string | null
}

/** What a transaction is done by: a client of pg, or the tx of Prisma. */
export type Recorder = Pick<ClientBase, 'query'> | { $executeRawUnsafe(query: string, ...values: any[]): PromiseLike<number> }

/** Has an event kept with the transaction: when it is committed the event is, and when it is rolled back it never was. */
export function record(on: Recorder, event: Event): Promise<void>
