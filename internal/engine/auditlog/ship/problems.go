package ship

import "slices"

// Problem is the id of a message that says what is wrong with a log; the message that says what to do about it is the id
// followed by ".fix".
type Problem string

// The problems that keep Garant from looking. They make a finding Error.
const (
	BadSecret     Problem = "auditlog.logs.bad_secret" //nolint:gosec // a word of a message
	Unreachable   Problem = "auditlog.logs.no_answer"
	Untrusted     Problem = "auditlog.logs.untrusted"
	Redirected    Problem = "auditlog.logs.redirected"
	Denied        Problem = "auditlog.logs.denied"
	Busy          Problem = "auditlog.logs.busy"
	Unreadable    Problem = "auditlog.logs.unreadable"
	Forged        Problem = "auditlog.logs.forged" // finds what was never written
	FarEndSilent  Problem = "auditlog.logs.far_end_silent"
	FarEndRefused Problem = "auditlog.logs.far_end_refused"
	NoFile        Problem = "auditlog.logs.no_file"
	NoShipper     Problem = "auditlog.logs.no_shipper"
	CheckBroken   Problem = "auditlog.logs.check_broken"
)

// The problems that a log really has. They make a finding Fail.
const (
	NotFound  Problem = "auditlog.logs.not_found"
	Late      Problem = "auditlog.logs.late"
	NoIndex   Problem = "auditlog.logs.no_index"
	Partial   Problem = "auditlog.logs.partial"
	WrongLine Problem = "auditlog.logs.wrong_line" // has the word that was searched for, and is another
	Dropped   Problem = "auditlog.logs.dropped"
	SetAside  Problem = "auditlog.logs.set_aside"
	Missed    Problem = "auditlog.logs.missed"
	Damaged   Problem = "auditlog.logs.damaged"
)

func blind() []Problem {
	return []Problem{BadSecret, Unreachable, Untrusted, Redirected, Denied, Busy, Unreadable, Forged, FarEndSilent, FarEndRefused, NoFile, NoShipper, CheckBroken}
}

func faulty() []Problem {
	return []Problem{NotFound, Late, NoIndex, Partial, WrongLine, Dropped, SetAside, Missed, Damaged}
}

// Problems lists every problem that the checks of this package can report.
func Problems() []Problem { return append(blind(), faulty()...) }

// Blind reports whether the problem hides the log rather than being a fault of it.
func (p Problem) Blind() bool { return slices.Contains(blind(), p) }
