package portal

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/web/ui"
)

// actionWord is what was done, in words; the action itself where there are none, as of what an application names.
func actionWord(p *ui.Printer, action string) string {
	for _, id := range []string{"portal.action." + action, "console.action." + action} {
		if p.Has(id) {
			return p.T(id)
		}
	}
	return action
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
		for _, id := range []string{"portal.who." + part, "console.actor." + part} {
			if p.Has(id) {
				return p.T(id)
			}
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
	id := cut(o.ID, 40)
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

func cut(s string, most int) string {
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return s
}

// detail writes the detail of an entry on one line.
func detail(p *ui.Printer, values map[string]any) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if values[key] == "" {
			continue
		}
		name := key
		for _, id := range []string{"portal.detail." + key, "console.detail." + key} {
			if p.Has(id) {
				name = p.T(id)
				break
			}
		}
		parts = append(parts, name+"\u00a0"+cut(brief(p, values[key]), 200))
	}
	return strings.Join(parts, " · ")
}

func brief(p *ui.Printer, v any) string {
	switch v := v.(type) {
	case bool:
		return p.T("portal." + strconv.FormatBool(v))
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case []any:
		items := make([]string, 0, len(v))
		for _, item := range v {
			items = append(items, brief(p, item))
		}
		return strings.Join(items, ", ")
	case map[string]any:
		b, err := json.Marshal(v)
		if err == nil {
			return string(b)
		}
	}
	return fmt.Sprint(v)
}
