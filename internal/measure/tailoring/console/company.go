package console

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/measure/catalogue"
	"github.com/garant-project/garant/internal/measure/tailoring"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/ui"
)

// topic is something that readers ask besides, with the company's answer.
type topic struct {
	Question string
	Fields   []ui.Field
}

type companyPage struct {
	Revision string
	Identity []ui.Field
	DPO      []ui.Field
	Teams    [][]ui.Field // by team, in every language
	Fresh    []ui.Field   // key and names of one that is added
	Topics   []topic
	Answered int
	Change   bool
	Problems []problem
	Conflict *conflict
}

func (h *pages) company(w http.ResponseWriter, r *web.Request) error {
	return h.showCompany(w, r, http.StatusOK, nil, nil)
}

// showCompany shows the company; values are what was sent, nil: the draft's.
func (h *pages) showCompany(w http.ResponseWriter, r *web.Request, status int, values map[string]string, wrong error) error {
	p := h.c.Printer(r)
	a, err := h.read(r.Context())
	if err != nil {
		return err
	}
	if a.cat == nil {
		return web.SeeOther(w, r, Path)
	}
	body := &companyPage{Revision: strconv.FormatInt(a.draft.Revision, 10), Change: r.Actor.May(actor.ChangeAnnex), Answered: len(a.cat.Answers)}
	theirs := companyValues(a.cat)
	if values == nil {
		values = theirs
	}
	field := func(name, label string, f ui.Field) ui.Field {
		f.Name, f.Label, f.Value = name, label, values[name]
		if f.MaxLength == 0 {
			f.MaxLength = 200
		}
		return f
	}
	name := func(s string) string { return p.T("annexes.field.company." + s) }
	help := func(s string) string { return p.T("annexes.company." + s + ".help") }
	body.Identity = []ui.Field{
		field("company.legal_name", name("legal_name"), ui.Field{Autocomplete: "organization"}), field("company.address", name("address"), ui.Field{Autocomplete: "off"}),
		field("company.registration", name("registration"), ui.Field{Help: help("registration"), Autocomplete: "off"}), field("company.revision", name("revision"), ui.Field{Type: "date", Help: help("revision")}),
	}
	body.DPO = []ui.Field{
		field("company.dpo.email", name("dpo.email"), ui.Field{Type: "email", Help: help("dpo"), Autocomplete: "off"}), field("company.dpo.phone", name("dpo.phone"), ui.Field{Type: "tel", Autocomplete: "off"}),
		field("company.dpo.address", name("dpo.address"), ui.Field{Autocomplete: "off"}),
	}
	for _, key := range a.cat.Teams() {
		var team []ui.Field
		for _, lang := range langs(a.cat) {
			team = append(team, field("teams."+key+"."+lang, key+" · "+language(p, lang), ui.Field{Autocomplete: "off"}))
		}
		body.Teams = append(body.Teams, team)
	}
	body.Fresh = []ui.Field{field("team.key", p.T("annexes.team.key"), ui.Field{Help: p.T("annexes.team.key.help"), MaxLength: 60, Autocomplete: "off"})}
	for _, lang := range langs(a.cat) {
		body.Fresh = append(body.Fresh, field("team.name."+lang, p.T("annexes.team.name")+" · "+language(p, lang), ui.Field{Autocomplete: "off"}))
	}
	for _, t := range a.cat.Topics {
		v := topic{Question: a.cat.Question(p.Lang(), t.Key)}
		for _, lang := range langs(a.cat) {
			v.Fields = append(v.Fields, field("also."+t.Key+"."+lang, capital(language(p, lang)), ui.Field{Type: "textarea", Rows: 3, MaxLength: 4000}))
		}
		body.Topics = append(body.Topics, v)
	}
	body.wrong(p, theirs, values, wrong)
	return h.write(w, status, "company", h.page(r, p.T("annexes.company.title"), CompanyPath, body))
}

func (b *companyPage) all() []*ui.Field {
	var out []*ui.Field
	add := func(list []ui.Field) {
		for i := range list {
			out = append(out, &list[i])
		}
	}
	add(b.Identity)
	add(b.DPO)
	for _, t := range b.Teams {
		add(t)
	}
	for _, t := range b.Topics {
		add(t.Fields)
	}
	add(b.Fresh)
	return out
}

func (b *companyPage) wrong(p *ui.Printer, theirs, values map[string]string, wrong error) {
	if wrong == nil {
		return
	}
	if c, ok := isConflict(wrong); ok {
		b.Conflict = &conflict{Notice: conflictNotice(p)}
		for _, f := range b.all() {
			if theirs[f.Name] != values[f.Name] {
				b.Conflict.Theirs = append(b.Conflict.Theirs, ui.Detail{Term: f.Label, Text: theirs[f.Name]})
			}
		}
		b.Revision = strconv.FormatInt(c.Theirs.Revision, 10)
		return
	}
	problems := problemsOf(p, wrong)
	if len(problems) == 0 {
		text, fix := p.Error(wrong)
		b.Problems = []problem{{Text: text, Fix: fix}}
		return
	}
	for i, pr := range problems {
		if values["team.key"] != "" && strings.HasPrefix(pr.at, "teams."+values["team.key"]) {
			problems[i].at = "team.key"
		}
	}
	b.Problems = beside(problems, "", b.all()...)
}

// companyValues are what the draft says, by field.
func companyValues(cat *catalogue.Catalogue) map[string]string {
	id := cat.Identity()
	out := map[string]string{
		"company.legal_name": id.LegalName, "company.address": id.Address, "company.registration": id.Registration, "company.revision": id.Revision,
		"company.dpo.email": id.DPO.Email, "company.dpo.phone": id.DPO.Phone, "company.dpo.address": id.DPO.Address,
	}
	for _, lang := range cat.Languages() {
		for _, key := range cat.Teams() {
			out["teams."+key+"."+lang] = cat.TeamName(lang, key)
		}
		for _, t := range cat.Topics {
			out["also."+t.Key+"."+lang] = cat.Answers[t.Key][lang]
		}
	}
	return out
}

func (h *pages) saveCompany(w http.ResponseWriter, r *web.Request) error {
	a, seen, err := h.edited(r)
	if err != nil {
		return err
	}
	values := map[string]string{}
	for name := range companyValues(a.cat) {
		values[name] = sent(r, name)
	}
	for _, name := range append([]string{"team.key"}, prefixed("team.name.", a.cat.Languages())...) {
		values[name] = sent(r, name)
	}
	edits := tailoring.SetCompany(catalogue.Identity{
		LegalName: values["company.legal_name"], Address: values["company.address"], Registration: values["company.registration"], Revision: values["company.revision"],
		DPO: catalogue.Contact{Email: values["company.dpo.email"], Phone: values["company.dpo.phone"], Address: values["company.dpo.address"]},
	})
	said := func(prefix string) catalogue.ByLanguage {
		out := catalogue.ByLanguage{}
		for _, lang := range a.cat.Languages() {
			if s := ui.Typeset(lang, values[prefix+lang]); s != "" {
				out[lang] = s
			}
		}
		return out
	}
	for _, key := range a.cat.Teams() {
		names, original := said("teams."+key+"."), catalogue.ByLanguage{}
		for _, lang := range a.cat.Languages() {
			if s := h.Book.Base.TeamName(lang, key); s != "" {
				original[lang] = s
			}
		}
		if maps.Equal(names, original) {
			names = nil
		}
		edits = append(edits, tailoring.SetTeam(key, names))
	}
	for _, t := range a.cat.Topics {
		edits = append(edits, tailoring.SetAnswer(t.Key, said("also."+t.Key+".")))
	}
	if key := values["team.key"]; key != "" {
		if slices.Contains(a.cat.Teams(), key) {
			err = errs.New(errs.Invalid, "tailoring.team_taken", "There is a team "+key+" already.").With("at", "team.key").With("Name", key).WithFix("Change its name in the list.")
			return h.showCompany(w, r, http.StatusUnprocessableEntity, values, err)
		}
		names := said("team.name.")
		if len(names) == 0 {
			err = errs.New(errs.Invalid, "catalogue.empty", "The team has no name.").With("at", "team.name.fr").WithFix("Write it in every language.")
			return h.showCompany(w, r, http.StatusUnprocessableEntity, values, err)
		}
		edits = append(edits, tailoring.SetTeam(key, names))
	}
	switch _, err = h.Book.Change(r.Context(), r.Actor, seen, edits...); {
	case err == nil:
		return web.SeeOther(w, r, CompanyPath+"?done=annex_saved")
	case correctable(err):
		return h.showCompany(w, r, http.StatusUnprocessableEntity, values, err)
	}
	return err
}

func prefixed(prefix string, list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = prefix + s
	}
	return out
}
