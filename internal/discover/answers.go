package discover

import (
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
)

// Answers are what the user said.
type Answers struct {
	Company   string
	LegalName string // empty: as Company
	Country   string
	Languages []string
	Zone      string
	Contact   string
	Sites     []string
	Domains   []string
	Databases []Database
}

// lines are the company's section.
func (a Answers) lines() []Line {
	lines := []Line{{Key: "name", Value: a.Company, Why: "you said so; as customers know it"}}
	if a.LegalName != "" {
		lines = append(lines, Line{Key: "legal_name", Value: a.LegalName, Why: "you said so"})
	}
	list := []Item{}
	for _, l := range a.Languages {
		list = append(list, Item{Text: l})
	}
	return append(lines,
		Line{Key: "country", Value: a.Country, Why: "where the company is; ISO 3166-1"},
		Line{Key: "languages", Value: list, Why: "of the annex; the first is the language of reference"},
		Line{Key: "time_zone", Value: a.Zone, Why: "in which due dates are shown"},
		Line{Key: "contact", Value: a.Contact, Why: "readers of the annex write there: must be read by somebody"})
}

// Check says what is wrong with the answers about the company, nil when nothing is. The rules
// are those of garant.yaml.
func (a Answers) Check() error {
	for _, key := range []string{"name", "country", "languages", "time_zone", "contact"} {
		if err := a.check(key); err != nil {
			return err
		}
	}
	return a.CheckGiven()
}

// check tries one answer in a company in which everything else is right.
func (a Answers) check(key string) error {
	probe := Answers{Company: "C", Country: "BE", Languages: []string{"fr"}, Zone: "UTC", Contact: "a@b.example"}
	var given string
	switch key {
	case "name":
		probe.Company, given = a.Company, a.Company
	case "legal_name":
		probe.LegalName, given = a.LegalName, a.LegalName
	case "country":
		probe.Country, given = a.Country, a.Country
	case "languages":
		probe.Languages, given = a.Languages, strings.Join(a.Languages, "")
	case "time_zone":
		probe.Zone, given = a.Zone, a.Zone
	case "contact":
		probe.Contact, given = a.Contact, a.Contact
	}
	if strings.ContainsFunc(given, unprintable) || !utf8.ValidString(given) {
		return errs.New(errs.Invalid, "discover.answer", "The answer holds a character that nobody can see.").WithFix("Type it again.")
	}
	_, err := estate.Parse([]byte(render(probe, nil, nil, time.Time{})), estate.Files{})
	var problems *estate.Problems
	if errors.As(err, &problems) {
		first := problems.List[0]
		return errs.New(errs.Invalid, "discover.answer", first.Text).WithFix(first.Fix)
	}
	return err
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) && r != '\u00A0' && r != '\u202F' }

// CheckSite says what is wrong with the name of a site; the register of sites takes 80 characters.
func CheckSite(site string) error {
	if n := utf8.RuneCountInString(site); strings.TrimSpace(site) == "" || n > 80 || strings.ContainsFunc(site, unprintable) || !utf8.ValidString(site) {
		return errs.New(errs.Invalid, "discover.site", "A site's name is one line of at most 80 characters.").WithFix("Write it as staff say it, such as Brussels.")
	}
	return nil
}

// Languages reads a list as people write it: "fr, en".
func Languages(written string) []string {
	var list []string
	for _, l := range strings.FieldsFunc(written, func(r rune) bool { return r == ',' || r == ';' || unicode.IsSpace(r) }) {
		list = append(list, strings.ToLower(l))
	}
	return list
}

// List reads a list with commas: "Brussels, Liège". Empty parts and repetitions fall away.
func List(written string) []string {
	var list []string
	for part := range strings.SplitSeq(written, ",") {
		if part = strings.TrimSpace(part); part != "" && !slices.Contains(list, part) {
			list = append(list, part)
		}
	}
	return list
}

// The usual answers of a country: languages of the annex and time zone.
func usual(country string) (languages []string, zone string) {
	zones := map[string]string{
		"AT": "Europe/Vienna", "BE": "Europe/Brussels", "BG": "Europe/Sofia", "CH": "Europe/Zurich", "CY": "Asia/Nicosia", "CZ": "Europe/Prague",
		"DE": "Europe/Berlin", "DK": "Europe/Copenhagen", "EE": "Europe/Tallinn", "ES": "Europe/Madrid", "FI": "Europe/Helsinki", "FR": "Europe/Paris",
		"GB": "Europe/London", "GR": "Europe/Athens", "HR": "Europe/Zagreb", "HU": "Europe/Budapest", "IE": "Europe/Dublin", "IS": "Atlantic/Reykjavik",
		"IT": "Europe/Rome", "LI": "Europe/Vaduz", "LT": "Europe/Vilnius", "LU": "Europe/Luxembourg", "LV": "Europe/Riga", "MC": "Europe/Monaco",
		"MT": "Europe/Malta", "NL": "Europe/Amsterdam", "NO": "Europe/Oslo", "PL": "Europe/Warsaw", "PT": "Europe/Lisbon", "RO": "Europe/Bucharest",
		"SE": "Europe/Stockholm", "SI": "Europe/Ljubljana", "SK": "Europe/Bratislava",
	}
	switch country {
	case "BE", "FR", "LU", "CH", "MC":
		languages = []string{"fr", "en"}
	default:
		languages = []string{"en"}
	}
	return languages, zones[country]
}

// Fill gives the answers that follow from others, where there are none: languages and time zone
// from the country, the contact from the first domain.
func (a Answers) Fill() Answers {
	languages, zone := usual(a.Country)
	if len(a.Languages) == 0 {
		a.Languages = languages
	}
	if a.Zone == "" {
		a.Zone = zone
	}
	if a.Contact == "" && len(a.Domains) > 0 {
		a.Contact = "dpo@" + a.Domains[0]
	}
	return a
}

// Missing names the flags of garant init that must be given where nobody can be asked.
func (a Answers) Missing() []string {
	var flags []string
	for _, f := range []struct{ flag, value string }{{"--company", a.Company}, {"--country", a.Country}, {"--time-zone", a.Zone}, {"--contact", a.Contact}} {
		if f.value == "" {
			flags = append(flags, f.flag)
		}
	}
	return flags
}

// CheckGiven is Check for the answers that there are.
func (a Answers) CheckGiven() error {
	for _, f := range []struct{ key, value string }{{"name", a.Company}, {"legal_name", a.LegalName}, {"country", a.Country},
		{"languages", strings.Join(a.Languages, "")}, {"time_zone", a.Zone}, {"contact", a.Contact}} {
		if f.value == "" {
			continue
		}
		if err := a.check(f.key); err != nil {
			return err
		}
	}
	for _, site := range a.Sites {
		if err := CheckSite(site); err != nil {
			return err
		}
	}
	return nil
}
