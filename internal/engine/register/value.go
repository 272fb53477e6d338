package register

import (
	"net/mail"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	"golang.org/x/text/unicode/norm"

	"github.com/garant-project/garant/internal/calendar"
	"github.com/garant-project/garant/internal/errs"
)

// Fault is one thing that is wrong with what was given for a field. Its words are the message
// ID with Args; Args never holds the value.
type Fault struct {
	Field string // empty: the entry as a whole
	ID    string
	Args  map[string]any
}

func fault(field, id string, args ...any) *Fault {
	f := &Fault{Field: field, ID: "register.fault." + id}
	for i := 0; i+1 < len(args); i += 2 {
		if f.Args == nil {
			f.Args = map[string]any{}
		}
		f.Args[args[i].(string)] = args[i+1] //nolint:forcetypeassert // names are literals
	}
	return f
}

// parseValue brings what somebody gave for a field into the one form of its type; an empty
// value stays empty. words finds an option by its name in any language. References come back as
// they were given: which entry they name is looked up by resolve.
func parseValue(d *Definition, f Field, raw string, words func(vocabulary, name string) string) (string, *Fault) {
	if !utf8.ValidString(raw) || strings.ContainsRune(raw, 0) {
		return "", fault(f.Key, "characters")
	}
	raw = strings.TrimSpace(norm.NFC.String(raw))
	if f.Type == LongText {
		raw = strings.ReplaceAll(raw, "\r\n", "\n")
	} else if strings.ContainsFunc(raw, unicode.IsControl) {
		return "", fault(f.Key, "characters")
	}
	if raw == "" {
		return "", nil
	}
	if n := f.maxLetters(); utf8.RuneCountInString(raw) > n {
		return "", fault(f.Key, "long", "Max", n)
	}
	switch f.Type {
	case Text:
		if f.Pattern != nil && !f.Pattern.MatchString(raw) {
			return "", fault(f.Key, "pattern")
		}
	case Date:
		day, ok := parseDay(raw)
		if !ok {
			return "", fault(f.Key, "date")
		}
		return day.String(), nil
	case Bool:
		return parseBool(f, raw)
	case Number:
		n, err := strconv.ParseInt(strings.NewReplacer(" ", "", "\u00a0", "", "\u202f", "").Replace(raw), 10, 64)
		if err != nil {
			return "", fault(f.Key, "number")
		}
		return strconv.FormatInt(n, 10), nil
	case Choice:
		if slices.Contains(f.Options, raw) {
			return raw, nil
		}
		if option := words(d.vocabulary(f), raw); slices.Contains(f.Options, option) {
			return option, nil
		}
		return "", fault(f.Key, "option")
	case Email:
		if a, err := mail.ParseAddress(raw); err != nil || a.Address != raw || !strings.Contains(raw, "@") || len(raw) > 254 {
			return "", fault(f.Key, "email")
		}
	case URL:
		u, err := url.Parse(raw)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
			return "", fault(f.Key, "url")
		}
	case List:
		return parseList(f, raw)
	case Account:
		id, err := uuid.Parse(raw)
		if err != nil {
			return "", fault(f.Key, "account")
		}
		return id.String(), nil
	}
	return raw, nil
}

// parseDay reads a day as ISO 8601 writes it, or as Europe does: 31/12/2026, 31.12.2026.
func parseDay(s string) (calendar.Date, bool) {
	if d, err := calendar.Parse(s); err == nil {
		return plausible(d)
	}
	for _, layout := range []string{"2/1/2006", "2.1.2006"} {
		if t, err := time.Parse(layout, s); err == nil {
			return plausible(calendar.Of(t, time.UTC))
		}
	}
	return calendar.Date{}, false
}

// plausible refuses years that are typing errors: 0026, 20226.
func plausible(d calendar.Date) (calendar.Date, bool) { return d, d.Year >= 1900 && d.Year < 2200 }

func parseBool(f Field, raw string) (string, *Fault) {
	switch fold(raw) {
	case "true", "yes", "y", "oui", "o", "1", "x", "vrai":
		return "true", nil
	case "false", "no", "n", "non", "0", "faux":
		return "false", nil
	}
	return "", fault(f.Key, "bool")
}

func parseList(f Field, raw string) (string, *Fault) {
	var words []string
	for _, w := range strings.FieldsFunc(raw, func(r rune) bool { return r == ',' || r == ';' || r == '|' }) {
		if w = strings.TrimSpace(w); w == "" {
			continue
		}
		if f.Pattern != nil && !f.Pattern.MatchString(w) {
			return "", fault(f.Key, "pattern")
		}
		words = append(words, w)
	}
	slices.Sort(words)
	return strings.Join(slices.Compact(words), listMark), nil
}

// listMark stands between the words of a list; checks split by it in SQL.
const listMark = ", "

// words splits the value of a list.
func listWords(value string) []string {
	if value == "" {
		return nil
	}
	return strings.Split(value, listMark)
}

// fold writes a text so that equal words look equal: no capitals, no accents, one kind of
// apostrophe, single spaces.
func fold(s string) string {
	var b strings.Builder
	space := false
	for _, r := range norm.NFD.String(s) {
		switch {
		case unicode.Is(unicode.Mn, r):
			continue
		case unicode.IsSpace(r):
			space = b.Len() > 0
			continue
		case r == '’' || r == '‘':
			r = '\''
		}
		if space {
			b.WriteByte(' ')
			space = false
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// sameOnce is the form in which unique values are compared: capitals do not tell them apart.
func sameOnce(f Field, value string) string {
	if f.Type == Text || f.Type == Email {
		return strings.ToLower(norm.NFC.String(value))
	}
	return value
}

// typed gives a value the type that JSON has for it.
func typed(f Field, value string) any {
	switch f.Type {
	case Bool:
		return value == "true"
	case Number:
		if n, err := strconv.ParseInt(value, 10, 64); err == nil {
			return n
		}
	case List:
		return listWords(value)
	}
	return value
}

// texts brings values of JSON into the form in which people write them; null is nothing.
func texts(fields map[string]any) (Values, error) {
	out := Values{}
	for key, v := range fields {
		switch v := v.(type) {
		case nil:
			out[key] = ""
		case string:
			out[key] = v
		case bool:
			out[key] = strconv.FormatBool(v)
		case float64:
			out[key] = strconv.FormatFloat(v, 'f', -1, 64)
		case []any:
			words := make([]string, 0, len(v))
			for _, w := range v {
				s, ok := w.(string)
				if !ok || strings.Contains(s, ",") {
					return nil, errs.New(errs.Invalid, "register.value", "A list holds text, each without a comma.")
				}
				words = append(words, s)
			}
			out[key] = strings.Join(words, listMark)
		default:
			return nil, errs.New(errs.Invalid, "register.value", "A value is text, a number, true or false, null, or a list of text.")
		}
	}
	return out, nil
}

// cut parts field:value.
func cut(filter string) (field, value string, ok bool) { return strings.Cut(filter, ":") }
