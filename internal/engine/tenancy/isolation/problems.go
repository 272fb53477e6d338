package isolation

import "slices"

// Problem is the id of a message that says what is wrong; the message that says what to do about
// it is the id followed by ".fix".
type Problem string

// The problems that hide a database from a check. They make a finding Error.
const (
	BadAddress    Problem = "isolation.address"
	NoApplication Problem = "isolation.no_application"
	Unreachable   Problem = "isolation.unreachable"
	Impostor      Problem = "isolation.impostor"
	BadManifest   Problem = "isolation.manifest"
	OutOfTime     Problem = "isolation.out_of_time"
	Unseen        Problem = "isolation.unseen"
	CheckBroken   Problem = "isolation.check_broken"
)

// The problems that a database really has. They make a finding Fail.
const (
	Open         Problem = "isolation.open"
	Weak         Problem = "isolation.weak"
	Shows        Problem = "isolation.shows"
	Unclassified Problem = "isolation.unclassified"
	Undeclared   Problem = "isolation.undeclared_path"
	Crossed      Problem = "isolation.crossed"
)

func blind() []Problem {
	return []Problem{BadAddress, NoApplication, Unreachable, Impostor, BadManifest, OutOfTime, Unseen, CheckBroken}
}

// Blind reports whether the problem hides the database rather than being a fault of it.
func (p Problem) Blind() bool { return slices.Contains(blind(), p) }

// Problems returns every problem that findings can name.
func Problems() []Problem {
	return append(blind(), Open, Weak, Shows, Unclassified, Undeclared, Crossed)
}
