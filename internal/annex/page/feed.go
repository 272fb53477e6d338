package page

import (
	"encoding/xml"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/web/ui"
)

// mostEntries is how many changes a feed carries.
const mostEntries = 100

// The elements of RFC 4287 that the feed uses, in the order in which they are written.
type (
	atomFeed struct {
		XMLName   xml.Name    `xml:"http://www.w3.org/2005/Atom feed"`
		Lang      string      `xml:"xml:lang,attr"`
		ID        string      `xml:"id"`
		Title     string      `xml:"title"`
		Subtitle  string      `xml:"subtitle"`
		Updated   string      `xml:"updated"`
		Author    atomPerson  `xml:"author"`
		Links     []atomLink  `xml:"link"`
		Generator string      `xml:"generator"`
		Entries   []atomEntry `xml:"entry"`
	}
	atomPerson struct {
		Name string `xml:"name"`
	}
	atomLink struct {
		Rel  string `xml:"rel,attr"`
		Type string `xml:"type,attr,omitempty"`
		Lang string `xml:"hreflang,attr,omitempty"`
		Href string `xml:"href,attr"`
	}
	atomEntry struct {
		ID        string     `xml:"id"`
		Title     string     `xml:"title"`
		Published string     `xml:"published"`
		Updated   string     `xml:"updated"`
		Links     []atomLink `xml:"link"`
		Content   atomText   `xml:"content"`
	}
	atomText struct {
		Type string `xml:"type,attr"`
		Text string `xml:",chardata"`
	}
)

// Feed writes the changes as an Atom feed (RFC 4287), the newest first. An entry is never changed
// once written, so its id and its dates stay what they were. Links lead to the page as it was
// right after the change.
func (s *Pages) Feed(w io.Writer, p *ui.Printer, v Feed) error {
	if p == nil {
		return errs.New(errs.Internal, "annex.no_printer", "A page of the annex was to be written without a printer.")
	}
	t := teller{Printer: p, now: v.Begun} // of the words of an entry, none depends on the time of reading
	lang := p.Lang()
	tag := func(name string) string {
		return "tag:" + v.Authority + "," + v.Begun.UTC().Format(time.DateOnly) + ":" + lang + "/" + name
	}
	list := t.merged(v.List, v.Revisions, t.Instant)
	list = list[:min(len(list), mostEntries)]
	updated := v.Begun
	if len(list) > 0 {
		updated = list[0].at
	}
	name := v.Company.legal()
	if name == "" {
		name = v.Authority
	}
	feed := atomFeed{
		Lang: lang, ID: tag("changes"), Title: t.T("annex.feed.title", "Company", name), Subtitle: t.T("annex.changes.lead"),
		Updated: stamp(updated), Author: atomPerson{Name: name}, Generator: "Garant",
		Links: []atomLink{
			{Rel: "self", Type: "application/atom+xml", Href: v.Origin + v.Self},
			{Rel: "alternate", Type: "text/html", Lang: lang, Href: v.Origin + ChangesPath + "?lang=" + lang},
		},
	}
	for _, c := range list {
		path := c.Href
		if path == "" {
			path = AnnexPath
		}
		at := c.at.UTC().Truncate(time.Second).Add(time.Second)
		q := url.Values{"at": {at.Format(time.RFC3339)}, "lang": {lang}}
		feed.Entries = append(feed.Entries, atomEntry{
			ID: tag(c.key), Title: t.headline(c), Published: stamp(c.at), Updated: stamp(c.at),
			Links:   []atomLink{{Rel: "alternate", Type: "text/html", Lang: lang, Href: v.Origin + path + "?" + q.Encode()}},
			Content: atomText{Type: "text", Text: t.told(c)},
		})
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", " ")
	if err := enc.Encode(feed); err != nil {
		return err
	}
	return enc.Close()
}

func stamp(at time.Time) string { return at.UTC().Truncate(time.Second).Format(time.RFC3339) }

// headline is what a change is called where there is but one line.
func (t teller) headline(c change) string {
	what := c.Chip
	if c.Pill != nil {
		what = c.Pill.Label
	}
	if c.ID == "" {
		return what
	}
	return t.T("annex.feed.entry", "ID", c.ID, "Title", c.Title, "What", what)
}

// told is a change in plain text.
func (t teller) told(c change) string {
	lines := []string{}
	for _, s := range append([]string{capitalised(c.Before), c.Why}, c.Lines...) {
		if s != "" {
			lines = append(lines, s)
		}
	}
	var before, after strings.Builder
	for _, p := range c.Diff {
		if p.Op != added {
			before.WriteString(p.Text)
		}
		if p.Op != removed {
			after.WriteString(p.Text)
		}
	}
	if before.Len() > 0 {
		lines = append(lines, t.T("annex.diff.before", "Text", strings.TrimSpace(before.String())))
	}
	if after.Len() > 0 {
		lines = append(lines, t.T("annex.diff.after", "Text", strings.TrimSpace(after.String())))
	}
	if len(lines) == 0 {
		return t.headline(c)
	}
	return strings.Join(lines, "\n")
}

// capitalised begins a line of its own, and ends it.
func capitalised(s string) string {
	if s == "" {
		return ""
	}
	return capital(s) + "."
}

// capital writes the first letter large.
func capital(s string) string {
	r := []rune(s)
	if len(r) == 0 {
		return s
	}
	return strings.ToUpper(string(r[:1])) + string(r[1:])
}
