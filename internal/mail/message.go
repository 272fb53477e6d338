package mail

import (
	"context"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/directory"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web/ui"
)

// Message is what is to be sent, before it has words.
type Message struct {
	ID       uuid.UUID // set by Add
	Template string    // "measure.reminder"
	Person   uuid.UUID
	Due      string            // with template and person, what is sent once: "2026-12-01"
	Args     map[string]string // ids for the template; no personal data
	Expires  time.Time         // not worth sending from then on
	NotFor   time.Duration     // not before so long from now
}

// Letter is a message with words, as plain text.
type Letter struct {
	Subject    string
	Paragraphs []string
	Items      []Item // listed after the paragraphs
	After      []string
	Digest     bool // one that people may do without: it says how
}

// Item is a line of a letter, with the address of its page.
type Item struct{ Text, Link string }

// Template writes the letters of a kind.
type Template struct {
	Name string
	// Write makes the letter, or nil when there is nothing to say any more. Addresses of pages
	// begin with origin.
	Write func(ctx context.Context, to Reader, m Message) (*Letter, error)
}

// Reader is whom a letter is written for.
type Reader struct {
	Person  directory.Person
	Actor   actor.Actor // with the rights that the person has, for reading what they may see
	Printer *ui.Printer
	Origin  string // of the console
	Now     time.Time
}

// Directory is where people are looked up.
type Directory interface {
	Person(ctx context.Context, by actor.Actor, id uuid.UUID) (directory.Person, error)
	List(ctx context.Context, by actor.Actor, after uuid.UUID, limit int) ([]directory.Person, error)
}

// postman reads the directory and the queue.
func postman() actor.Actor { return actor.NewSystem("mail") }

// line refuses what could begin another header.
func line(what, s string) error {
	if strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }) {
		return errs.New(errs.Invalid, "mail.header", "The "+what+" of a message holds a line break or another control character, so it was not sent.").
			With("What", what).WithFix("Correct the name that stands in it.")
	}
	return nil
}

// body is the text of a letter: paragraphs, a list, and who writes.
func (l *Letter) body(to Reader, company string) string {
	var b strings.Builder
	paragraph := func(s string) { b.WriteString(s + "\r\n\r\n") }
	paragraph(to.Printer.T("mail.greeting", "Name", to.Person.Name))
	for _, p := range l.Paragraphs {
		paragraph(plain(p))
	}
	for _, i := range l.Items {
		b.WriteString("– " + plain(i.Text) + "\r\n")
		if i.Link != "" {
			b.WriteString("  " + to.Origin + i.Link + "\r\n")
		}
		b.WriteString("\r\n")
	}
	for _, p := range l.After {
		paragraph(plain(p))
	}
	b.WriteString("-- \r\n")
	b.WriteString(to.Printer.T("mail.signature", "Company", company) + "\r\n" + to.Origin + "/\r\n")
	if l.Digest {
		b.WriteString(to.Printer.T("mail.digest.stop") + "\r\n" + to.Origin + PreferencePath + "\r\n")
	}
	return b.String()
}

// plain keeps a paragraph on one line: what people wrote must not look like what Garant says.
func plain(s string) string { return strings.Join(strings.Fields(s), " ") }

// Queue takes messages.
type Queue struct {
	On  bool // this server sends mail
	Now func() time.Time
}

// Add asks for a message in the caller's transaction, as garant_staff or garant_worker. It reports
// false when mail is off or when the message was asked for before.
func (q *Queue) Add(ctx context.Context, on pg.Execer, m Message) (bool, error) {
	if q == nil || !q.On {
		return false, nil
	}
	m.ID = uuid.Must(uuid.NewV7())
	if m.Args == nil {
		m.Args = map[string]string{}
	}
	now := q.Now()
	if m.Expires.IsZero() {
		m.Expires = now.Add(7 * 24 * time.Hour)
	}
	return insert(ctx, on, m, now.Add(m.NotFor))
}

// Preference is how a person wants to be written to.
type Preference struct {
	Language string // "fr", "en"; empty: the company's
	Digest   bool
}

// SetPreference changes how the actor is written to. The error is Invalid for a language that no
// message is written in, Denied for who is no person.
func (q *Queue) SetPreference(ctx context.Context, tx pgx.Tx, by actor.Actor, p Preference) error {
	id, err := uuid.Parse(by.ID)
	if by.Kind != actor.Person || err != nil || !by.May(actor.OwnTasks) {
		return errs.New(errs.Denied, "web.denied", "You are not allowed to do this.").WithFix("Sign in as a person.")
	}
	if p.Language != "" && p.Language != "fr" && p.Language != "en" {
		return errs.New(errs.Invalid, "mail.language", "Messages are written in French or in English.").WithFix("Choose one of the two.")
	}
	return setPreference(ctx, tx, id, p)
}
