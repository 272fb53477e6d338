package collect

import "slices"

// Problem is the id of a message that says what is wrong with the events of a database; the message that says what to do
// about it is the id followed by ".fix".
type Problem string

// The problems that hide a database. They make a finding Error.
const (
	BadAddress  Problem = "events.address"
	Unreachable Problem = "events.no_answer"
	Impostor    Problem = "events.impostor"
	Unreadable  Problem = "events.unreadable"
	BadManifest Problem = "events.manifest"
	Unknown     Problem = "events.unknown" // Garant's own database does not answer
	CheckBroken Problem = "events.check_broken"
	NeverYet    Problem = "events.never" // collected
)

// The problems that a database really has. They make a finding Fail.
const (
	NoOutbox        Problem = "events.no_outbox"
	NotCaptured     Problem = "events.not_captured"
	CaptureOff      Problem = "events.capture_off"
	CaptureDiffers  Problem = "events.capture_differs"
	WaysPast        Problem = "events.ways_past"
	FunctionChanged Problem = "events.function_changed"
	NothingDeclared Problem = "events.nothing_declared"
	Late            Problem = "events.late"
	Lost            Problem = "events.lost"
	Invented        Problem = "events.invented"
	PortalBlind     Problem = "events.portal_blind"
)

func blind() []Problem {
	return []Problem{BadAddress, Unreachable, Impostor, Unreadable, BadManifest, Unknown, CheckBroken, NeverYet}
}

// Blind reports whether the problem hides the database rather than being a fault of it.
func (p Problem) Blind() bool { return slices.Contains(blind(), p) }

// Problems returns every problem that findings can name.
func Problems() []Problem {
	return append(blind(), NoOutbox, NotCaptured, CaptureOff, CaptureDiffers, WaysPast, FunctionChanged, NothingDeclared, Late, Lost, Invented, PortalBlind)
}
