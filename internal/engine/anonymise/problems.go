package anonymise

import "slices"

// Problem is the id of a message that says what is wrong with the copies of a database; the message that says what to do
// about it is the id followed by ".fix".
type Problem string

// The problems that hide the copies of a database. They make a finding Error.
const (
	BadAddress   Problem = "anonymise.bad_address"
	Unreachable  Problem = "anonymise.no_answer"
	Impostor     Problem = "anonymise.impostor"
	SourceUnseen Problem = "anonymise.source_unseen" // the source does not say whether it lets developers in, or what it holds
	Unknown      Problem = "anonymise.unknown"       // Garant's own database does not answer
	CheckBroken  Problem = "anonymise.check_broken"
)

// The problems that copies really have. They make a finding Fail.
const (
	SameCluster   Problem = "anonymise.same_cluster"
	NoCopy        Problem = "anonymise.nothing_served"
	Foreign       Problem = "anonymise.foreign_copy" // not made by a run, or not by one that Garant knows
	OldCopy       Problem = "anonymise.too_old"
	PlanWaits     Problem = "anonymise.waits"          // for a second person
	NotUnderstood Problem = "anonymise.not_understood" // a table, a column, a path, by the plan
	StoppedRun    Problem = "anonymise.stopped"
	Leaked        Problem = "anonymise.leaked"
	NotProven     Problem = "anonymise.not_proven"

	NoCredential Problem = "anonymise.no_credentials" //nolint:gosec // a word of a message
	ShutOut      Problem = "anonymise.shut_out"
	Unreadable   Problem = "anonymise.unreadable"
	Mighty       Problem = "anonymise.power"
	Others       Problem = "anonymise.others"
	SourceOpen   Problem = "anonymise.source_open"
	SourceRole   Problem = "anonymise.source_role"
	Bridge       Problem = "anonymise.bridge"

	ByHand  Problem = "anonymise.by_hand"
	Renamed Problem = "anonymise.renamed"

	NoReport     Problem = "anonymise.no_report"
	NotMeasured  Problem = "anonymise.not_measured"
	Recognisable Problem = "anonymise.recognisable"
	Linkable     Problem = "anonymise.linkable"

	BadPlan      Problem = "anonymise.bad_plan"
	Unclassified Problem = "anonymise.unclassified"
	Contradicted Problem = "anonymise.contradicted"
	PlanWrong    Problem = "anonymise.plan_wrong"
)

func blind() []Problem {
	return []Problem{BadAddress, Unreachable, Impostor, SourceUnseen, Unknown, CheckBroken}
}

func faulty() []Problem {
	return []Problem{
		SameCluster, NoCopy, Foreign, OldCopy, PlanWaits, NotUnderstood, StoppedRun, Leaked, NotProven, NoCredential, ShutOut, Unreadable, Mighty, Others, SourceOpen, SourceRole, Bridge, ByHand, Renamed,
		NoReport, NotMeasured, Recognisable, Linkable, BadPlan, Unclassified, Contradicted, PlanWrong,
	}
}

// Problems lists every problem that the checks of this engine can report.
func Problems() []Problem { return append(blind(), faulty()...) }

// Blind reports whether the problem hides the copies rather than being a fault of them.
func (p Problem) Blind() bool { return slices.Contains(blind(), p) }
