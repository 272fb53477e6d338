package page

import (
	"strconv"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/web/ui"
)

// orders leads to the same sentences in each order.
func (t teller) orders(current Order) []ui.NavItem {
	var out []ui.NavItem
	for _, o := range Orders() {
		word := string(o)
		if o == OwnOrder {
			word = "own"
		}
		out = append(out, ui.NavItem{Label: t.T("annex.order." + word), Href: Address(AnnexPath, o, t.moment), Current: o == current})
	}
	return out
}

// refs tells where measures stand: here, or on pages of their own.
func (t teller) refs(list []Ref, here bool) []ref {
	var out []ref
	for _, r := range list {
		href := t.href(ProofPath + r.ID)
		if here {
			href = "#" + r.ID
		}
		out = append(out, ref{ID: r.ID, Title: r.Title, Href: href, Pill: t.Pill(known(r.State))})
	}
	return out
}

// reduction gathers the measures that cover less than they did; nil: there are none.
func (t teller) reduction(sections []Section) *reduction {
	var list []Ref
	for _, s := range sections {
		for _, m := range s.Measures {
			if m.Reduced {
				list = append(list, Ref{ID: m.ID, Title: m.Title, State: m.State})
			}
		}
	}
	if len(list) == 0 {
		return nil
	}
	return &reduction{
		Title: t.T("annex.reduced.title", "Count", len(list)), Text: t.T("annex.reduced.text"), List: t.refs(list, true),
	}
}

// topics answers what readers ask besides: with the company's words, with measures, or plainly
// that the annex does not say.
func (t teller) topics(list []Topic) []topic {
	var out []topic
	for _, v := range list {
		if v.Question == "" {
			continue
		}
		n := topic{Question: v.Question, Answer: v.Answer, Mail: v.Mail, List: t.refs(v.Measures, true)}
		if v.Link != nil {
			n.Link = &ui.Link{Label: v.Link.Label, Href: t.href(v.Link.Href)}
		}
		n.None = n.Answer == "" && n.Mail == "" && n.Link == nil && len(n.List) == 0
		out = append(out, n)
	}
	return out
}

// validity says until when a copy of the page speaks of the present.
func (t teller) validity(until time.Time) *validity {
	if until.IsZero() || !t.at.IsZero() {
		return nil
	}
	return &validity{
		Text: t.T("annex.valid", "Made", t.Instant(t.now), "Until", t.Clock(until)), ISO: t.ISO(until),
	}
}

// replay is the banner of the moment that is replayed. back leads to today's page.
func (t teller) replay(back string, version, estate int64) *replay {
	r := &replay{Text: t.T("annex.replay.banner", "Instant", t.Instant(t.at)), Back: back, Word: t.T("annex.replay.back")}
	if version > 0 && estate > 0 {
		r.Note = t.T("annex.replay.versions", "Version", strconv.FormatInt(version, 10), "Estate", strconv.FormatInt(estate, 10))
	}
	return r
}

// party says whose annex it is.
func (t teller) party(c Company) []ui.Detail {
	var out []ui.Detail
	add := func(id, text string) {
		if text != "" {
			out = append(out, ui.Detail{Term: t.T("annex.company." + id), Text: text})
		}
	}
	mail := func(id, address string) {
		if address != "" {
			out = append(out, ui.Detail{Term: t.T("annex.company." + id), Link: &ui.Link{Label: address, Href: "mailto:" + address}})
		}
	}
	add("legal_name", c.legal())
	add("address", c.Address)
	add("country", c.Country)
	add("registration", c.Registration)
	mail("contact", c.Contact)
	mail("dpo", c.DPO)
	if !c.Revised.IsZero() {
		add("revised", t.Day(c.Revised))
	}
	if !c.Revision.IsZero() {
		add("revision", t.Day(c.Revision))
	}
	return out
}

// origin says what the document was made of.
func (t teller) origin(estate int64, catalogue, build string) []ui.Detail {
	var out []ui.Detail
	if estate > 0 {
		out = append(out, ui.Detail{Term: t.T("annex.estate"), Text: strconv.FormatInt(estate, 10)})
	}
	if catalogue != "" {
		out = append(out, ui.Detail{Term: t.T("annex.catalogue"), Digest: catalogue})
	}
	if build != "" {
		out = append(out, ui.Detail{Term: t.T("annex.build"), Text: build})
	}
	return out
}

// links are what the head of a page tells programs.
type links struct {
	Canonical, Feed, FeedTitle, Valid string
	Alternates                        []ui.LanguageLink
	Past                              bool
}

// links tells search engines that every order shows the same page, readers of feeds where the
// feed is, and whoever keeps a copy until when it speaks of the present (W3C-DTF).
func (t teller) links(p *ui.Page, address string, until time.Time) *links {
	l := &links{Feed: FeedPath + "?lang=" + t.Lang(), FeedTitle: t.T("annex.feed"), Past: !t.at.IsZero()}
	if l.Past {
		return l
	}
	if !until.IsZero() {
		l.Valid = t.ISO(until)
	}
	if strings.HasPrefix(address, "https://") || strings.HasPrefix(address, "http://") {
		l.Canonical = address + "?lang=" + t.Lang()
		for _, to := range p.Switch() {
			l.Alternates = append(l.Alternates, ui.LanguageLink{Lang: to.Lang, Href: address + "?lang=" + to.Lang})
		}
	}
	return l
}
