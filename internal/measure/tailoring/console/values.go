package console

import (
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/garant-project/garant/internal/measure/catalogue"
	"github.com/garant-project/garant/internal/measure/tailoring"
	"github.com/garant-project/garant/internal/web/ui"
)

// notation writes a parameter as annex.yaml has it: "365d", "TLS 1.2, TLS 1.3".
func notation(v catalogue.Parameter) string {
	switch v.Kind {
	case catalogue.CountKind:
		return strconv.FormatInt(v.Count, 10)
	case catalogue.DurationKind:
		return tailoring.Span(v.Duration)
	case catalogue.ListKind:
		return strings.Join(v.List, ", ")
	}
	return v.Text
}

// words writes a parameter for a reader: "1 an", "TLS 1.2 et TLS 1.3".
func words(p *ui.Printer, v catalogue.Parameter) string {
	switch v.Kind {
	case catalogue.CountKind:
		return p.Number(v.Count)
	case catalogue.DurationKind:
		return p.Duration(v.Duration)
	case catalogue.ListKind:
		return p.List(v.List)
	}
	return v.Text
}

// value writes one side of a difference for a reader.
func value(p *ui.Printer, d tailoring.Difference, v string) string {
	if v == "" {
		return ""
	}
	switch {
	case d.Kind == catalogue.DurationKind:
		if n, err := strconv.ParseInt(v, 10, 64); err == nil {
			return p.Duration(time.Duration(n) * time.Second)
		}
	case d.Kind == catalogue.CountKind:
		if n, err := strconv.ParseInt(v, 10, 64); err == nil {
			return p.Number(n)
		}
	case d.Field == tailoring.FieldKind:
		return p.KindName(ui.Kind(v))
	case d.Field == tailoring.FieldOperator:
		return p.T("annexes.operator." + v)
	case d.Field == tailoring.FieldPer:
		return p.T("annexes.per." + v)
	case d.Field == tailoring.FieldCompany && d.Name == "revision":
		if day, err := time.Parse(time.DateOnly, v); err == nil {
			return p.Day(day)
		}
	}
	return v
}

// cadence writes how often a measure is confirmed, as annex.yaml has it.
func cadence(m catalogue.Measure) string { return tailoring.Span(m.Cadence) }

// capital writes the first letter large.
func capital(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return s
	}
	return string(unicode.ToUpper(r)) + s[n:]
}
