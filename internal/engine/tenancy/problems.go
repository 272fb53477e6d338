package tenancy

import "slices"

// Problem is the id of a message that says what is wrong with a guarded database; the message that
// says what to do about it is the id followed by ".fix".
type Problem string

// The problems that hide a database. They make a finding Error.
const (
	BadAddress  Problem = "tenancy.address"
	Unverified  Problem = "tenancy.unverified"
	Unreachable Problem = "tenancy.unreachable"
	Refused     Problem = "tenancy.refused"
	Impostor    Problem = "tenancy.impostor"
	Unreadable  Problem = "tenancy.unreadable"
	CheckBroken Problem = "tenancy.check_broken"
	Unknown     Problem = "tenancy.unknown"
)

// The problems that a database really has. They make a finding Fail.
const (
	Absent      Problem = "tenancy.absent"
	OtherSchema Problem = "tenancy.other_version"
	OtherDesign Problem = "tenancy.other_design"
	Unkeyed     Problem = "tenancy.unkeyed"
	ForeignKey  Problem = "tenancy.foreign_key"
	Moved       Problem = "tenancy.moved"
	Copied      Problem = "tenancy.copied"
	Restored    Problem = "tenancy.restored"
	KeyMissing  Problem = "tenancy.key_missing"
	KeyOld      Problem = "tenancy.key_old"
	CannotSweep Problem = "tenancy.cannot_sweep"
	Unswept     Problem = "tenancy.unswept"
	KeeperPower Problem = "tenancy.keeper_power"
)

func blind() []Problem {
	return []Problem{BadAddress, Unverified, Unreachable, Refused, Impostor, Unreadable, CheckBroken, Unknown}
}

func proven() []Problem {
	return []Problem{Absent, OtherSchema, OtherDesign, Unkeyed, ForeignKey, Moved, Copied, Restored, KeyMissing, KeyOld, CannotSweep, Unswept, KeeperPower}
}

// Problems lists every problem that the checks of this engine can report.
func Problems() []Problem { return append(blind(), proven()...) }

// Blind reports whether the problem hides the database.
func (p Problem) Blind() bool { return slices.Contains(blind(), p) }

// Stops reports whether no token is minted for a database of which this was last seen: somebody
// has to say first which place it is.
func (p Problem) Stops() bool {
	return slices.Contains([]Problem{Impostor, ForeignKey, Moved, Copied, Restored, KeyMissing}, p)
}
