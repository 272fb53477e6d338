// Package anonymise gives developers a copy of production in which nobody is to be found: it has runs made as the estate
// says, keeps what they proved, issues the developers' credentials, and proves SEG-6, SEG-7, SEG-8, ANO-1 and the columns of CLS-1.
// How a copy is made is package run, by what plan package plan; those are useful without a Garant.
//
// # Invariants, and the tests that prove them
//
//   - Nobody starts, chooses or skips a run: the schedule does (TestScheduled). What somebody published with the command line says so, and shows on
//     the annex (the fault "published by hand").
//   - One run of a database at a time, whatever the number of servers; what a killed server leaves is found, noted as lost and cleaned before the
//     next begins (TestTwoServers, TestKilled).
//   - A run's report stands here before its copy is served: whatever is killed in between, the copy that is served is known with its proofs
//     (TestKilledWhilePublishing).
//   - A run that is stopped, unproven or failed changes nothing of what is served, and says why without a value (TestStopped).
//   - What stops a run or disproves it shows on the annex at once, with the column and the line to add, and a copy is called anonymised only while what was proven of it
//     is within the plan in force (TestFaults, TestItemsNameTheLine, TestWord).
//   - What one person has changed in the plan or in where the copy stands makes no copy until a second has confirmed it (TestPending).
//   - No page reads a row of production or of a copy: what a plan does is shown on invented values, with a key that is thrown away (TestPreviewOfKinds).
//   - Credentials are sealed here before the cluster has them, and stay the same until somebody rotates them; every look at them is recorded
//     (TestCredentials).
//
// # Threat model
//
// Somebody who wants production's data and has the rights of a developer: see package run. Somebody with an account of Garant who would have a value
// kept: the plan is part of the estate, and a changed decision waits for a second person. Not covered: who holds Garant's machine, and so the reader's
// address; an administrator of the cluster for copies.
package anonymise
