import type { Pool, PoolClient, QueryConfig, QueryResult, QueryResultRow } from 'pg'

/** Proves a login within a tenant to the database. It prints as nothing. */
export class Token {
  private constructor()
  /** Reads a token as Garant gives it (base64url). It is verified by the database only. */
  static parse(text: string): Token
  readonly expires: Date
}

/** What is said of a token: GT001 to GT007 are the SQLSTATEs of garant.enter. */
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
