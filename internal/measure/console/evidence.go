package console

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/ui"
)

type evidencePage struct {
	Digest  *ui.Notice
	Details []ui.Detail
	Items   ui.Table
	Failing bool
	Facts   []ui.Detail
	Raw     string // the observation, indented; empty: none was kept
	Source  string // the finding, indented
	API     string
}

func (h *pages) evidence(w http.ResponseWriter, r *web.Request) error {
	e, err := measure.LoadEvidence(r.Context(), h.staff(), r.PathValue("id"))
	if err != nil {
		return err
	}
	p := h.c.Printer(r)
	body := &evidencePage{
		Digest:  &ui.Notice{Tone: ui.Success, Title: p.T("console.evidence.intact"), Text: p.T("console.evidence.intact.text")},
		Details: evidenceDetails(p, e), Facts: factDetails(p, e.Finding.Facts), Failing: len(e.Finding.Failed) > 0,
		Items: h.itemTable(p, e.Finding.Failed), Raw: indent(e.Finding.Raw), Source: indent(e.Source), API: web.APIPath + "/evidence/" + e.ID,
	}
	if !e.Intact() {
		body.Digest = &ui.Notice{Tone: ui.Danger, Title: p.T("console.evidence.broken"), Text: p.T("console.evidence.broken.text")}
	}
	page := h.c.Page(r, "console.evidence.title", console.ChecksPath, body)
	page.Crumbs = []ui.Link{
		{Label: p.T("console.checks.title"), Href: console.ChecksPath}, {Label: title(p, e.CheckID), Href: checkPath(e.CheckID)},
		{Label: p.T("console.evidence.of", "At", p.Instant(e.ObservedAt))},
	}
	return h.write(w, "evidence", page)
}

func evidenceDetails(p *ui.Printer, e measure.Evidence) []ui.Detail {
	version := strconv.FormatInt(e.EstateVersion, 10)
	details := []ui.Detail{
		{Term: p.T("console.evidence.outcome"), Text: outcome(p, e.Outcome)},
		{Term: p.T("console.check.name"), Link: &ui.Link{Label: title(p, e.CheckID), Href: checkPath(e.CheckID)}, Code: e.CheckID},
		{Term: p.T("console.evidence.kind"), Text: kind(p, e.Kind), Note: p.T("console.check.observations", "Count", e.Observations)},
		{Term: p.T("console.evidence.first"), Time: e.FirstAt},
		{Term: p.T("console.evidence.observed"), Time: e.ObservedAt},
		{Term: p.T("console.evidence.received"), Time: e.ReceivedAt},
		{Term: p.T("console.check.until"), Time: e.ValidUntil},
		{Term: p.T("console.evidence.scope"), Text: p.T("console.check.targets", "Count", len(e.Finding.Scope)), Note: strings.Join(e.Finding.Scope, ", ")},
		{Term: p.T("console.evidence.digest"), Digest: e.Digest},
		{Term: p.T("console.evidence.estate"), Link: &ui.Link{Label: p.T("console.estate.version", "Version", version), Href: console.EstatePath + "/" + version}},
		{Term: p.T("console.evidence.catalogue"), Digest: e.CatalogueHash},
		{Term: p.T("console.evidence.build"), Code: e.Build},
	}
	if e.Finding.Source != "" { // it was made elsewhere
		details = append(details, ui.Detail{Term: p.T("console.evidence.from"), Text: e.Finding.Source})
	}
	return details
}

// indent lays out JSON for reading; what is none is shown as it is.
func indent(source []byte) string {
	if len(source) == 0 {
		return ""
	}
	var b bytes.Buffer
	if err := json.Indent(&b, source, "", "  "); err != nil {
		return string(source)
	}
	return b.String()
}
