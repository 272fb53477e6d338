package workspace

import "slices"

// Problem is the id of a message that says what is wrong with the logs of a workspace; the message that says what to do
// about it is the id followed by ".fix".
type Problem string

// The problems that hide the logs. They make a finding Error.
const (
	BadCredentials Problem = "workspace.credentials"
	NotDelegated   Problem = "workspace.not_delegated"
	Denied         Problem = "workspace.denied"
	Throttled      Problem = "workspace.throttled"
	Unreachable    Problem = "workspace.unreachable"
	Clock          Problem = "workspace.clock"
	Waiting        Problem = "workspace.waiting"
	CheckBroken    Problem = "workspace.check_broken"
)

// The problems that the logs really have. They make a finding Fail.
const (
	Foreign Problem = "workspace.foreign"
	Stale   Problem = "workspace.stale"
	Silent  Problem = "workspace.silent"
	Lost    Problem = "workspace.lost"
)

func blind() []Problem {
	return []Problem{BadCredentials, NotDelegated, Denied, Throttled, Unreachable, Clock, Waiting, CheckBroken}
}

// Blind reports whether the problem hides the logs rather than being a fault of them.
func (p Problem) Blind() bool { return slices.Contains(blind(), p) }

// Problems lists every problem that findings can name.
func Problems() []Problem { return append(blind(), Foreign, Stale, Silent, Lost) }
