// Package scale prepares what a guarded database needs to spread over more machines.
//
// Read replicas need nothing: schema garant comes along with the stream, tokens are verified there by
// the same keys, and the end of a session reaches a replica as fast as any row
// (TestReplica runs a streaming standby and proves it, for both designs).
//
// For Citus, [Citus] writes from the manifest which tables are distributed by the tenant's key, which are
// copied to every node and which stay, and holds the catalogue to what Citus demands. It asks
// nothing and changes nothing. What it writes was not run on Citus here: docs/scale.md says what that means.
package scale
