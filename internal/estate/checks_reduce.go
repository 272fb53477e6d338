package estate

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
)

// checkSection says what of own checks is compared. Whatever changes in what a check asks or in
// what it takes for right makes it another check: only people can tell whether it still proves as much.
func checkSection() section[OwnCheck] {
	asks := OwnCheck.asks
	return section[OwnCheck]{
		name: "checks", of: func(e *Estate) *[]OwnCheck { return &e.Checks },
		id: func(c OwnCheck) string { return c.Name }, target: OwnCheck.Target, shown: OwnCheck.Kind,
		measures: func(c OwnCheck) []string { return c.Measures },
		parts: []part[OwnCheck]{
			{"measures", Weakened, func(c OwnCheck) string { return sorted(c.Measures) },
				func(x, now OwnCheck) bool { return lacks(x.Measures, now.Measures) },
				func(to *OwnCheck, x OwnCheck) { to.Measures = union(to.Measures, x.Measures) }},
			{"every", Slowed, func(c OwnCheck) string { return span(c.Every) },
				func(x, now OwnCheck) bool { return now.Every > x.Every },
				func(to *OwnCheck, x OwnCheck) { to.Every = x.Every }},
			{"valid", Slowed, func(c OwnCheck) string { return span(cmp.Or(c.Valid, c.maxAge())) },
				func(x, now OwnCheck) bool { return cmp.Or(now.Valid, now.maxAge()) > cmp.Or(x.Valid, x.maxAge()) },
				func(to *OwnCheck, x OwnCheck) {
					to.Valid = x.Valid
					if to.Imported != nil && x.Imported != nil {
						kept := *to.Imported
						kept.MaxAge = x.Imported.MaxAge
						to.Imported = &kept
					}
				}},
			{"title", Replaced, func(c OwnCheck) string { return strings.TrimSpace(c.Title["fr"] + " / " + c.Title["en"]) }, never[OwnCheck], func(*OwnCheck, OwnCheck) {}},
			{"facts", Weakened, func(c OwnCheck) string { return sorted(c.Facts) },
				func(x, now OwnCheck) bool { return lacks(x.Facts, now.Facts) },
				func(to *OwnCheck, x OwnCheck) { to.Facts = union(to.Facts, x.Facts) }},
			{"asks", Replaced, asks, differ(asks),
				func(to *OwnCheck, x OwnCheck) {
					to.SQL, to.HTTP, to.Command, to.Imported = x.SQL, x.HTTP, x.Command, x.Imported
				}},
		},
	}
}

func (c OwnCheck) maxAge() time.Duration {
	if c.Imported == nil {
		return 0
	}
	return c.Imported.MaxAge
}

func span(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return FormatDuration(d)
}

func union(a, b []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(a), b...))))
}

// asks is all that decides what the check looks at and what is right, in one line; long texts by
// their digest.
func (c OwnCheck) asks() string {
	switch {
	case c.SQL != nil:
		s := "sql " + c.SQL.Database + " " + digest(c.SQL.Query)
		if c.SQL.Rows != nil {
			return s + " rows " + c.SQL.Rows.String()
		}
		if c.SQL.Value != nil {
			return s + " value " + c.SQL.Value.String()
		}
		return s
	case c.HTTP != nil:
		return c.HTTP.asks()
	case c.Command != nil:
		s := "command " + c.Command.Run[0]
		env := make([]string, 0, len(c.Command.Env))
		for _, v := range c.Command.Env {
			env = append(env, v.Name+"="+v.Text+v.Secret.reference())
		}
		slices.Sort(env)
		return s + " " + digest(strings.Join(append(append(slices.Clone(c.Command.Run), c.Command.Dir, c.Command.Timeout.String()), env...), "\x00"))
	case c.Imported != nil:
		return "imported " + c.Imported.Format + " " + sorted(c.Imported.Expect)
	}
	return ""
}

func (h *HTTPCheck) asks() string {
	s := h.Method + " " + h.URL
	if h.Connect != "" {
		s += " at " + h.Connect
	}
	for _, f := range h.Headers {
		s += " " + f.Name + ": " + f.Text + f.Secret.reference()
	}
	s += fmt.Sprintf(" redirects %d status %v", h.Redirects, h.Status)
	for _, n := range append(slices.Clone(h.Header), h.JSON...) {
		s += " " + n.Name + " " + n.Is.String()
	}
	if h.BodyContains != "" {
		s += " contains " + quote(h.BodyContains)
	}
	if h.TLS != "" {
		s += " TLS " + h.TLS
	}
	if len(h.TrustPEM) > 0 {
		s += " trust " + describePEM(h.TrustPEM)
	}
	return s
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "sha256:" + hex.EncodeToString(sum[:8]) + "…"
}
