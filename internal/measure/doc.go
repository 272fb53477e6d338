// Package measure is the contract by which a sentence of the annex is true.
//
// A Check looks at real systems and returns a Finding. The Runner runs it when it is due,
// holds it to its scope, and stores the finding as evidence: immutable rows that the database
// lets nobody change, written by a role that can only insert them, in one transaction with
// their audit entry. Equal findings are rolled up into one run of findings (first, last,
// count). Derive makes the state of a measure out of the runs of findings of its checks, the
// estate and the time; nothing else does, and no state is ever typed in.
//
// What no program can see is attested: the owner of a measure, a person, confirms its sentence on a
// day, or says that it is no longer so. Both are kept as evidence is, for the words that were
// confirmed, and a confirmation expires. What is known at a moment (Known) is the runs of findings
// and the attestations; what a measure asks for is in the registry of the view.
//
// What holds whatever happens:
//
//   - no evidence, or an empty scope: unproven; evidence past its valid_until: stale
//   - a check that could not look, that examined less than its scope, or whose evidence comes
//     from the future never makes a measure met
//   - a failure is only cleared by a pass: going blind or growing old does not clear it
//   - a target added to the estate makes its measures unproven until it has been examined
//   - a check that this build no longer has proves nothing, and those that are left do not prove
//     a measure of which the catalogue names more facts than they give
//
// Sub-packages: catalogue is the annex as data, tailoring what a company makes of it, console their
// pages for staff; measuretest holds every check to this with fault injections.
package measure
