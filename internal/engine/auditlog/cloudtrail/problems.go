package cloudtrail

import "slices"

// Problem is the id of a message that says what is wrong with a trail or its copy; the message that says what to do
// about it is the id followed by ".fix".
type Problem string

// The problems that hide a trail or its copy. They make a finding Error.
const (
	BadCredentials Problem = "cloudtrail.credentials"
	Denied         Problem = "cloudtrail.denied"
	Throttled      Problem = "cloudtrail.throttled"
	Unreachable    Problem = "cloudtrail.unreachable"
	Clock          Problem = "cloudtrail.clock"
	Oversized      Problem = "cloudtrail.oversized"
	Unfinished     Problem = "cloudtrail.unfinished"
	CheckBroken    Problem = "cloudtrail.check_broken"
)

// The problems that a trail really has. They make a finding Fail.
const (
	NoTrail       Problem = "cloudtrail.no_trail"
	Stopped       Problem = "cloudtrail.stopped"
	ValidationOff Problem = "cloudtrail.validation_off"
	OneRegion     Problem = "cloudtrail.one_region"
	NoGlobal      Problem = "cloudtrail.no_global"
	Elsewhere     Problem = "cloudtrail.elsewhere"
	NotDelivered  Problem = "cloudtrail.not_delivered"
	NoBucket      Problem = "cloudtrail.no_bucket"
	NoDigest      Problem = "cloudtrail.no_digest"
	NotKept       Problem = "cloudtrail.not_kept"
	Gap           Problem = "cloudtrail.gap"
	DigestMissing Problem = "cloudtrail.digest_missing"
	DigestChanged Problem = "cloudtrail.digest_changed"
	BadSignature  Problem = "cloudtrail.signature"
	LogMissing    Problem = "cloudtrail.log_missing"
	LogChanged    Problem = "cloudtrail.log_changed"
	LogAdded      Problem = "cloudtrail.log_added"
)

// The problems that the copy really has.
const (
	CopyMissing   Problem = "cloudtrail.copy_missing"
	CopyLate      Problem = "cloudtrail.copy_late"
	CopyDifferent Problem = "cloudtrail.copy_different"
	CopyUnlocked  Problem = "cloudtrail.copy_unlocked"
	CopyShort     Problem = "cloudtrail.copy_short"
)

func blind() []Problem {
	return []Problem{BadCredentials, Denied, Throttled, Unreachable, Clock, Oversized, Unfinished, CheckBroken}
}

// Blind reports whether the problem hides the trail rather than being a fault of it.
func (p Problem) Blind() bool { return slices.Contains(blind(), p) }

// Problems lists every problem that findings can name.
func Problems() []Problem {
	return append(blind(), NoTrail, Stopped, ValidationOff, OneRegion, NoGlobal, Elsewhere, NotDelivered, NoBucket, NoDigest, NotKept, Gap, DigestMissing, DigestChanged,
		BadSignature, LogMissing, LogChanged, LogAdded, CopyMissing, CopyLate, CopyDifferent, CopyUnlocked, CopyShort)
}
