package annex

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/annex/page"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/web/ui"
)

// sections arranges the measures as a reader asks. Each stands in one section; in an order other
// than the annex's own, the others that it relates to point to it.
func (s *Snapshot) sections(p *ui.Printer, order page.Order, now time.Time) []page.Section {
	switch order {
	case page.ClausesOrder:
		return s.byClause(p, now)
	case page.ISOOrder:
		return s.byNumber(p, now)
	}
	var out []page.Section
	for _, section := range s.Document.Sections {
		part := page.Section{ID: section.ID, Title: section.Title[p.Lang()], GDPR: section.GDPR}
		for _, m := range s.Document.Measures {
			if m.Section == section.ID {
				part.Measures = append(part.Measures, s.measure(p, m, p.Lang(), now))
			}
		}
		out = append(out, part)
	}
	return out
}

// byClause arranges the measures below the headings of Decision (EU) 2021/915. A heading that no
// measure relates to says so.
func (s *Snapshot) byClause(p *ui.Printer, now time.Time) []page.Section {
	var out []page.Section
	known := map[string]bool{}
	for i, h := range s.Document.Clauses {
		known[h.Key] = true
		part := page.Section{ID: strconv.Itoa(i + 1), Title: h.Title[p.Lang()]}
		for _, m := range s.Document.Measures {
			switch slices.Index(m.Refs.Clauses, h.Key) {
			case -1:
			case 0:
				part.Measures = append(part.Measures, s.measure(p, m, p.Lang(), now))
			default:
				part.Others = append(part.Others, s.ref(m, p.Lang(), now))
			}
		}
		part.Silent = len(part.Measures)+len(part.Others) == 0
		out = append(out, part)
	}
	rest := page.Section{Title: p.T("annex.clauses.other"), Anchor: "other"}
	for _, m := range s.Document.Measures {
		if len(m.Refs.Clauses) == 0 || !known[m.Refs.Clauses[0]] {
			rest.Measures = append(rest.Measures, s.measure(p, m, p.Lang(), now))
		}
	}
	return whole(out, rest)
}

// byNumber arranges the measures by the themes of ISO/IEC 27001:2022 Annex A, 5 to 8, with an
// index of the numbers of each. Of the standard, nothing but numbers is told.
func (s *Snapshot) byNumber(p *ui.Printer, now time.Time) []page.Section {
	var out []page.Section
	for _, theme := range []string{"5", "6", "7", "8", "standard"} {
		part := page.Section{ID: theme, Title: p.T("annex.iso." + theme)}
		if theme == "standard" {
			part.ID, part.Anchor = "", theme
		}
		index := map[string][]page.Ref{}
		standing := map[string]Measure{}
		for _, m := range s.Document.Measures {
			for i, number := range m.Refs.ISO {
				if themeOf(number) != theme {
					continue
				}
				index[number] = append(index[number], s.ref(m, p.Lang(), now))
				if i == 0 {
					standing[m.ID] = m
				}
			}
		}
		for number, list := range index {
			part.Index = append(part.Index, page.Entry{Number: strings.TrimPrefix(number, "clause "), Measures: list})
		}
		slices.SortFunc(part.Index, func(a, b page.Entry) int { return compareNumbers(a.Number, b.Number) })
		for _, m := range s.Document.Measures {
			if _, here := standing[m.ID]; here {
				part.Measures = append(part.Measures, s.measure(p, m, p.Lang(), now))
			}
		}
		if len(part.Index) > 0 {
			out = append(out, part)
		}
	}
	rest := page.Section{Title: p.T("annex.iso.other"), Anchor: "other"}
	for _, m := range s.Document.Measures {
		if len(m.Refs.ISO) == 0 || themeOf(m.Refs.ISO[0]) == "" {
			rest.Measures = append(rest.Measures, s.measure(p, m, p.Lang(), now))
		}
	}
	return whole(out, rest)
}

// whole adds what belongs nowhere else: no order loses a measure.
func whole(list []page.Section, rest page.Section) []page.Section {
	if len(rest.Measures) > 0 {
		list = append(list, rest)
	}
	return list
}

// themeOf is the theme of a number of Annex A, "standard" for a clause of the standard itself,
// or empty for what is neither.
func themeOf(number string) string {
	if strings.HasPrefix(number, "clause ") {
		return "standard"
	}
	theme, _, found := strings.Cut(number, ".")
	if !found || !slices.Contains([]string{"5", "6", "7", "8"}, theme) {
		return ""
	}
	return theme
}

// compareNumbers orders "5.9" before "5.10".
func compareNumbers(a, b string) int {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(x), len(y)) {
		m, errM := strconv.Atoi(x[i])
		n, errN := strconv.Atoi(y[i])
		if c := cmp.Compare(m, n); errM == nil && errN == nil && c != 0 {
			return c
		}
		if c := cmp.Compare(x[i], y[i]); (errM != nil || errN != nil) && c != 0 {
			return c
		}
	}
	return cmp.Compare(len(x), len(y))
}

func (s *Snapshot) ref(m Measure, lang string, now time.Time) page.Ref {
	return page.Ref{ID: m.ID, Title: m.Title[lang], State: ui.State(s.Effective(m.ID, now).State)}
}

// topics answers what readers ask besides.
func (s *Snapshot) topics(p *ui.Printer, now time.Time) []page.Topic {
	var out []page.Topic
	for _, t := range s.Document.Topics {
		v := page.Topic{Question: t.Question[p.Lang()], Answer: t.Answer[p.Lang()]}
		for _, id := range t.Measures {
			if m, ok := s.find(id); ok {
				v.Measures = append(v.Measures, s.ref(m, p.Lang(), now))
			}
		}
		switch t.Key {
		case "contact":
			v.Mail = cmp.Or(s.Document.Company.DPO, s.Document.Company.Contact)
		case "subprocessors":
			if s.Document.Subprocessors != nil {
				v.Link = &ui.Link{Label: p.T("annex.also.list"), Href: page.SubprocessorsPath}
			}
		}
		out = append(out, v)
	}
	return out
}

// days counts the measures for the drawing of the coverage.
func days(list []Coverage) []page.Day {
	out := make([]page.Day, len(list))
	for i, c := range list {
		out[i] = page.Day{Date: c.Date, Count: map[ui.Kind]map[ui.State]int{}}
		for kind, states := range c.Count {
			k := ui.Kind(kind)
			out[i].Count[k] = map[ui.State]int{}
			for state, n := range states {
				if state == "" {
					state = measure.Unproven
				}
				out[i].Count[k][ui.State(state)] += n
			}
		}
	}
	return out
}
