package tenancy

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/engine/tenancy/move"
	"github.com/garant-project/garant/internal/engine/tenancy/residence"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/ui"
)

// MovesPath is where moves of tenants are in the console. No database of an estate is called "-".
const MovesPath = Path + "/-/moves"

const (
	movesShown = 100
	// silent is how long nothing is heard of a mover before the page says that it may have stopped: it tells every other second.
	silent = 30 * time.Second
)

func movePath(id uuid.UUID) string { return MovesPath + "/" + id.String() }

// movesPage is where customers live and who is moving.
type movesPage struct {
	Living, Going, Past ui.Table
	Start               ui.Detail // how a move begins: label and command
}

// condition of a move, in a word.
func condition(m *residence.Moved, now time.Time) string {
	switch {
	case m.Step == move.Done:
		return "done"
	case m.Step == move.Undone:
		return "undone"
	case m.Failure != "":
		return "failed"
	case m.Step == move.Proved:
		return "proved"
	case now.Sub(m.HeardAt) > silent:
		return "silent"
	}
	return "going"
}

func (h *pages) moves(w http.ResponseWriter, r *web.Request) error {
	p := h.c.Printer(r)
	list, err := residence.Moves(r.Context(), h.t.DB.Pool(pg.Staff), movesShown)
	if err != nil {
		return err
	}
	body := &movesPage{
		Going: ui.Table{Caption: p.T("moves.going"), Columns: columns(p, "moves.customer", "moves.way", "tenancy.state", "moves.rows", "moves.heard"),
			Empty: &ui.Empty{Icon: "clock", Title: p.T("moves.going.none"), Text: p.T("moves.going.none.text")}},
		Past: ui.Table{Caption: p.T("moves.past"), Columns: columns(p, "moves.customer", "moves.way", "tenancy.state", "moves.pause", "moves.ended"),
			Empty: &ui.Empty{Icon: "calendar", Title: p.T("moves.past.none"), Text: p.T("moves.past.none.text")}},
		Start: ui.Detail{Term: p.T("moves.start"), Text: command("move", nil)},
	}
	for _, m := range list {
		row := []ui.Cell{
			{Link: &ui.Link{Label: m.Tenant, Href: movePath(m.ID)}}, {Text: m.From + " → " + m.To, Note: p.T("moves.of", "Database", m.Database)},
			{Chip: p.T("moves.is." + condition(&m, r.Now)), Note: p.T("moves.step." + string(m.Step))},
		}
		if m.FinishedAt == nil {
			body.Going.Rows = append(body.Going.Rows, append(row, ui.Cell{Text: p.Number(m.Rows), Note: pace(p, &m, r.Now)}, ui.Cell{Time: m.HeardAt}))
		} else {
			body.Past.Rows = append(body.Past.Rows, append(row, ui.Cell{Text: pauseWord(p, &m)}, ui.Cell{Time: *m.FinishedAt}))
		}
	}
	if body.Living, err = h.living(r, p); err != nil {
		return err
	}
	return h.write(w, http.StatusOK, "moves", h.page(r, p.T("moves.title"), body))
}

func columns(p *ui.Printer, ids ...string) (list []ui.Column) {
	for _, id := range ids {
		list = append(list, ui.Column{Label: p.T(id)})
	}
	return list
}

// living lists the customers who have a database of their own: as movers told, and as the estate declares.
func (h *pages) living(r *web.Request, p *ui.Printer) (ui.Table, error) {
	t := ui.Table{Caption: p.T("moves.living"), Columns: columns(p, "moves.customer", "moves.belongs", "moves.lives", "moves.place", "moves.since"),
		Empty: &ui.Empty{Icon: "inbox", Title: p.T("moves.living.none"), Text: p.T("moves.living.none.text")}}
	view, err := h.t.View(r.Context())
	if err != nil {
		return t, err
	}
	told, err := residence.Dedicated(r.Context(), h.t.DB.Pool(pg.Staff))
	if err != nil {
		return t, err
	}
	var declared []*estate.Database
	if view.Estate != nil {
		declared = view.Estate.DatabasesWhere(func(d *estate.Database) bool { return d.Dedicated != nil })
	}
	for _, one := range told {
		place, here := ui.Cell{Text: p.T("moves.undeclared"), Note: p.T("moves.undeclared.fix")}, ui.Cell{Code: one.Place}
		i := slices.IndexFunc(declared, func(d *estate.Database) bool { return d.Name == one.Place && d.Dedicated.Tenant == one.Tenant.String() })
		if i >= 0 {
			place = ui.Cell{Text: declared[i].Dedicated.Place}
			declared = slices.Delete(slices.Clone(declared), i, i+1)
		}
		if one.Paused {
			here.Note = p.T("moves.leaving")
		}
		t.Rows = append(t.Rows, []ui.Cell{{Code: one.Tenant.String()}, {Text: one.Database}, here, place, {Time: one.Since}})
	}
	for _, d := range declared {
		t.Rows = append(t.Rows, []ui.Cell{{Code: d.Dedicated.Tenant}, {Text: d.Dedicated.Of}, {Code: d.Name, Note: p.T("moves.untold")}, {Text: d.Dedicated.Place}, {Text: "–"}})
	}
	return t, nil
}

// pace says how fast rows come and how many changes wait, of a move that is under way.
func pace(p *ui.Printer, m *residence.Moved, now time.Time) string {
	if condition(m, now) != "going" {
		return ""
	}
	return p.T("moves.pace", "Bytes", p.Bytes(m.Bytes), "Rate", p.Bytes(m.Rate), "Behind", p.Number(m.Behind))
}

func pauseWord(p *ui.Printer, m *residence.Moved) string {
	if m.SwitchedAt == nil {
		return "–"
	}
	return p.T("moves.ms", "Count", p.Number(m.Pause.Milliseconds()))
}

// movePage is one move.
type movePage struct {
	Notices  []*ui.Notice
	Progress *ui.Progress
	Details  []ui.Detail
	Said     string // by the command when it stopped
	Next     []ui.Detail
	Proof    ui.Table
	Told     ui.Table
}

func (h *pages) move(w http.ResponseWriter, r *web.Request) error {
	id, err := uuid.Parse(r.PathValue("id"))
	if err != nil {
		return errs.New(errs.NotFound, "moves.none", "There is no such move.").WithFix("Choose one from the list.")
	}
	m, err := residence.MoveOf(r.Context(), h.t.DB.Pool(pg.Staff), id)
	if err != nil {
		return err
	}
	told, err := residence.TellingsOf(r.Context(), h.t.DB.Pool(pg.Staff), id)
	if err != nil {
		return err
	}
	p := h.c.Printer(r)
	names := h.c.Names(r, p)
	is := condition(&m, r.Now)
	body := &movePage{Details: moveDetails(p, names, r, &m), Next: next(p, &m, is), Proof: proofTable(p, &m), Told: toldTable(p, names, r, told)}
	tone := map[string]ui.Tone{"failed": ui.Danger, "silent": ui.Warning, "done": ui.Success, "undone": ui.Info, "proved": ui.Warning, "going": ui.Info}[is]
	body.Notices = append(body.Notices, &ui.Notice{Tone: tone, Title: p.T("moves.is." + is), Text: p.T("moves.about." + is)})
	body.Said = m.Failure
	if at := slices.Index(move.Steps(), m.Step); at >= 0 {
		all := len(move.Steps())
		body.Progress = &ui.Progress{Label: p.T("moves.step." + string(m.Step)), Done: at + 1, Total: all, Text: p.T("moves.steps", "Step", at+1, "All", all)}
	}
	page := h.page(r, m.From+" → "+m.To, body, ui.Link{Label: p.T("moves.title"), Href: MovesPath})
	return h.write(w, http.StatusOK, "move", page)
}

func moveDetails(p *ui.Printer, names *console.Names, r *web.Request, m *residence.Moved) []ui.Detail {
	list := []ui.Detail{
		{Term: p.T("moves.customer"), Code: m.Tenant, Note: p.T("moves.of", "Database", m.Database)},
		{Term: p.T("moves.step"), Text: p.T("moves.step." + string(m.Step))},
		{Term: p.T("moves.rows"), Text: p.Number(m.Rows), Note: pace(p, m, r.Now)},
		{Term: p.T("moves.pause"), Text: pauseWord(p, m), Note: p.T("moves.pause.about")},
		{Term: p.T("moves.started"), Time: m.StartedAt, Note: names.Identity(r.Context(), estate.Identity{Kind: "system", ID: m.StartedBy})},
	}
	if m.SwitchedAt != nil {
		list = append(list, ui.Detail{Term: p.T("moves.switched"), Time: *m.SwitchedAt})
	}
	if m.Restore != "" {
		list = append(list, ui.Detail{Term: p.T("moves.restore"), Text: clean(m.Restore)})
	}
	if m.FinishedAt != nil {
		return append(list, ui.Detail{Term: p.T("moves.ended"), Time: *m.FinishedAt})
	}
	return append(list, ui.Detail{Term: p.T("moves.heard"), Time: m.HeardAt})
}

// next are the commands that come now, each with what it does.
func next(p *ui.Printer, m *residence.Moved, is string) (list []ui.Detail) {
	add := func(label, verb string) {
		list = append(list, ui.Detail{Term: p.T("moves.do." + label), Text: command(verb, m)})
	}
	switch m.Step {
	case move.Done:
		back := *m
		back.From, back.To = m.To, m.From
		list = append(list, ui.Detail{Term: p.T("moves.do.back"), Text: command("move", &back)})
	case move.Undone:
		add("again", "move")
	case move.Proved:
		add("erase", "erase")
		add("undo", "undo")
	case move.Erasing:
		if is != "going" {
			add("go_on", "erase")
		}
	case move.Undoing, move.Returned:
		if is != "going" {
			add("go_on", "undo")
		}
	default:
		if is != "going" {
			add("go_on", "move")
			add("undo", "undo")
		}
	}
	return list
}

// command of a move; m nil: with words in place of names.
func command(verb string, m *residence.Moved) string {
	tenant, from, to := "KEY", "production", "acme"
	if m != nil {
		tenant, from, to = m.Tenant, m.From, m.To
	}
	address := func(name string) string { return "env:" + strings.ToUpper(strings.ReplaceAll(name, "-", "_")) + "_URL" }
	text := fmt.Sprintf("garant tenant %s %s \\\n  --from %s --to %s \\\n  --from-name %s --to-name %s", verb, tenant, address(from), address(to), from, to)
	if verb == "erase" {
		text += " \\\n  --restore-point \"…\""
	}
	return text
}

func proofTable(p *ui.Printer, m *residence.Moved) ui.Table {
	t := ui.Table{Caption: p.T("moves.proof"), Empty: &ui.Empty{Icon: "check-circle", Title: p.T("moves.proof.none"), Text: p.T("moves.proof.none.text")},
		Columns: []ui.Column{{Label: p.T("moves.table")}, {Label: p.T("moves.count"), Numeric: true}, {Label: p.T("moves.sum.source", "Place", m.From)}, {Label: p.T("moves.sum.target", "Place", m.To)}}}
	for _, s := range m.Proof {
		sum := s.High + " " + s.Low
		t.Rows = append(t.Rows, []ui.Cell{{Code: s.Table}, {Text: p.Number(s.Rows)}, {Code: sum}, {Code: sum}})
	}
	return t
}

func toldTable(p *ui.Printer, names *console.Names, r *web.Request, told []residence.Told) ui.Table {
	t := ui.Table{Caption: p.T("moves.told"), Columns: columns(p, "moves.at", "moves.lives", "moves.step", "moves.by"),
		Empty: &ui.Empty{Icon: "inbox", Title: p.T("moves.told.none"), Text: p.T("moves.told.none.text")}}
	for _, one := range told {
		place := ui.Cell{Code: one.Place}
		if one.Paused {
			place.Note = p.T("moves.leaving")
		}
		t.Rows = append(t.Rows, []ui.Cell{{Time: one.At}, place, {Text: p.T("moves.step." + string(one.Step))}, {Text: who(names, r, one.By)}})
	}
	return t
}
