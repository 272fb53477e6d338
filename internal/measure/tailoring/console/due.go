package console

import (
	"strconv"
	"time"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/ui"
)

func (h *pages) countDue(r *web.Request) (int, error) {
	list, err := h.due(r, h.c.Printer(r))
	return len(list), err
}

// due lists what waits of the annex: a review by the reader, a draft or a version that this build
// cannot read, a revision whose day has come.
func (h *pages) due(r *web.Request, p *ui.Printer) ([]console.Due, error) {
	if !r.Actor.May(actor.ChangeAnnex) && !r.Actor.May(actor.ReviewAnnex) {
		return nil, nil
	}
	a, err := h.read(r.Context())
	if err != nil {
		return nil, err
	}
	var out []console.Due
	if proposal := a.waiting(); proposal != nil && r.Actor.May(actor.ReviewAnnex) && !proposal.HadAHand(r.Actor) {
		out = append(out, console.Due{
			What: p.T("annexes.due.review"), Href: ReviewPath, Why: p.T("annexes.due.review.why"), Next: p.T("annexes.due.review.next"), Since: proposal.At, Urgency: console.Decide,
			Button: &ui.Button{Label: p.T("annexes.due.review.button"), Href: ReviewPath, Primary: true},
		})
	}
	if a.last != nil && a.last.Decision != nil && a.last.Decision.Outcome == "refused" && a.draft.Revision == a.last.Draft.Revision && a.last.HadAHand(r.Actor) {
		out = append(out, console.Due{
			What: p.T("annexes.due.refused"), Href: ReviewPath, Why: a.last.Decision.Reason, Next: p.T("annexes.due.refused.next"), Since: a.last.Decision.At, Urgency: console.Decide,
			Button: &ui.Button{Label: p.T("annexes.due.refused.button"), Href: ReviewPath},
		})
	}
	if a.outdated != nil && a.published != nil {
		out = append(out, console.Due{
			What: p.T("annexes.outdated", "Version", strconv.FormatInt(a.published.Number, 10)), Href: TextPath, Why: p.T("annexes.outdated.text"), Next: p.T("annexes.outdated.next"), Urgency: console.Blocked,
			Button: &ui.Button{Label: p.T("annexes.broken.link"), Href: TextPath, Primary: true},
		})
	}
	if a.published != nil && a.was != nil {
		zone := p.Zone()
		if day, err := time.ParseInLocation(time.DateOnly, a.was.Identity().Revision, zone); err == nil && !r.Now.Before(day) {
			out = append(out, console.Due{
				What: p.T("annexes.due.revision"), Href: CompanyPath, Why: p.T("annexes.due.revision.why", "Day", p.Day(day)), Next: p.T("annexes.due.revision.next"), Since: day, Urgency: console.Stale,
				Button: &ui.Button{Label: p.T("annexes.due.revision.button"), Href: Path},
			})
		}
	}
	return out, nil
}
