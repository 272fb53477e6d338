package portal

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/ui"
)

type storyPage struct {
	Object string
	Kind   string
	ID     string
	Opened bool // personal data is shown
	Steps  []step
	Pager  ui.Pager
	Export string
	Empty  ui.Empty
}

// step is one entry of an object's story.
type step struct {
	At, Occurred time.Time
	Who          string
	What, Code   string // Code: of an action that has no words
	Refused      bool
	Reason       string
	Detail       string
	Changes      []change
	Erased       bool
	Number       int64
}

type change struct {
	Field, Before, After string
	NoBefore, NoAfter    bool
}

// story is every entry of one object, with the personal data before and after opened.
func (p *Portal) story(w http.ResponseWriter, r *web.Request, v *visit) error {
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	pr, in := p.printer(r), r.URL.Query()
	object := audit.Object{Kind: in.Get("kind"), ID: in.Get("id")}
	if object.Kind == "" || object.ID == "" || !utf8.ValidString(object.Kind+object.ID) || strings.ContainsRune(object.Kind+object.ID, 0) || len(object.Kind+object.ID) > 2000 {
		return errs.New(errs.NotFound, "portal.no_object", "This address names no object.").WithFix("Choose one in the activity log.")
	}
	search, _, err := searchOf(url.Values{"before": in["before"]}, pr.Zone())
	if err != nil {
		return err
	}
	search.Object, search.Limit = object, pageSize+1
	entries, err := p.seen(ctx, v, search)
	if err != nil {
		return err
	}
	this := url.Values{"kind": {object.Kind}, "id": {object.ID}}
	own := &storyPage{Object: objectWord(pr, object), Kind: object.Kind, ID: object.ID, Empty: ui.Empty{Icon: "record", Title: pr.T("portal.story.empty"), Text: pr.T("portal.story.empty.text"), Action: &ui.Button{Label: pr.T("portal.story.back"), Href: trailPath}}}
	own.Export = ui.At(exportPath, url.Values{"object": {object.Kind + ":" + object.ID}})
	if strings.Contains(object.Kind, ":") {
		own.Export = ""
	}
	if search.Before > 0 {
		own.Pager.Newer = ui.At(storyPath, this)
	}
	if len(entries) > pageSize {
		entries = entries[:pageSize]
		own.Pager.Older = ui.At(storyPath, this, "before", strconv.FormatInt(entries[pageSize-1].ID, 10))
	}
	sealed := 0
	for _, e := range entries {
		if e.Sealed {
			sealed++
		}
	}
	if sealed > 0 {
		// Said before it is shown: who read personal data is in the record, too.
		if err := p.record(ctx, v, audit.Event{Action: "trail.opened", On: trailOf(v), Detail: map[string]any{"object_kind": object.Kind, "object_id": object.ID, "entries": sealed}}); err != nil {
			return err
		}
		if err := p.open(ctx, entries); err != nil {
			return err
		}
		own.Opened = true
	}
	for _, e := range entries {
		own.Steps = append(own.Steps, stepOf(pr, v, e))
	}
	page := p.page(r, pr, v, trailPath, "portal.story.title", own)
	page.Title = own.Object
	return p.write(w, http.StatusOK, "story", page)
}

func stepOf(p *ui.Printer, v *visit, e audit.Entry) step {
	s := step{At: e.At, Who: who(p, v, e.Actor), Refused: e.Refused, Reason: e.Reason, Detail: detail(p, &e), Erased: e.Erased, Number: e.ID}
	if tells(&e) {
		s.Occurred = e.Occurred
	}
	s.What, s.Code = done(p, e.Action)
	for _, c := range e.Changes {
		one := change{Field: c.Field, NoBefore: c.Before == nil, NoAfter: c.After == nil}
		if c.Before != nil {
			one.Before = *c.Before
		}
		if c.After != nil {
			one.After = *c.After
		}
		s.Changes = append(s.Changes, one)
	}
	return s
}

// trailOf is the customer's log, as the record has it.
func trailOf(v *visit) audit.Object { return audit.Object{Kind: "trail", ID: v.who.Customer.String()} }

// record writes an entry of the customer's own, by who came in.
func (p *Portal) record(ctx context.Context, v *visit, e audit.Event) error {
	e.By, e.Tenant = v.by, v.who.Customer.String()
	return pg.InTx(ctx, p.DB.Pool(pg.Staff), func(tx pgx.Tx) error { return audit.Write(ctx, tx, e) })
}
