package console

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/audit/trees"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/ui"
)

// entryPage is one entry with its proof.
type entryPage struct {
	Details []ui.Detail
	Story   string
	Sealed  bool
	Dropped bool
	Verdict *ui.Notice
	Steps   []proofStep
	Place   []ui.Detail
	Codes   []ui.Code
	Own     []ui.Code // how to check it by oneself
	Detail  *ui.Code
}

// proofStep is one step of the proof, as it was looked at just now.
type proofStep struct {
	Pill        ui.Pill
	Title, Text string
}

func (h *pages) entry(w http.ResponseWriter, r *web.Request) error {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil || id <= 0 {
		return errNoEntry()
	}
	ctx, staff, p := r.Context(), h.DB.Pool(pg.Staff), h.c.Printer(r)
	e, err := audit.Find(ctx, staff, id)
	gone := errs.Is(err, errs.NotFound)
	if err != nil && !gone {
		return err
	}
	proof, err := trees.ProveEntry(ctx, staff, h.Box, id)
	if err != nil {
		return err
	}
	if gone && proof.Tree == "" { // neither an entry nor a leaf: it never was, or its leaf is in a full tile that is kept without it
		return errNoEntry()
	}
	body := &entryPage{Dropped: gone, Sealed: e.Sealed}
	if !gone {
		body.Story = storyPath(e.Object)
		body.Details = h.entryDetails(r, p, &e)
		if len(e.Detail) > 0 {
			text, err := json.MarshalIndent(e.Detail, "", "  ")
			if err != nil {
				return errs.New(errs.Internal, "console.detail", "An entry of the audit log cannot be written.").Wrap(err)
			}
			body.Detail = &ui.Code{Label: p.T("console.entry.detail"), Text: string(text)}
		}
	}
	proved(p, body, &proof)
	page := h.c.Page(r, "console.record.title", RecordPath, body)
	number := p.T("console.entry.number", "Number", strconv.FormatInt(id, 10))
	page.Crumbs = []ui.Link{{Label: page.Title, Href: RecordPath}, {Label: number}}
	page.Title = p.T("console.entry.title", "Number", strconv.FormatInt(id, 10))
	return h.write(w, http.StatusOK, "entry", page)
}

func errNoEntry() error {
	return errs.New(errs.NotFound, "console.no_entry", "There is no such entry of the audit log.").WithFix("Look for it in the audit log. Entries are dropped at the end of their time.")
}

func (h *pages) entryDetails(r *web.Request, p *ui.Printer, e *audit.Entry) []ui.Detail {
	names, ctx := h.c.Names(r, p), r.Context()
	names.learnOf(ctx, []audit.Entry{*e}, true)
	outcome := p.T("console.entry.permitted")
	if e.Refused {
		outcome = p.T("console.record.refused")
	}
	label, _ := names.object(ctx, e.Object)
	action, _ := done(p, e.Action)
	list := []ui.Detail{
		{Term: p.T("console.record.when"), Text: p.Instant(e.At), Note: Stamp(e.At)},
		{Term: p.T("console.record.who"), Link: &ui.Link{Label: names.Of(ctx, e.Actor.Kind, e.Actor.ID), Href: ui.At(RecordPath, nil, "actor", e.Actor.ID)}, Note: string(e.Actor.Kind) + " " + e.Actor.ID},
		{Term: p.T("console.record.what"), Text: action, Code: e.Action},
		{Term: p.T("console.entry.outcome"), Text: outcome},
		{Term: p.T("console.record.object"), Link: &ui.Link{Label: label, Href: storyPath(e.Object)}, Note: e.Object.Kind + ":" + e.Object.ID},
	}
	add := func(id, text string, code bool) {
		switch {
		case text == "":
		case code:
			list = append(list, ui.Detail{Term: p.T(id), Code: text})
		default:
			list = append(list, ui.Detail{Term: p.T(id), Text: text})
		}
	}
	add("console.record.reason", e.Reason, false)
	if t := tenantLink(p, e.Tenant); t != nil {
		list = append(list, ui.Detail{Term: p.T("console.record.tenant.label"), Link: t, Note: e.Tenant})
	}
	if !e.Occurred.IsZero() {
		list = append(list, ui.Detail{Term: p.T("console.record.occurred"), Text: p.Instant(e.Occurred), Note: Stamp(e.Occurred)})
	}
	add("console.entry.origin", e.Actor.Origin, false)
	add("console.entry.session", e.Actor.Session, true)
	add("console.record.request.label", e.Request, true)
	return list
}

// proved says what holds of the proof, and shows all that is needed to verify it elsewhere.
func proved(p *ui.Printer, body *entryPage, x *trees.Proof) {
	say := func(tone ui.Tone, id string, args ...any) {
		body.Verdict = &ui.Notice{Tone: tone, Title: p.T("console.proof."+id, args...), Text: p.T("console.proof."+id+".text", args...)}
	}
	switch {
	case x.Waiting:
		say(ui.Info, "waiting")
	case x.Failed != "":
		say(ui.Danger, "broken")
	case x.Dropped:
		say(ui.Info, "dropped")
	default:
		say(ui.Success, "holds", "Size", x.Signed.Size)
	}
	reached := true
	for _, s := range trees.Steps() {
		if x.Tree == "" {
			break
		}
		step := proofStep{Title: p.T("console.proof.step." + string(s)), Text: p.T("console.proof.step." + string(s) + ".text")}
		state, word := ui.Met, "holds"
		switch {
		case x.Failed == s:
			state, word, reached = ui.NotMet, "broken", false
			step.Text = shownError(p, x.Why)
		case !reached || x.Waiting && s != trees.StepLeaf:
			state, word = ui.Unproven, "not_looked"
		case s == trees.StepLeaf && x.Dropped:
			state, word = ui.Excluded, "dropped"
		}
		step.Pill = ui.Pill{Class: state.Class(), Icon: state.Icon(), Label: p.T("console.proof.is." + word)}
		body.Steps = append(body.Steps, step)
	}
	if x.Tree == "" {
		return
	}
	body.Place = []ui.Detail{
		{Term: p.T("console.proof.tree"), Code: x.Origin + "/" + x.Tree},
		{Term: p.T("console.proof.index"), Text: p.Number(x.Index)},
		{Term: p.T("console.proof.hash"), Digest: hex.EncodeToString(x.Hash[:])},
	}
	code := func(id, text string) {
		if text != "" {
			body.Codes = append(body.Codes, ui.Code{Label: p.T("console.proof." + id), Text: text})
		}
	}
	if len(x.Leaf) > 0 {
		body.Own = append(body.Own, ui.Code{Label: p.T("console.proof.own.leaf"), Text: "printf '\\0%s' '" + strings.ReplaceAll(string(x.Leaf), "'", `'\''`) + "' | sha256sum"})
	}
	body.Own = append(body.Own, ui.Code{Label: p.T("console.proof.own.bundle"), Text: "garant audit verify --bundle FILE --key 'KEY'"}, ui.Code{Label: p.T("console.proof.own.log"), Text: "garant audit verify --key 'KEY'"})
	code("leaf", string(x.Leaf))
	code("inclusion", hashes(x.Inclusion))
	code("head", x.Head.Line)
	code("root", hashes(x.RootProof))
	code("checkpoint", x.Signed.Note)
	cosigned := p.T("console.proof.uncosigned")
	if x.Signed.Cosigned > 0 {
		cosigned = p.T("console.proof.cosigned", "Count", x.Signed.Cosigned)
	}
	if x.Signed.Note != "" {
		body.Place = append(body.Place,
			ui.Detail{Term: p.T("console.proof.size"), Text: p.Number(x.Head.Size)},
			ui.Detail{Term: p.T("console.proof.signed"), Time: x.Signed.At, Note: cosigned},
			ui.Detail{Term: p.T("console.proof.key"), Code: x.Key, Note: p.T("console.proof.key.note")})
	}
}

// hashes are those of a proof, from the leaf up, as checkpoints write hashes.
func hashes(list tlog.RecordProof) string {
	lines := make([]string, len(list))
	for i, hash := range list {
		lines[i] = base64.StdEncoding.EncodeToString(hash[:])
	}
	return strings.Join(lines, "\n")
}

// shownError is what is known of an error, in the reader's language.
func shownError(p *ui.Printer, err error) string {
	var e *errs.Error
	if !errors.As(err, &e) {
		return p.T("console.proof.unknown")
	}
	text, fix := p.Error(err)
	return strings.TrimSpace(text + " " + fix)
}
