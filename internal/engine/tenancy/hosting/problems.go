package hosting

import "slices"

// Problem is the id of a message that says what is wrong; the message that says what to do about
// it is the id followed by ".fix".
type Problem string

// The problems that hide a database from the check. They make a finding Error.
const (
	BadAddress  Problem = "hosting.address"
	Unreachable Problem = "hosting.unreachable"
	Impostor    Problem = "hosting.impostor"
	BadManifest Problem = "hosting.manifest"
	Hidden      Problem = "hosting.hidden"
	Unseen      Problem = "hosting.unseen"
	CheckBroken Problem = "hosting.check_broken"
)

// The problems that a database really has. They make a finding Fail.
const (
	LeftBehind   Problem = "hosting.left_behind"
	Others       Problem = "hosting.others"
	Nobody       Problem = "hosting.nobody"
	Unclassified Problem = "hosting.unclassified"
)

func blind() []Problem {
	return []Problem{BadAddress, Unreachable, Impostor, BadManifest, Hidden, Unseen, CheckBroken}
}

// Blind reports whether the problem hides the database rather than being a fault of it.
func (p Problem) Blind() bool { return slices.Contains(blind(), p) }

// Problems returns every problem that findings can name.
func Problems() []Problem { return append(blind(), LeftBehind, Others, Nobody, Unclassified) }
