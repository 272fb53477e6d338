package console

import (
	"net/http"
	"strconv"

	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure/tailoring"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/ui"
)

type versionsPage struct {
	Table ui.Table
	Pager ui.Pager
}

func (h *pages) versions(w http.ResponseWriter, r *web.Request) error {
	p := h.c.Printer(r)
	before, err := numberIn(r.URL.Query().Get("before"))
	if err != nil {
		return err
	}
	list, err := h.Book.Versions(r.Context(), before, pageSize+1)
	if err != nil {
		return err
	}
	body := &versionsPage{Table: ui.Table{
		Caption: p.T("annexes.versions.caption"),
		Columns: []ui.Column{{Label: p.T("annexes.versions.number")}, {Label: p.T("annexes.versions.at")}, {Label: p.T("annexes.versions.wrote")}, {Label: p.T("annexes.versions.reviewed")}, {Label: p.T("annexes.versions.changes")}},
		Empty:   &ui.Empty{Icon: "history", Title: p.T("annexes.versions.none"), Text: p.T("annexes.versions.none.text"), Action: &ui.Button{Label: p.T("annexes.banner.review"), Href: ReviewPath}},
	}}
	if before > 0 {
		body.Pager.Newer = VersionsPath
	}
	if len(list) > pageSize {
		list = list[:pageSize]
		body.Pager.Older = VersionsPath + "?before=" + strconv.FormatInt(list[pageSize-1].Number, 10)
	}
	names := h.c.Names(r, p)
	var hands []estate.Identity
	for _, v := range list {
		hands = append(hands, v.ProposedBy, v.By)
	}
	names.LearnIdentities(r.Context(), hands...)
	for _, v := range list {
		changes := ui.Cell{Text: p.T("annexes.versions.places", "Count", places(v.Changes))}
		if !v.Comparable {
			changes.Text = p.T("annexes.versions.unknown")
		}
		if n := weaker(v.Changes); n > 0 {
			changes.Chip = p.T("annexes.versions.weaker", "Count", n)
		}
		body.Table.Rows = append(body.Table.Rows, []ui.Cell{
			{Link: versionLink(p, v.Number)}, {Text: p.Instant(v.At)}, {Text: names.Identity(r.Context(), v.ProposedBy), Note: v.Note}, {Text: names.Identity(r.Context(), v.By), Note: v.Reason}, changes,
		})
	}
	return h.write(w, http.StatusOK, "versions", h.page(r, p.T("annexes.versions.title"), VersionsPath, body))
}

func versionLink(p *ui.Printer, n int64) *ui.Link {
	number := strconv.FormatInt(n, 10)
	return &ui.Link{Label: p.T("annexes.version_number", "Version", number), Href: VersionsPath + "/" + number}
}

// weaker counts the places in which a version announces less than the one before.
func weaker(changes []tailoring.Difference) int {
	seen := map[[3]string]bool{}
	for _, c := range changes {
		if c.Effect == tailoring.Weakened {
			seen[[3]string{c.Measure, c.Field, c.Name}] = true
		}
	}
	return len(seen)
}

// numberIn reads a number of an address; "" is 0.
func numberIn(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n <= 0 {
		return 0, console.ErrBefore()
	}
	return n, nil
}

func (h *pages) versionsCSV(w http.ResponseWriter, r *web.Request) error {
	before, over := int64(0), false
	return console.CSV(w, "annex-versions.csv", []string{"version", "hash", "catalogue", "proposed_at", "proposed_by", "note", "published_at", "published_by", "remark", "changes", "weakened"}, func() ([][]string, error) {
		if over {
			return nil, nil
		}
		const batch = 100
		list, err := h.Book.Versions(r.Context(), before, batch)
		if err != nil {
			return nil, err
		}
		over = len(list) < batch
		rows := make([][]string, 0, len(list))
		for _, v := range list {
			before = v.Number
			rows = append(rows, []string{
				strconv.FormatInt(v.Number, 10), v.Hash, v.BaseHash, console.Stamp(v.ProposedAt), v.ProposedBy.String(), v.Note, console.Stamp(v.At), v.By.String(), v.Reason,
				strconv.Itoa(places(v.Changes)), strconv.Itoa(weaker(v.Changes)),
			})
		}
		return rows, nil
	})
}

type versionPage struct {
	Details    []ui.Detail
	Groups     []group
	Weakened   int
	Against    string // in words
	Unreadable bool   // of this one or the other
	Problems   []problem
	Other      *ui.Field // with which to compare; nil: there is no other
	Same       bool
	Text       string
	YAML       string
	Past       *console.Past
	Path       string
}

func (h *pages) versionOf(r *web.Request) (tailoring.Version, error) {
	n, err := strconv.ParseInt(r.PathValue("version"), 10, 64)
	if err != nil || n <= 0 {
		return tailoring.Version{}, errs.New(errs.NotFound, "tailoring.no_version", "No such version of the annex was published.").WithFix("Look in the list of versions.")
	}
	return h.Book.Version(r.Context(), n)
}

func (h *pages) version(w http.ResponseWriter, r *web.Request) error {
	v, err := h.versionOf(r)
	if err != nil {
		return err
	}
	ctx, p, names := r.Context(), h.c.Printer(r), h.c.Names(r, h.c.Printer(r))
	link := versionLink(p, v.Number)
	body := &versionPage{Text: v.Text, YAML: link.Href + "/annex.yaml", Path: link.Href, Details: []ui.Detail{
		{Term: p.T("annexes.versions.at"), Time: v.At}, {Term: p.T("annexes.versions.reviewed"), Text: names.Identity(ctx, v.By), Note: v.Reason},
		{Term: p.T("annexes.versions.wrote"), Text: names.Identity(ctx, v.ProposedBy), Note: v.Note},
		{Term: p.T("annexes.versions.hash"), Digest: v.Hash}, {Term: p.T("annexes.versions.base"), Digest: v.BaseHash},
	}}
	if err := h.compare(r, p, v, body); err != nil {
		return err
	}
	if body.Past, err = h.c.History(r, h.staff(), p, audit.Object{Kind: "annex", ID: strconv.FormatInt(v.Number, 10)}); err != nil {
		return err
	}
	page := h.page(r, link.Label, link.Href, body)
	page.Crumbs = []ui.Link{page.Crumbs[0], {Label: p.T("annexes.versions.title"), Href: VersionsPath}, {Label: link.Label}}
	return h.write(w, http.StatusOK, "version", page)
}

// compare tells in what a version differs from the one that the address names, the one before
// when it names none.
func (h *pages) compare(r *web.Request, p *ui.Printer, v tailoring.Version, body *versionPage) error {
	other, err := numberIn(r.URL.Query().Get("against"))
	if err != nil {
		return err
	}
	list, err := h.Book.Versions(r.Context(), 0, 200)
	if err != nil {
		return err
	}
	f := ui.Field{Name: "against", Type: "select", Label: p.T("annexes.version.compare")}
	for _, each := range list {
		if each.Number != v.Number {
			f.Options = append(f.Options, ui.Option{Value: strconv.FormatInt(each.Number, 10), Label: versionLink(p, each.Number).Label, Selected: each.Number == other || other == 0 && each.Number == v.Number-1})
		}
	}
	if len(f.Options) > 0 {
		body.Other = &f
	}
	text := ""
	switch {
	case other == 0 && v.Number == 1:
		body.Against = p.T("annexes.version.first")
	default:
		if other == 0 {
			other = v.Number - 1
		}
		o, err := h.Book.Version(r.Context(), other)
		if err != nil {
			return err
		}
		text = o.Text
		body.Against = p.T("annexes.version.against", "Version", strconv.FormatInt(other, 10))
	}
	was, errWas := h.tailor(text)
	is, errIs := h.tailor(v.Text)
	if errWas != nil || errIs != nil {
		body.Unreadable = true
		body.Problems = problemsOf(p, errIs)
		return nil //nolint:nilerr // told on the page
	}
	body.Groups, body.Weakened = groups(p, is, tailoring.Diff(was, is))
	body.Same = len(body.Groups) == 0
	return nil
}

func (h *pages) versionYAML(w http.ResponseWriter, r *web.Request) error {
	v, err := h.versionOf(r)
	if err != nil {
		return err
	}
	return sendYAML(w, v.Text)
}
