package mail

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/mail"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/directory"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/job"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/ui"
)

const (
	lease       = 3 * time.Minute // how long one message may take
	sendTimeout = 20 * time.Second
	batch       = 200 // messages of one turn
	jobDeliver  = "mail.deliver"
)

// backoff is how long a message waits after each failed attempt; after the last it has failed. Two
// days in all: long enough for a weekend, short enough that a reminder is still one.
func backoff() []time.Duration {
	return []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour}
}

// Config is what a Post works with.
type Config struct {
	DB        *pg.DB
	Settings  estate.Mail
	Directory Directory
	Messages  *ui.Messages
	Chrome    *console.Chrome // for digests; may be nil: there are none
	Company   func(ctx context.Context) string
	Language  func(ctx context.Context) string // the company's first
	Zone      func(ctx context.Context) *time.Location
	Origin    string // of the console: "https://admin.company.example"
	Now       func() time.Time
	Log       *slog.Logger
}

// Post sends what is in the queue.
type Post struct {
	*Queue
	cfg       Config
	sender    sender
	templates map[string]Template
}

// New makes a Post with the templates that packages bring.
func New(cfg Config, templates ...Template) (*Post, error) {
	p := &Post{
		Queue: &Queue{On: cfg.Settings.Enabled(), Now: cfg.Now}, cfg: cfg,
		sender: newSender(cfg.Settings, sendTimeout), templates: map[string]Template{},
	}
	for _, t := range append(templates, p.testTemplate(), p.digestTemplate()) {
		if _, twice := p.templates[t.Name]; twice {
			return nil, errs.New(errs.Internal, "mail.twice", "The template "+t.Name+" is registered twice.")
		}
		p.templates[t.Name] = t
	}
	return p, nil
}

// Jobs is the work of sending and of making digests.
func (p *Post) Jobs() []job.Kind {
	return []job.Kind{
		{Name: jobDeliver, Timeout: 4 * time.Minute, Work: func(ctx context.Context, _ json.RawMessage) error { return p.Deliver(ctx) }},
		{Name: jobDigest, Timeout: 4 * time.Minute, Work: func(ctx context.Context, _ json.RawMessage) error { return p.Digests(ctx) }},
	}
}

// Recurrences is when it is done; never, when mail is off.
func (p *Post) Recurrences() []job.Recurrence {
	if !p.On {
		return nil
	}
	return []job.Recurrence{
		{Name: jobDeliver, Kind: jobDeliver, Every: 15 * time.Second},
		{Name: jobDigest, Kind: jobDigest, Every: 30 * time.Minute},
	}
}

// Deliver sends what waits, message by message, as garant_worker.
func (p *Post) Deliver(ctx context.Context) error {
	if p.sender == nil {
		return nil
	}
	for range batch {
		now := p.cfg.Now()
		m, err := claim(ctx, p.worker(), now, now.Add(lease))
		if err != nil || m == nil {
			return err
		}
		if err := p.deliver(ctx, m); err != nil || ctx.Err() != nil {
			return err
		}
	}
	return nil
}

func (p *Post) worker() interface {
	pg.Querier
	pg.Execer
	pg.Beginner
} {
	return p.cfg.DB.Pool(pg.Worker)
}

// deliver sends one message and settles it.
func (p *Post) deliver(ctx context.Context, m *claimed) error {
	drop, failed := p.write(ctx, m)
	now := p.cfg.Now()
	// What became of a message is kept also when the server is told to stop meanwhile.
	ctx = context.WithoutCancel(ctx)
	switch {
	case drop != "":
		return settle(ctx, p.worker(), m.ID, "dropped", drop, now, &now)
	case failed == nil:
		return settle(ctx, p.worker(), m.ID, "sent", "", now, &now)
	}
	p.cfg.Log.Warn("a message was not sent", "mail.id", m.ID.String(), "mail.template", m.Template, "mail.attempt", m.attempts, "error.message", failed.Error())
	waits := backoff()
	if failed.permanent || m.attempts > len(waits) {
		return settle(ctx, p.worker(), m.ID, "failed", failed.problem, now, &now)
	}
	return settle(ctx, p.worker(), m.ID, "waiting", failed.problem, now.Add(waits[m.attempts-1]), nil)
}

// write gives a message its words and hands it over. drop says why it is not sent at all.
func (p *Post) write(ctx context.Context, m *claimed) (drop string, failed *failure) {
	now := p.cfg.Now()
	if !now.Before(m.Expires) {
		return problemExpired, nil
	}
	t, ok := p.templates[m.Template]
	if !ok {
		return "", &failure{problemLetter, true, errs.New(errs.Internal, "mail.template", "No message is called "+m.Template+" in this build.")}
	}
	to, err := p.reader(ctx, m.Person)
	switch {
	case errs.Is(err, errs.NotFound):
		return problemGone, nil
	case err != nil:
		return "", &failure{problemLetter, false, err}
	}
	letter, err := t.Write(ctx, to, m.Message)
	switch {
	case err != nil:
		return "", &failure{problemLetter, false, err}
	case letter == nil:
		return problemNothing, nil
	}
	e := envelope{
		id: m.ID.String(), to: mail.Address{Name: to.Person.Name, Address: to.Person.Email}, lang: to.Printer.Lang(), at: now,
		subject: letter.Subject, body: letter.body(to, p.company(ctx)),
	}
	if letter.Digest {
		e.digestPage = p.cfg.Origin + PreferencePath
	}
	return "", p.sender.send(ctx, e)
}

func (p *Post) company(ctx context.Context) string {
	if p.cfg.Company == nil {
		return ""
	}
	return p.cfg.Company(ctx)
}

// gone reports whether a person has no account, none any more, or an address that cannot be read.
func gone(person directory.Person, now time.Time) bool {
	return !person.DisabledAt.IsZero() || person.Unreadable || !person.Until.IsZero() && !now.Before(person.Until)
}

// reader is a person with their rights and their language. The error is NotFound for who is not
// there, is disabled, whose seat is over, or who has an address that cannot be read.
func (p *Post) reader(ctx context.Context, id uuid.UUID) (Reader, error) {
	person, err := p.cfg.Directory.Person(ctx, postman(), id)
	if err != nil {
		return Reader{}, err
	}
	return p.readerOf(ctx, person)
}

func (p *Post) readerOf(ctx context.Context, person directory.Person) (Reader, error) {
	if gone(person, p.cfg.Now()) {
		return Reader{}, errs.New(errs.NotFound, "mail.gone", "This person has no account that can be written to.")
	}
	preference, err := preferences(ctx, p.worker(), person.ID)
	if err != nil {
		return Reader{}, err
	}
	lang := preference.Language
	if lang == "" && p.cfg.Language != nil {
		lang = p.cfg.Language(ctx)
	}
	var zone *time.Location
	if p.cfg.Zone != nil {
		zone = p.cfg.Zone(ctx)
	}
	return Reader{
		Person: person, Printer: p.cfg.Messages.For(lang, zone), Origin: p.cfg.Origin, Now: p.cfg.Now(),
		Actor: actor.Actor{Kind: actor.Person, ID: person.ID.String(), Name: person.Name, Role: person.Role, Origin: "mail", Permissions: person.Role.Permissions()},
	}, nil
}
