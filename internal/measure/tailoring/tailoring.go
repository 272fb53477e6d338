package tailoring

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure/catalogue"
	"github.com/garant-project/garant/internal/pg"
)

// maxNote is the greatest length of a note or a reason, in characters.
const maxNote = 1000

// DB is the pool of garant_staff.
type DB interface {
	pg.Beginner
	pg.Querier
	pg.Execer
}

// Book is a company's own annex with all that was ever written in it.
type Book struct {
	DB   DB
	Base *catalogue.Catalogue // as this build carries it
}

// Draft is the annex as somebody left it. The zero Draft is that of a company that has not begun.
type Draft struct {
	Revision int64
	Text     string // annex.yaml, to the letter
	Hash     string // Tailoring.Hash
	EditedAt time.Time
	EditedBy estate.Identity
}

// Proposal is a draft that waits for a second person, or that waited for one.
type Proposal struct {
	ID       int64
	Draft    Draft // the revision that is proposed; it is not changed by later edits
	At       time.Time
	By       estate.Identity
	Note     string
	Hands    []estate.Identity // who edited or proposed since the last publication: none of them decides
	Decision *Decision         // nil: it waits
}

// HadAHand reports whether an actor may not decide on the proposal.
func (p Proposal) HadAHand(a actor.Actor) bool {
	return slices.Contains(p.Hands, estate.Of(a))
}

// The outcomes of a proposal.
const (
	Published = "published"
	Refused   = "refused"
	Withdrawn = "withdrawn"
)

// Decision is what became of a proposal.
type Decision struct {
	Outcome string
	Reason  string
	At      time.Time
	By      estate.Identity
}

// Version is a published annex. It is never changed.
type Version struct {
	Number     int64
	Revision   int64  // of the draft
	Text       string // annex.yaml, to the letter; empty in lists
	Hash       string // of the catalogue that came of it
	BaseHash   string // of the one that it was tailored from
	ProposedAt time.Time
	ProposedBy estate.Identity
	Note       string // of who proposed it
	At         time.Time
	By         estate.Identity // who reviewed and published it, and thereby signed its exclusions
	Reason     string          // of who published it; may be empty
	Changes    []Difference    // against the version before, or the catalogue as it comes
	Comparable bool            // false: the version before could not be read any more, Changes says nothing
}

// Conflict is the answer to who edits what somebody else has just changed. Nothing was written.
type Conflict struct {
	Yours  string // the text as it would have become
	Theirs Draft  // the draft in force
}

func (c *Conflict) Error() string { return c.kind().Error() }

// Unwrap gives the kind and the words for pages.
func (c *Conflict) Unwrap() error { return c.kind() }

func (c *Conflict) kind() *errs.Error {
	return errs.New(errs.Conflict, "tailoring.conflict", "Somebody else has changed the draft in the same place since you opened it, so nothing was changed.").
		WithFix("Look at what it says now, then change it again.")
}

// Tailor reads a text and returns the catalogue that comes of it. Mistakes are told as
// catalogue.Problems, all together.
func (b *Book) Tailor(source string) (*catalogue.Catalogue, error) {
	t, err := catalogue.ParseTailoring([]byte(source))
	if err != nil {
		return nil, err
	}
	return b.Base.Tailor(t)
}

// Edit replaces the text of the draft. It needs actor.ChangeAnnex. revision is that of the draft
// that the editor had before them; when there is a newer one the error is a *Conflict. Mistakes of
// the text are told as catalogue.Problems; nothing is changed. A text that is in force already
// makes no revision.
func (b *Book) Edit(ctx context.Context, by actor.Actor, revision int64, source string) (Draft, error) {
	if err := b.may(ctx, by, actor.ChangeAnnex, "annex.edited", "draft"); err != nil {
		return Draft{}, err
	}
	return b.edit(ctx, by, func(_ pg.Querier, current Draft) (string, []string, error) {
		if current.Revision != revision {
			return "", nil, &Conflict{Yours: source, Theirs: current}
		}
		return source, nil, nil
	})
}

// Change makes edits to the draft and keeps the rest of it, comments too. It needs
// actor.ChangeAnnex. When there is a newer draft than the editor had before them, the edits go
// through if every place is still as it was then; else the error is a *Conflict.
func (b *Book) Change(ctx context.Context, by actor.Actor, revision int64, edits ...Edit) (Draft, error) {
	if err := b.may(ctx, by, actor.ChangeAnnex, "annex.edited", "draft"); err != nil {
		return Draft{}, err
	}
	return b.edit(ctx, by, func(on pg.Querier, current Draft) (string, []string, error) {
		moved := false
		if current.Revision != revision {
			seen, err := revisionOf(ctx, on, revision)
			if err != nil {
				return "", nil, err
			}
			// A form sends also what its reader left as it was: that is no change of theirs.
			edits = slices.DeleteFunc(slices.Clone(edits), func(e Edit) bool { return e.same(seen.Text) })
			moved = slices.ContainsFunc(edits, func(e Edit) bool { return at(seen.Text, e.path) != at(current.Text, e.path) })
		}
		var places []string
		kept := edits
		if !moved {
			kept = nil
			for _, e := range edits { // what changes nothing is not written anew
				if !e.same(current.Text) {
					kept = append(kept, e)
					places = append(places, e.At())
				}
			}
		}
		source := current.Text
		if len(kept) > 0 {
			var err error
			if source, err = apply(current.Text, kept); err != nil {
				return "", nil, err
			}
		}
		if moved {
			return "", nil, &Conflict{Yours: source, Theirs: current}
		}
		return source, places, nil
	})
}

// same reports whether a text says already what an edit would.
func (e Edit) same(source string) bool {
	if e.value == nil {
		return at(source, e.path) == ""
	}
	var b strings.Builder
	write(&b, e.value)
	return b.String() == at(source, e.path)
}

// edit writes the next revision of the draft.
func (b *Book) edit(ctx context.Context, by actor.Actor, next func(on pg.Querier, current Draft) (source string, places []string, err error)) (Draft, error) {
	var draft Draft
	err := pg.InTx(ctx, b.DB, func(tx pgx.Tx) error {
		if err := lock(ctx, tx); err != nil {
			return err
		}
		current, err := LastDraft(ctx, tx)
		if err != nil {
			return err
		}
		source, places, err := next(tx, current)
		if err != nil {
			return err
		}
		if current.Revision > 0 && source == current.Text {
			draft = current
			return nil
		}
		t, err := catalogue.ParseTailoring([]byte(source))
		if err != nil {
			return err
		}
		if _, err := b.Base.Tailor(t); err != nil {
			return err
		}
		if strings.ContainsRune(source, 0) { // PostgreSQL keeps none; a comment may hold one
			return errs.New(errs.Invalid, "tailoring.encoding", "The text holds a character that is no text.").WithFix("Remove it.")
		}
		draft = Draft{Revision: current.Revision + 1, Text: source, Hash: t.Hash(), EditedBy: estate.Of(by)}
		if err := insertDraft(ctx, tx, &draft); err != nil {
			return err
		}
		detail := map[string]any{"revision": draft.Revision, "hash": draft.Hash}
		if len(places) > 0 {
			detail["places"] = places[:min(len(places), 50)]
		}
		return audit.Record(ctx, tx, by, "annex.edited", object("draft"), detail)
	})
	var conflict *Conflict
	if errors.As(err, &conflict) {
		return Draft{}, conflict
	}
	if err != nil {
		return Draft{}, err
	}
	return draft, nil
}

// Propose submits the draft to a second person. It needs actor.ChangeAnnex. The errors: Conflict
// when revision is not the draft in force, when another proposal waits, or when nothing is new
// since the last publication; Invalid when the draft cannot be read by this build.
func (b *Book) Propose(ctx context.Context, by actor.Actor, revision int64, note string) (Proposal, error) {
	if err := b.may(ctx, by, actor.ChangeAnnex, "annex.proposed", "draft"); err != nil {
		return Proposal{}, err
	}
	note, err := noteOf(note, false)
	if err != nil {
		return Proposal{}, err
	}
	p := Proposal{By: estate.Of(by), Note: note}
	err = pg.InTx(ctx, b.DB, func(tx pgx.Tx) error {
		if err := lock(ctx, tx); err != nil {
			return err
		}
		var err error
		if p.Draft, err = LastDraft(ctx, tx); err != nil {
			return err
		}
		switch {
		case p.Draft.Revision == 0:
			return errs.New(errs.Conflict, "tailoring.no_draft", "There is no draft to submit.").
				WithFix("Save one first; one that changes nothing will do when the catalogue fits as it is.")
		case p.Draft.Revision != revision:
			return errs.New(errs.Conflict, "tailoring.moved", "The draft was changed since you looked at it, so it was not submitted.").WithFix("Look at what it says now, then submit that.")
		}
		if _, err := b.Tailor(p.Draft.Text); err != nil {
			return err
		}
		if err := insertProposal(ctx, tx, &p); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, "annex.proposed", object("draft"), map[string]any{"proposal": p.ID, "revision": p.Draft.Revision, "hash": p.Draft.Hash})
	})
	return p, err
}

// Withdraw takes a proposal that waits back, so that the draft can be submitted anew. It needs
// actor.ChangeAnnex.
func (b *Book) Withdraw(ctx context.Context, by actor.Actor, proposal int64) error {
	const action = "annex.withdrawn"
	if err := b.may(ctx, by, actor.ChangeAnnex, action, proposalID(proposal)); err != nil {
		return err
	}
	return pg.InTx(ctx, b.DB, func(tx pgx.Tx) error {
		if _, err := waiting(ctx, tx, proposal); err != nil {
			return err
		}
		d := decision{proposal: proposal, outcome: Withdrawn, by: estate.Of(by)}
		if err := insertDecision(ctx, tx, &d); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, action, object(proposalID(proposal)), nil)
	})
}

// Refuse sends a proposal back to who made it, for a reason that they are told. It needs a person
// with actor.ReviewAnnex who had no hand in it.
func (b *Book) Refuse(ctx context.Context, by actor.Actor, proposal int64, reason string) error {
	const action = "annex.sent_back"
	if err := b.mayReview(ctx, by, action, proposal); err != nil {
		return err
	}
	reason, err := noteOf(reason, true)
	if err != nil {
		return err
	}
	err = pg.InTx(ctx, b.DB, func(tx pgx.Tx) error {
		p, err := waiting(ctx, tx, proposal)
		if err != nil {
			return err
		}
		if p.HadAHand(by) {
			return secondPerson()
		}
		d := decision{proposal: proposal, outcome: Refused, reason: reason, by: estate.Of(by)}
		if err := insertDecision(ctx, tx, &d); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, action, object(proposalID(proposal)), nil)
	})
	return b.recorded(ctx, by, action, proposal, err)
}

// Publish makes a proposal the annex, from now on for everybody to read. It needs a person with
// actor.ReviewAnnex who had no hand in it; what it excludes is signed by them.
func (b *Book) Publish(ctx context.Context, by actor.Actor, proposal int64, reason string) (Version, error) {
	const action = "annex.published"
	if err := b.mayReview(ctx, by, action, proposal); err != nil {
		return Version{}, err
	}
	reason, err := noteOf(reason, false)
	if err != nil {
		return Version{}, err
	}
	var v Version
	err = pg.InTx(ctx, b.DB, func(tx pgx.Tx) error {
		p, err := waiting(ctx, tx, proposal)
		if err != nil {
			return err
		}
		if p.HadAHand(by) {
			return secondPerson()
		}
		cat, err := b.Tailor(p.Draft.Text)
		if err != nil {
			return err
		}
		before, err := LastPublished(ctx, tx)
		if err != nil && !errs.Is(err, errs.NotFound) {
			return err
		}
		v = Version{
			Number: before.Number + 1, Revision: p.Draft.Revision, Text: p.Draft.Text, Hash: cat.Hash(), BaseHash: cat.BaseHash(),
			ProposedAt: p.At, ProposedBy: p.By, Note: p.Note, By: estate.Of(by), Reason: reason,
		}
		v.Changes, v.Comparable = b.since(before, cat)
		d := decision{
			proposal: proposal, outcome: Published, reason: reason, by: v.By, version: &v.Number, hash: &v.Hash, base: &v.BaseHash, changes: v.Changes, comparable: v.Comparable,
		}
		if err := insertDecision(ctx, tx, &d); err != nil {
			return err
		}
		v.At = d.at
		return audit.Record(ctx, tx, by, action, object(strconv.FormatInt(v.Number, 10)), map[string]any{
			"proposal": proposal, "hash": v.Hash, "changes": len(v.Changes), "weakened": weakened(v.Changes),
		})
	})
	return v, b.recorded(ctx, by, action, proposal, err)
}

// since tells what a catalogue changes against a version; ok is false when this build cannot read
// that any more.
func (b *Book) since(before Version, cat *catalogue.Catalogue) (changes []Difference, ok bool) {
	was, err := b.Tailor(before.Text) // of no version: the catalogue as it comes
	if err != nil {
		return nil, false
	}
	return Diff(was, cat), true
}

// weakened names what a version announces less of, for the record: "ENC-1 sentence".
func weakened(changes []Difference) []string {
	list := []string{}
	for _, c := range changes {
		name := strings.TrimSpace(c.Measure + " " + c.Field + " " + c.Name)
		if c.Effect == Weakened && !slices.Contains(list, name) && len(list) < 50 {
			list = append(list, name)
		}
	}
	return list
}

// Effective returns the annex in force: the last published version and the catalogue that it makes
// on this build. errs.NotFound when none was published. A version that this build cannot read is
// an error that names the lines; there is no half an annex.
func (b *Book) Effective(ctx context.Context, on pg.Querier) (Version, *catalogue.Catalogue, error) {
	v, err := LastPublished(ctx, on)
	if err != nil {
		return Version{}, nil, err
	}
	cat, err := b.Tailor(v.Text)
	if err != nil {
		return v, nil, &Outdated{Version: v.Number, Problems: err}
	}
	return v, cat, nil
}

// Outdated says that this build cannot read a version that an earlier one published.
type Outdated struct {
	Version  int64
	Problems error // catalogue.Problems
}

func (o *Outdated) Error() string {
	text, fix := errs.Sentence(o.kind())
	return text + " " + fix + "\n" + o.Problems.Error()
}

// Unwrap gives the kind and the words for pages. It is no errs.Invalid: nobody has just written it.
func (o *Outdated) Unwrap() error { return o.kind() }

func (o *Outdated) kind() error {
	return errs.New(errs.Conflict, "tailoring.outdated", fmt.Sprintf("Version %d of the annex says things that the catalogue of this build does not know.", o.Version)).
		With("Version", strconv.FormatInt(o.Version, 10)).
		WithFix("Start the build before, or correct the draft on the lines named, and publish it.")
}

// may tells whether an actor holds a permission, and records when not.
func (b *Book) may(ctx context.Context, by actor.Actor, needed actor.Permission, action, id string) error {
	if by.May(needed) {
		return nil
	}
	return b.refuse(ctx, by, action, id, "permission",
		errs.New(errs.Denied, "tailoring.denied", "You may not change the annex.").WithFix("Ask a security lead for it."))
}

func (b *Book) mayReview(ctx context.Context, by actor.Actor, action string, proposal int64) error {
	switch {
	case by.Kind != actor.Person:
		return b.refuse(ctx, by, action, proposalID(proposal), "not a person",
			errs.New(errs.Denied, "tailoring.no_person", "Only a person can review the annex.").WithFix("Sign in to the console and review it there."))
	case !by.May(actor.ReviewAnnex):
		return b.refuse(ctx, by, action, proposalID(proposal), "permission",
			errs.New(errs.Denied, "tailoring.review_denied", "You may not publish the annex.").WithFix("Ask a security lead to review it."))
	}
	return nil
}

func secondPerson() error {
	return errs.New(errs.Denied, "tailoring.second_person", "You had a hand in this text, so that somebody else has to review it.").
		WithFix("Ask another security lead.")
}

// recorded records a refusal that was only found within the transaction.
func (b *Book) recorded(ctx context.Context, by actor.Actor, action string, proposal int64, err error) error {
	if err == nil {
		return nil
	}
	if pg.Violates(err, "annex_decision_second_person") {
		err = secondPerson()
	}
	var e *errs.Error
	if errors.As(err, &e) && e.ID == "tailoring.second_person" {
		return b.refuse(ctx, by, action, proposalID(proposal), "not a second person", e)
	}
	return err
}

func (b *Book) refuse(ctx context.Context, by actor.Actor, action, id, why string, err *errs.Error) error {
	if recordErr := audit.Refused(ctx, b.DB, by, action, object(id), map[string]any{"why": why}); recordErr != nil {
		return recordErr
	}
	return err
}

// noteOf cleans what a person wrote beside a text.
func noteOf(s string, needed bool) (string, error) {
	s = strings.TrimSpace(strings.ReplaceAll(s, "\r\n", "\n"))
	bad := utf8.RuneCountInString(s) > maxNote || !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' })
	switch {
	case bad:
		return "", errs.New(errs.Invalid, "tailoring.note", "A note has at most "+strconv.Itoa(maxNote)+" characters, and only such as can be seen.").WithFix("Shorten it.")
	case needed && s == "":
		return "", errs.New(errs.Invalid, "tailoring.no_refusal_reason", "Who wrote the text has to know why it comes back.").WithFix("Write what should be otherwise.")
	}
	return s, nil
}

func object(id string) audit.Object { return audit.Object{Kind: "annex", ID: id} }

func proposalID(id int64) string { return "proposal-" + strconv.FormatInt(id, 10) }

// Try returns the catalogue that a text would make with edits, and writes nothing.
func (b *Book) Try(source string, edits ...Edit) (*catalogue.Catalogue, error) {
	text, err := apply(source, edits)
	if err != nil {
		return nil, err
	}
	return b.Tailor(text)
}
