package verify

import (
	"regexp"
	"strings"
)

// reading is what a policy's expression says, as far as tenancy goes.
type reading uint8

// The readings, the sound one first.
const (
	holds       reading = iota // the tenant's column equals the tenant of a transaction that may write, and perhaps more
	holdsReader                // the same of any transaction: sound for reading only
	alwaysTrue                 // true, or something that is true of every row
	unwrapped                  // the function is called for each row
	nullBranch                 // or the tenant is not set, or the column is null
	userSetting                // rests on a setting that the application can set
	otherColumn                // compares another column
	subquery                   // follows a query on other tables
	otherwise                  // anything else
)

// exact are the types to which a key can be cast without two of them becoming one.
const exact = `(?:text|uuid|bigint|integer|smallint|numeric|character varying)`

// expression judges a deparsed policy expression. It is sound when one of the conjuncts at its top
// is the comparison that the manifest prescribes; everything else is sorted by what is wrong with it.
//
// PostgreSQL deparses from the parse tree, with functions and tables qualified because nothing but
// pg_catalog is in the search path: what was written in another way reads the same here.
func expression(text, column, keyType string) reading {
	text = flat(text)
	if text == "" || text == "true" {
		return alwaysTrue
	}
	call := `garant\.(?:tenant|writer)_` + regexp.QuoteMeta(keyType) + `\(\)`
	wrapped := `\( ?SELECT (?:` + call + `|\(` + call + `\)::` + exact + `)(?: AS (?:[a-z_0-9]+|"[^"]+"))?\)`
	col := regexp.QuoteMeta(column)
	side := `(?:` + col + `|\(` + col + `\)::` + exact + `)`
	tenant := regexp.MustCompile(`^(?:` + side + ` = ` + wrapped + `|` + wrapped + ` = ` + side + `)$`)
	anyColumn := `(?:[a-z_0-9]+|"[^"]+"|\((?:[a-z_0-9]+|"[^"]+")\)::` + exact + `)`
	other := regexp.MustCompile(`^(?:` + anyColumn + ` = ` + wrapped + `|` + wrapped + ` = ` + anyColumn + `)$`)
	bare := regexp.MustCompile(`^(?:` + side + ` = ` + call + `|` + call + ` = ` + side + `)$`)

	all := conjuncts(text)
	found := otherwise
	for _, part := range all {
		switch {
		case tenant.MatchString(part) && strings.Contains(mask(part), "garant.writer_"):
			return holds
		case tenant.MatchString(part):
			found = holdsReader
		case found == holdsReader:
		case bare.MatchString(part):
			found = unwrapped
		case other.MatchString(part):
			found = otherColumn
		}
	}
	masked := mask(text)
	switch {
	case found == holdsReader, found == unwrapped:
		return found
	case trivial(all):
		return alwaysTrue
	case strings.Contains(masked, "current_setting("), regexp.MustCompile(`(?i)\b(current_user|session_user|current_role|inet_client_addr)\b`).MatchString(masked):
		return userSetting
	case found == otherColumn:
		return otherColumn
	case strings.Contains(masked, "garant.") && (strings.Contains(masked, " OR ") || strings.Contains(masked, "COALESCE(") || strings.Contains(masked, "CASE ") || strings.Contains(masked, " IS DISTINCT FROM ")):
		return nullBranch
	case strings.Contains(masked, " FROM "):
		return subquery
	}
	return otherwise
}

// trivial reports whether every conjunct is true of every row.
func trivial(all []string) bool {
	same := regexp.MustCompile(`^(.+) (?:=|>=|<=) (.+)$`)
	for _, part := range all {
		if part == "true" || regexp.MustCompile(`^\(?true\)? OR `).MatchString(part) || regexp.MustCompile(` OR \(?true\)?$`).MatchString(part) {
			continue
		}
		if m := same.FindStringSubmatch(part); m != nil && m[1] == m[2] {
			continue
		}
		return false
	}
	return true
}

// flat writes an expression on one line, with single spaces outside of quotes.
func flat(text string) string {
	var b strings.Builder
	var quote byte
	space := false
	for i := range len(text) {
		c := text[i]
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == ' ' || c == '\n' || c == '\t' || c == '\r':
			space = true
			continue
		}
		if space && b.Len() > 0 {
			b.WriteByte(' ')
		}
		space = false
		b.WriteByte(c)
	}
	return unwrap(b.String())
}

// mask blanks what stands in quotes, so that a name or a literal is not taken for a word of SQL.
func mask(text string) string {
	b := []byte(text)
	var quote byte
	for i, c := range b {
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			} else {
				b[i] = '.'
			}
		case c == '\'' || c == '"':
			quote = c
		}
	}
	return string(b)
}

// unwrap takes off parentheses around the whole.
func unwrap(text string) string {
	for strings.HasPrefix(text, "(") {
		depth, masked := 0, mask(text)
		for i := range len(masked) {
			switch masked[i] {
			case '(':
				depth++
			case ')':
				depth--
			}
			if depth == 0 {
				if i != len(masked)-1 {
					return text
				}
				break
			}
		}
		if depth != 0 {
			return text
		}
		text = strings.TrimSpace(text[1 : len(text)-1])
	}
	return text
}

// conjuncts splits an expression at the ANDs of its top.
func conjuncts(text string) []string {
	var parts []string
	masked := mask(text)
	depth, from := 0, 0
	for i := range len(masked) { // an OR beside ANDs binds less: none of them is a conjunct of the whole
		switch {
		case masked[i] == '(':
			depth++
		case masked[i] == ')':
			depth--
		case depth == 0 && strings.HasPrefix(masked[i:], " OR "):
			return []string{text}
		}
	}
	for i := range len(masked) {
		switch masked[i] {
		case '(':
			depth++
		case ')':
			depth--
		}
		if depth == 0 && strings.HasPrefix(masked[i:], " AND ") && !strings.Contains(masked[from:i], " BETWEEN ") {
			parts = append(parts, conjuncts(unwrap(text[from:i]))...)
			from = i + len(" AND ")
		}
	}
	if from == 0 {
		return []string{text}
	}
	return append(parts, conjuncts(unwrap(text[from:]))...)
}
