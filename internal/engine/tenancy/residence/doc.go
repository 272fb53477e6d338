// Package residence tells applications where a tenant lives: in the database that it belongs to, or in
// one of its own. Package move says so at each switch; the SDKs ask (GET /api/v1/tenant/route); who
// mints tokens asks as well ([Places]), so that none is minted for a database that the tenant left.
//
// What is told is a projection: the move itself is recorded in the database that it leads out of, and
// tells again after a fault. An answer that is too old leads to a refusal by the database, never to old
// rows. Each change is one line of hosting.told and one entry of the audit record (TestResidences).
package residence
