// Package endpoint guards what strangers can reach: it looks at every address of the estate
// where the company's software answers, over the network and from outside, and gives the
// evidence for ENC-1 (TLS 1.2 and 1.3 only), ENC-2 (HSTS), CRT-1 and CRT-2 (certificates).
//
// # Checks
//
//	endpoint.tls                        ENC-1  versions, cipher suites; PostgreSQL: TLS demanded
//	endpoint.plainhttp                  ENC-1  nothing is served without TLS
//	endpoint.hsts                       ENC-2  RFC 6797
//	endpoint.certificate.production     CRT-1  chain, name, identity, issuer, time left
//	endpoint.certificate.nonproduction  CRT-2  the same, and a lifetime that asks for automation
//
// They look and never change: no request but GET, no login, nothing secret is sent.
//
// # Invariants
//
//   - Unknown is never right. A pass needs every target of the scope examined, and every
//     question about it answered. Silence, a cut answer or a refusal by a server that accepted
//     nothing make the finding Error (TestFaults, TestScanVerdicts).
//   - A target that fails makes the finding Fail even when another cannot be seen; both are
//     named (TestFailBeatsError).
//   - A slow target costs only its own time (TestOneSlowOfFifty).
//   - Time comes from In.Now. Findings of an unchanged system are equal, byte for byte, so that
//     they can be rolled up (measuretest.Run).
//   - What a stranger sends is bounded in size and time, made printable before it is kept, and
//     parsed by code that is fuzzed (FuzzServerHello, FuzzStartup, FuzzHSTS).
//
// # Threat model
//
// A server of ours that is badly set up: every fault of the table in faults_test.go. A decoy
// that answers in place of the declared endpoint, with a perfectly valid certificate: targets
// pin their identity, the certificate check fails and the others see nothing
// (endpoint.impostor, endpoint.hsts.untrusted). A hostile server that answers slowly, endlessly
// or in nonsense: bounds, Unknown. Plain HTTP has no identity to pin; whoever can answer there
// can at worst make the check fail, or hide an answer from Garant alone.
//
// Not covered: a server that treats Garant's address differently from others (garant witness
// looks from elsewhere); names and addresses that are not declared in garant.yaml; revocation
// (short lifetimes and CT are left to CRT-1's issuing part). Whether PostgreSQL refuses plain
// text is seen for a user that no rule of pg_hba.conf names; a rule that lets one named user in
// without TLS stays unseen unless a rule that rejects comes first, which the fix asks for.
package endpoint
