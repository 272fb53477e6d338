package portal

import (
	"strings"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/web/ui"
)

// actionWord is what was done, in words; the code of an action that has none.
func actionWord(p *ui.Printer, action string) string {
	text, code := done(p, action)
	return text + code
}

// done is what was done: in words, or the code of an action that has none, as of what an application names.
func done(p *ui.Printer, action string) (text, code string) {
	if word, ok := p.Word("portal.action."+action, "console.action."+action); ok {
		return word, ""
	}
	return "", action
}

// who is who acted, as the customer may know it: of the company's people no name.
func who(p *ui.Printer, v *visit, a actor.Actor) string {
	switch a.Kind {
	case actor.Person:
		return p.T("portal.who.person", "ID", short(a.ID))
	case actor.User:
		if a.ID == v.by.ID {
			return p.T("portal.who.you")
		}
		return p.T("portal.who.user", "ID", short(a.ID))
	case actor.System:
		part, _, _ := strings.Cut(a.ID, ":")
		if word, ok := p.Word("portal.who."+part, "console.actor."+part); ok {
			return word
		}
		return p.T("portal.who.system", "ID", part)
	case actor.Public:
		return p.T("portal.who.public")
	}
	return a.ID
}

// objectWord is what an action was done to.
func objectWord(p *ui.Printer, o audit.Object) string {
	for _, id := range []string{"portal.object." + o.Kind, "console.object." + o.Kind} {
		if p.Has(id) {
			return p.T(id, "ID", short(o.ID))
		}
	}
	id := ui.Cut(o.ID, 40)
	if _, err := uuid.Parse(o.ID); err == nil {
		id = short(o.ID)
	}
	return strings.TrimSpace(o.Kind + " " + id)
}

// short is the end of an id, enough to tell two apart.
func short(id string) string {
	if len(id) <= 12 {
		return id
	}
	return "…" + strings.ToValidUTF8(id[len(id)-8:], "")
}
