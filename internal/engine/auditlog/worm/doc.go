// Package worm speaks with the second account: an S3 bucket under object lock, administered by others than those who
// administer Garant and its database, in which the audit log is kept a second time.
//
// What it guards: whoever holds the database, Garant itself or the account it runs in cannot take back what was put
// into the bucket. Each object is put once, with a retention of its own in COMPLIANCE mode, which nobody shortens or
// lifts before its end, the bucket's owner included. Two pairs of credentials exist. The writer's may put objects and
// set their retention; the verifier's may list and read. A [Store] is opened with one of them.
//
// Invariants:
//   - [Store.Put] returns nil only after the store has acknowledged an object of exactly this content under exactly this
//     key, under lock; it never replaces one. An object that is there already is success when its first version is the
//     same, and a conflict when it is not.
//   - A bucket under lock keeps versions, so who may put may add one, and who may delete may add a delete marker. Both
//     hide the object from a plain read and neither takes it away: [Store.GetFirst], [Store.Histories] and [Store.Latest]
//     look at all versions, and the first one counts.
//   - A listing that is not in the order of keys, or does not advance, is an error, never an end.
//   - Every call ends: within its deadline, after a bounded number of attempts, with a bounded amount of memory.
//   - No secret, signature or signed address is in an error, nor anything that the store said besides its error code.
//     Without TLS only this machine is spoken to. No proxy of the environment is used, no redirect followed, and no
//     credentials are looked for besides those given.
//
// Threat model: the writer's credentials are stolen (they add versions and objects, which show; they take nothing away);
// two servers write the same round (one of them meets the other's object); the connection is cut before or after the
// object was stored; the store hangs, throttles, is full, has another clock; the bucket was made without lock, or is
// another bucket of the same name ([Config].Owner). Not guarded against: an owner of the second account who withholds the bucket,
// closes the account or lets a store without a certified lock forget; the witness and the verifier's alarm are for that.
//
// Proven against a real server by TestComplianceHolds, TestRootCannotUndo, TestPutIsOnce, TestFirstVersionCounts,
// TestCutConnection, TestHangingStore, TestLatestOfMany, TestWriterLimits; against the documented wire format by
// TestThrottling and TestAnswers.
package worm
