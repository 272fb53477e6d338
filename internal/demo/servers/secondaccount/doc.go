// Package secondaccount runs the second account of the fictitious company of `garant demo`, and of tests: versitygw, a real
// S3 server with object lock, as a process of its own, on loopback, with credentials of its own, and where asked under an
// operating system's account of its own.
//
// Three pairs of credentials exist: the root's of the second account, which a company keeps away from Garant; the
// writer's, which a policy of the bucket lets put objects with a retention, and nothing else; the verifier's, which it lets
// list and read. Nothing here is for production: the credentials lie in the account's directory, beside what they guard.
//
// Invariants: the server listens on 127.0.0.1 and on its port of before; it ends with the process that started it, also when
// that is killed (Linux); it gets nothing of our environment; [Account.Close] leaves no process; what was acknowledged is
// there after [Account.Kill] and [Account.Start]. Proven by TestAccount, TestFaults and TestOwnUser.
package secondaccount
