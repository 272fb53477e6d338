package plan

import (
	"slices"
	"strings"

	"github.com/garant-project/garant/internal/engine/anonymise/catalog"
	"github.com/garant-project/garant/internal/engine/anonymise/personal"
	"github.com/garant-project/garant/internal/engine/anonymise/transform"
)

// empty finds tables of which no row is worth copying: what opens accounts, sessions, work that waits. What rows elsewhere refer to stays.
func (p *proposal) empty() {
	for _, d := range p.tables {
		if d.known {
			continue
		}
		if reason := d.worthless(); reason != "" {
			d.entry.Rows, d.entry.Reason = NoRows, reason
		}
	}
	for again := true; again; {
		again = false
		for _, d := range p.tables {
			if d.entry.Rows == NoRows {
				continue
			}
			for _, f := range d.src.Foreign {
				if to := p.by[f.To]; to != nil && to != d && to.entry.Rows == NoRows && !to.known {
					to.entry.Rows, to.entry.Reason = AllRows, ""
					again = true
				}
			}
		}
	}
}

// worthless says why the rows of a table are not worth copying, nothing when they may be.
func (d *draft) worthless() string {
	secret, beside, technical := 0, 0, 0
	for i, c := range d.entry.Columns {
		switch {
		case d.results[i].Kind == personal.Credential && !d.results[i].Question():
			secret++
		case named(c.Name) || slices.ContainsFunc(d.src.Foreign, func(f catalog.Foreign) bool { return slices.Contains(f.Columns, c.Name) }):
		case slices.Contains([]transform.Family{transform.Timestamp, transform.Date, transform.Boolean}, transform.FamilyOf(d.src.Column(c.Name).Type)):
		default:
			beside++
		}
		if slices.Contains([]string{"payload", "args", "arguments", "handler", "queue", "queue_name", "run_at", "scheduled_at", "attempts", "attempt", "max_attempts", "locked_at", "locked_by", "available_at",
			"reserved_at", "session_data", "sess", "last_activity", "expire", "expires", "expires_at", "expire_date", "job_class", "failed_at", "finished_at", "state", "attempted_at", "errored_at", "priority"}, c.Name) {
			technical++
		}
	}
	words := strings.FieldsFunc(strings.ToLower(d.src.Name.Table), func(c rune) bool { return c == '_' || c == ' ' || c == '-' })
	for _, w := range words {
		switch strings.TrimSuffix(w, "s") {
		case "session", "sess":
			if secret+technical > 0 {
				return "sessions open accounts"
			}
		case "token", "otp", "oauth", "jwt", "refresh", "magic", "reset", "recovery", "verification", "authenticator", "webauthn", "nonce":
			if secret > 0 {
				return "what opens accounts is not copied"
			}
		case "job", "queue", "outbox", "task", "que":
			if technical >= 3 {
				return "work that waits is not copied"
			}
		}
	}
	if secret > 0 && beside == 0 {
		return "what opens accounts is not copied"
	}
	return ""
}
