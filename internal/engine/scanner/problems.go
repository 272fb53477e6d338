package scanner

// The problems of findings, as message ids; the next step is the id and ".fix". Failed,
// Overdue and Undated make a finding fail, the others an error; More only says how many were left out.
const (
	ProblemFailed    = "scanner.failed"
	ProblemOverdue   = "scanner.overdue"
	ProblemUndated   = "scanner.undated"
	ProblemUndecided = "scanner.undecided"
	ProblemMuted     = "scanner.muted"
	ProblemNoResults = "scanner.no_results"
	ProblemMore      = "scanner.more"
)

// Problems returns every problem that the engine's findings can name.
func Problems() []string {
	return []string{ProblemFailed, ProblemOverdue, ProblemUndated, ProblemUndecided, ProblemMuted, ProblemNoResults, ProblemMore}
}
