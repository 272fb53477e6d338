package auditlog

import "slices"

// Problem is the id of a message that says what is wrong with the record; the message that says what to do
// about it is the id followed by ".fix".
type Problem string

// The problems that hide the record. They make a finding Error.
const (
	Unknown     Problem = "auditlog.unknown"
	NotExamined Problem = "auditlog.not_examined"
	CopyUnseen  Problem = "auditlog.copy_unseen"
	CopyNone    Problem = "auditlog.copy_none"

	NeverOrdered Problem = "auditlog.never"
	CopyEmpty    Problem = "auditlog.copy_empty"
)

// The problems that it really has. They make a finding Fail.
const (
	Granted   Problem = "auditlog.granted"
	Trigger   Problem = "auditlog.trigger"
	Rule      Problem = "auditlog.rule"
	Policy    Problem = "auditlog.policy"
	OtherHand Problem = "auditlog.owner"
	Detached  Problem = "auditlog.detached"
	Replaced  Problem = "auditlog.replaced"
	Member    Problem = "auditlog.member"

	Stopped    Problem = "auditlog.stopped"
	Behind     Problem = "auditlog.behind"
	HeldUp     Problem = "auditlog.held_up"
	DoesNotFit Problem = "auditlog.does_not_fit"

	Changed   Problem = "auditlog.changed"
	NotIntact Problem = "auditlog.not_intact"

	CopyFails    Problem = "auditlog.copy_fails"
	CopyLate     Problem = "auditlog.copy_late"
	CopyDiffers  Problem = "auditlog.copy_differs"
	CopyUnlocked Problem = "auditlog.copy_unlocked"
	CopyOpen     Problem = "auditlog.copy_open"

	NotRecorded Problem = "auditlog.sign_in_silent"
)

func faulty() []Problem {
	return []Problem{Granted, Trigger, Rule, Policy, OtherHand, Detached, Replaced, Member, Stopped, Behind, HeldUp, DoesNotFit, Changed, NotIntact, CopyFails, CopyLate, CopyDiffers, CopyUnlocked, CopyOpen, NotRecorded}
}

// Problems lists every problem of the checks of this package.
func Problems() []Problem {
	return append([]Problem{Unknown, NotExamined, CopyUnseen, CopyNone, NeverOrdered, CopyEmpty}, faulty()...)
}

// Blind reports whether the problem hides the record.
func (p Problem) Blind() bool { return !slices.Contains(faulty(), p) }
