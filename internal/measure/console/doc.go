// Package console shows the checks and the measures to staff: the desk with what is due, each check
// with what it last saw, the evidence behind it, and the progress of a run that somebody asked for;
// each measure with who answers for it and what they said, where owners attest and are named.
//
// States come from package measure and are never worked out here. What a check saw is shown in
// full to staff, as the finding has it; words for problems and next steps are the engines'. A
// check that could not look is shown with since when it is blind, evidence with its digest
// computed anew from the row as it stands.
//
// The frame, the navigation and errors are package web/console's.
package console
