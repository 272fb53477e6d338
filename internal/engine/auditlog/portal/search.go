package portal

import (
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/web/ui"
)

// pageSize is how many rows a list shows at a time.
const pageSize = 50

// filterNames are the fields that narrow the trail, as addresses and forms have them.
func filterNames() []string { return []string{"text", "action", "person", "object", "from", "until"} }

// searchOf reads what narrows the trail. query holds what was said, without the place in the list. Days are those of a zone,
// the last one included.
func searchOf(in url.Values, zone *time.Location) (s audit.Search, query url.Values, err error) {
	query = url.Values{}
	for _, name := range filterNames() {
		v := strings.TrimSpace(in.Get(name))
		if v == "" {
			continue
		}
		if !utf8.ValidString(v) || strings.ContainsRune(v, 0) || len(v) > 500 {
			return s, nil, errs.New(errs.Invalid, "portal.filter_text", "The text of a filter cannot be read.").WithFix("Write at most 500 letters.")
		}
		query.Set(name, v)
	}
	s.Text, s.Action, s.Actor = query.Get("text"), query.Get("action"), query.Get("person")
	s.Object.Kind, s.Object.ID, _ = strings.Cut(query.Get("object"), ":")
	if s.From, err = day(query.Get("from"), zone); err != nil {
		return s, nil, err
	}
	if s.Until, err = day(query.Get("until"), zone); err != nil {
		return s, nil, err
	}
	if !s.Until.IsZero() {
		s.Until = s.Until.AddDate(0, 0, 1)
	}
	if before := in.Get("before"); before != "" {
		if s.Before, err = strconv.ParseInt(before, 10, 64); err != nil || s.Before <= 0 {
			return s, nil, errs.New(errs.Invalid, "portal.before", "This address names no place in the list.").WithFix("Start from the newest.")
		}
	}
	return s, query, nil
}

func day(text string, zone *time.Location) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.ParseInLocation(time.DateOnly, text, zone)
	if err != nil || t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}, errs.New(errs.Invalid, "portal.day", "This is not a day.").WithFix("Write it as 2026-03-01.")
	}
	return t, nil
}

// fields are the filter's.
func fields(p *ui.Printer, query url.Values, actions []string) []ui.Field {
	chosen, there := query.Get("action"), false
	options := []ui.Option{{Label: p.T("portal.filter.any")}}
	for _, a := range actions {
		options = append(options, ui.Option{Value: a, Label: actionWord(p, a), Selected: a == chosen})
		there = there || a == chosen
	}
	if chosen != "" && !there {
		options = append(options, ui.Option{Value: chosen, Label: actionWord(p, chosen), Selected: true})
	}
	text := func(name string) ui.Field {
		return ui.Field{Name: name, Label: p.T("portal.filter." + name), Value: query.Get(name), Autocomplete: "off", MaxLength: 500}
	}
	from, until := text("from"), text("until")
	from.Type, until.Type, from.MaxLength, until.MaxLength = "date", "date", 0, 0
	return []ui.Field{text("text"), {Name: "action", Type: "select", Label: p.T("portal.filter.action"), Options: options}, text("person"), text("object"), from, until}
}
