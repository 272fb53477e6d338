// Package servers starts the endpoints of the fictitious company of `garant demo`: real TLS
// servers with real certificates, on loopback, that can be broken and mended while they run.
//
// They are what the example's annex is proven against, and what the fault injections of
// engine/endpoint break. Nothing here is for production: the authority's key lies in memory,
// or where the caller keeps it, and a page says what the server is.
//
// Invariants: a server serves only on the addresses of its [Config], which are loopback;
// [Server.Break] and [Server.Mend] end every open connection before they return, so that a
// client that connects afterwards meets the new behaviour; a certificate is issued anew, with
// the same key, once less than a third of its life remains; after [Server.Close] no goroutine
// and no socket is left. Proven by TestFaults, TestRenewal, TestBreakEndsConnections and
// TestCloseLeavesNothing.
package servers
