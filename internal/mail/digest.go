package mail

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/calendar"
	"github.com/garant-project/garant/internal/directory"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
)

const (
	jobDigest      = "mail.digest"
	digestTemplate = "mail.digest"
	digestHour     = 7  // of the company's day, from which digests are sent
	digestItems    = 20 // named in one; the desk has the rest
)

// Digests asks for the digest of every person who wants one today: on Mondays when something waits for them,
// on other days when something is overdue. It may run any number of times a day.
func (p *Post) Digests(ctx context.Context) error {
	if !p.On || p.cfg.Chrome == nil {
		return nil
	}
	now := p.cfg.Now()
	zone := time.UTC
	if p.cfg.Zone != nil {
		zone = p.cfg.Zone(ctx)
	}
	if now.In(zone).Hour() < digestHour {
		return nil
	}
	if err := forgetDigests(ctx, p.worker(), now.AddDate(0, 0, -40)); err != nil {
		return err
	}
	today := calendar.Of(now, zone).String()
	done, err := asked(ctx, p.worker(), digestTemplate, today)
	if err != nil {
		return err
	}
	for after := uuid.Nil; ; {
		people, err := p.cfg.Directory.List(ctx, postman(), after, 200)
		if err != nil {
			return err
		}
		for _, person := range people {
			after = person.ID
			if done[person.ID] || gone(person, now) {
				continue
			}
			if err := p.digest(ctx, person, today, now.In(zone).Weekday() == time.Monday); err != nil {
				return err
			}
		}
		if len(people) < 200 {
			return nil
		}
	}
}

func (p *Post) digest(ctx context.Context, person directory.Person, today string, weekly bool) error {
	preference, err := preferences(ctx, p.worker(), person.ID)
	if err != nil || !preference.Digest {
		return err
	}
	to, err := p.readerOf(ctx, person)
	if err != nil {
		return err
	}
	due, err := p.due(ctx, to)
	if err != nil {
		return err
	}
	m := Message{Template: digestTemplate, Person: person.ID, Due: today, Expires: p.cfg.Now().Add(24 * time.Hour)}
	if weekly && len(due) > 0 || slices.ContainsFunc(due, overdue) {
		_, err := p.Add(ctx, p.worker(), m)
		return err
	}
	return insertDropped(ctx, p.worker(), m, p.cfg.Now())
}

// overdue reports whether something should have been done by now.
func overdue(d console.Due) bool { return d.Urgency >= console.Stale }

// due is what waits for a person, as their desk says it, the most urgent first.
func (p *Post) due(ctx context.Context, to Reader) ([]console.Due, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, console.DeskPath, nil)
	if err != nil {
		return nil, err
	}
	list, err := p.cfg.Chrome.Due(&web.Request{Request: r, Actor: to.Actor, Lang: to.Printer.Lang(), Now: to.Now}, to.Printer)
	slices.SortStableFunc(list, func(a, b console.Due) int { return b.Urgency - a.Urgency })
	return list, err
}

func (p *Post) digestTemplate() Template {
	return Template{Name: digestTemplate, Write: func(ctx context.Context, to Reader, _ Message) (*Letter, error) {
		preference, err := preferences(ctx, p.worker(), to.Person.ID)
		if err != nil || !preference.Digest {
			return nil, err
		}
		due, err := p.due(ctx, to)
		if err != nil || len(due) == 0 {
			return nil, err
		}
		late := 0
		for _, d := range due {
			if overdue(d) {
				late++
			}
		}
		l := &Letter{Digest: true, Subject: to.Printer.T("mail.digest.subject", "Count", len(due)), Paragraphs: []string{to.Printer.T("mail.digest.text", "Count", len(due))}}
		if late > 0 {
			l.Subject = to.Printer.T("mail.digest.subject.late", "Count", late)
			l.Paragraphs = append(l.Paragraphs, to.Printer.T("mail.digest.late", "Count", late))
		}
		for i, d := range due {
			if i == digestItems {
				l.After = append(l.After, to.Printer.T("mail.digest.more", "Count", len(due)-digestItems))
				break
			}
			text := d.What
			if d.Tag != "" {
				text = d.Tag + " · " + text
			}
			parts := []string{text + to.Printer.T("mail.stop")}
			for _, more := range []string{d.Why, d.Next} {
				if more != "" {
					parts = append(parts, more)
				}
			}
			l.Items = append(l.Items, Item{Text: strings.Join(parts, " "), Link: d.Href})
		}
		return l, nil
	}}
}
