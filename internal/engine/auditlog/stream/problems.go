package stream

import "slices"

// Problem is the id of a message that says what is wrong with a stream; the message that says what to do about it is the id
// followed by ".fix".
type Problem string

// The problems that hide how far a stream is. They make a finding Error.
const (
	Unknown     Problem = "auditlog.stream_unknown" // Garant's own database, or the record, does not answer
	CheckBroken Problem = "auditlog.stream_check_broken"
)

// The problems with which a stream has stopped: it tries again, and somebody has to do something. They make a finding Fail at once.
const (
	Refused    Problem = "auditlog.stream_refused"
	Untrusted  Problem = "auditlog.stream_untrusted"
	BadAddress Problem = "auditlog.stream_address"
	BadSecret  Problem = "auditlog.stream_secret" //nolint:gosec // a word of a message
	Unwritable Problem = "auditlog.stream_unwritable"
	Disorder   Problem = "auditlog.stream_disorder"
)

// The problems that may pass by themselves. They make a finding Fail when entries have waited too long.
const (
	NoAnswer    Problem = "auditlog.stream_no_answer"
	Failing     Problem = "auditlog.stream_failing"
	Throttled   Problem = "auditlog.stream_throttled"
	Unconfirmed Problem = "auditlog.stream_unconfirmed"
)

// The problems of which a stream itself does not know.
const (
	Late      Problem = "auditlog.stream_late"
	Unstarted Problem = "auditlog.stream_unstarted"
	Ahead     Problem = "auditlog.stream_ahead" // it is further than the record goes
)

func stopping() []Problem {
	return []Problem{Refused, Untrusted, BadAddress, BadSecret, Unwritable, Disorder}
}

// Problems lists every problem that the check of this package can report.
func Problems() []Problem {
	return append([]Problem{Unknown, CheckBroken, NoAnswer, Failing, Throttled, Unconfirmed, Late, Unstarted, Ahead}, stopping()...)
}

// Stops reports whether a stream has stopped with the problem until somebody does something.
func (p Problem) Stops() bool { return slices.Contains(stopping(), p) }

// Blind reports whether the problem hides how far a stream is.
func (p Problem) Blind() bool { return p == Unknown || p == CheckBroken }
