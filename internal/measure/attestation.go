package measure

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/calendar"
	"github.com/garant-project/garant/internal/document"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/measure/catalogue"
	"github.com/garant-project/garant/internal/pg"
)

// DocumentOwner is the kind of owner of an attestation's documents; their id is the attestation's.
const DocumentOwner = "attestation"

const maxNote = 2000 // letters

// Statement is what an owner says of a measure.
type Statement string

// The statements. Both are as easy to make.
const (
	Confirmed  Statement = "confirmed"
	NoLongerSo Statement = "refused"
)

const (
	noteField = "note"
	day       = 24 * time.Hour
	aYear     = 365 * day
)

// Attest is what somebody attests.
type Attest struct {
	Measure    string
	Statement  Statement
	Targets    []string // of a measure that is attested for each: those that are meant; else none
	ObservedOn calendar.Date
	Note       string
	Documents  []*document.Upload
	// Words is catalogue.SentenceHash of what the person had before their eyes.
	Words string
}

// Attestation is a statement that was made.
type Attestation struct {
	ID            string
	Measure       string
	Targets       []string // never empty; "": the whole
	Statement     Statement
	Person        string // id
	OnBehalfOf    string // id of who answers for the measure, when a deputy made it
	ObservedOn    calendar.Date
	ObservedAt    time.Time
	ReceivedAt    time.Time
	ValidUntil    time.Time
	Note          string
	NoteErased    bool
	Documents     []AttestedDocument
	Words         string // catalogue.SentenceHash
	CatalogueHash string
	EstateVersion int64
	Build         string
	Digest        string

	noteHash string
}

// AttestedDocument is a document as the digest of an attestation covers it.
type AttestedDocument struct {
	ID     string `json:"id"`
	SHA256 string `json:"sha256"`
}

// seal computes the digest: SHA-256 over a JSON array of the fields; the note by the hash of what
// is stored of it, so that the digest holds when the note has been erased.
func (a *Attestation) seal() {
	stamp := func(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
	b, _ := json.Marshal([]any{ // of strings and numbers: cannot fail
		"garant attestation v1", a.ID, a.Measure, a.Targets, a.Statement, a.Person, a.OnBehalfOf, a.ObservedOn.String(), stamp(a.ObservedAt),
		stamp(a.ValidUntil), a.noteHash, a.Documents, a.Words, a.CatalogueHash, a.EstateVersion, a.Build,
	})
	a.Digest = hexSum(b)
}

// Intact reports whether a row read back still has the digest that it was written with.
func (a Attestation) Intact() bool {
	again := a
	again.seal()
	return again.Digest == a.Digest
}

// CadenceOf is how often a measure has to be attested: the time that the catalogue gives, in years
// where it gives whole ones, so that a yearly review is due on the same day of every year.
func CadenceOf(m catalogue.Measure) calendar.Cadence {
	switch {
	case m.Cadence >= aYear && m.Cadence%aYear == 0:
		return calendar.Yearly(int(m.Cadence / aYear))
	case m.Cadence >= day:
		return calendar.Daily(int(m.Cadence / day))
	}
	return calendar.Yearly(1)
}

// Expiry is the moment from which what was seen on a day no longer counts: the beginning of the
// day one cadence later, in the company's zone.
func Expiry(on calendar.Date, every calendar.Cadence, zone *time.Location) time.Time {
	return calendar.Add(on, every).Start(zone).UTC()
}

// Attest stores what the owner of a measure, or their deputy, says about it. Needs actor.OwnTasks.
// The errors: Denied for anybody else; NotFound; Conflict when the sentence is not the one that was
// read, when nobody has to attest the measure, or when a refusal is more recent than what was seen;
// Invalid for a day to come or longer ago than the cadence, for sites that are not there, for a note that is too long.
func (o *Owners) Attest(ctx context.Context, by actor.Actor, in Attest) (Attestation, error) {
	now := o.Runner.Now()
	view, err := o.Runner.Effective(ctx)
	if err != nil {
		return Attestation{}, err
	}
	m, ok := view.Registry.Catalogue.Measure(in.Measure)
	if !ok {
		return Attestation{}, errNoMeasure()
	}
	zone := zoneOf(view)
	today := calendar.Of(now, zone)
	assigned, err := LoadAssignment(ctx, o.pool(), m.ID)
	if err != nil {
		return Attestation{}, err
	}
	onBehalfOf, may := assigned.May(by.ID, today)
	if !may || by.Kind != actor.Person || !by.May(actor.OwnTasks) {
		return Attestation{}, o.refuse(ctx, by, "measure.attested", m.ID, map[string]any{"reason": "not_owner"})
	}
	a := Attestation{
		ID: uuid.Must(uuid.NewV7()).String(), Measure: m.ID, Statement: in.Statement, Person: by.ID, OnBehalfOf: onBehalfOf, ObservedOn: in.ObservedOn,
		ObservedAt: in.ObservedOn.Start(zone).UTC(), ValidUntil: Expiry(in.ObservedOn, CadenceOf(m), zone), Words: view.Registry.Catalogue.SentenceHash(m.ID),
		CatalogueHash: view.Registry.Catalogue.Hash(), EstateVersion: view.Version, Build: o.Runner.Build,
	}
	if a.Note, err = note(in.Note); err != nil {
		return Attestation{}, err
	}
	if a.Targets, err = targetsOf(m, view, in.Targets); err != nil {
		return Attestation{}, err
	}
	if err := attestable(m, view, in, a, today, now); err != nil {
		return Attestation{}, err
	}
	err = pg.InTx(ctx, o.pool(), func(tx pgx.Tx) error { return o.put(ctx, tx, by, &a, today, in.Documents) })
	if err != nil {
		return Attestation{}, err
	}
	if o.Runner.Stored != nil {
		o.Runner.Stored()
	}
	return a, nil
}

// put stores an attestation with its documents and its entry in the record.
func (o *Owners) put(ctx context.Context, tx pgx.Tx, by actor.Actor, a *Attestation, today calendar.Date, documents []*document.Upload) error {
	// Who answers for a measure, and what was last said, do not change in between.
	assigned, err := lockAssignment(ctx, tx, a.Measure)
	if err != nil {
		return err
	}
	if onBehalfOf, may := assigned.May(a.Person, today); !may || onBehalfOf != a.OnBehalfOf {
		return errs.New(errs.Conflict, "measure.assignment_changed", "Somebody else has decided meanwhile who answers for this measure.").
			WithFix("Look at what holds now, then decide again.")
	}
	if err := sameTime(ctx, tx, o.Runner.Now); err != nil {
		return err
	}
	if a.Statement == Confirmed {
		if err := notOverruled(ctx, tx, a); err != nil {
			return err
		}
	}
	a.Documents = []AttestedDocument{}
	for _, u := range documents {
		info, err := o.Documents.Put(ctx, tx, by, document.Owner{Kind: DocumentOwner, ID: a.ID}, u)
		if err != nil {
			return err
		}
		a.Documents = append(a.Documents, AttestedDocument{ID: info.ID.String(), SHA256: info.SHA256})
	}
	var sealed []byte
	if a.Note != "" {
		if sealed, err = o.Box.Seal(ctx, tx, noteSubject(a.ID), noteField, []byte(a.Note)); err != nil {
			return err
		}
		a.noteHash = hexSum(sealed)
	}
	a.seal()
	if err := insertAttestation(ctx, tx, a, sealed); err != nil {
		return err
	}
	return audit.Record(ctx, tx, by, "measure.attested", measureObject(a.Measure), said(map[string]any{
		"attestation": a.ID, "digest": a.Digest, "statement": string(a.Statement), "observed_on": a.ObservedOn.String(), "targets": strings.Join(a.Targets, ", "),
		"documents": len(a.Documents), "on_behalf_of": a.OnBehalfOf,
	}))
}

// notOverruled refuses a confirmation of what was seen before somebody said that it is no longer so, in whichever
// order the two were said: a refusal that is dated back undoes none that is more recent.
func notOverruled(ctx context.Context, tx pgx.Tx, a *Attestation) error {
	refused, err := refusedAfter(ctx, tx, a)
	if err != nil || !refused {
		return err
	}
	return errs.New(errs.Conflict, "measure.attest_overruled", "It was said after that day that this is no longer so.").
		WithFix("Look again, and give the day on which you have seen that it is so.")
}

func attestable(m catalogue.Measure, view View, in Attest, a Attestation, today calendar.Date, now time.Time) error {
	switch {
	case !m.Attest || m.Excluded != nil || view.Estate == nil:
		return errs.New(errs.Conflict, "measure.attest_not_needed", "Nobody has to attest this measure.").WithFix("Look in the list of measures for those that wait for you.")
	case in.Statement != Confirmed && in.Statement != NoLongerSo:
		return errs.New(errs.Invalid, "measure.attest_statement", "It was not said whether this is so or no longer so.").WithFix("Choose one of the two.")
	case in.Words != a.Words:
		return errs.New(errs.Conflict, "measure.attest_text", "The sentence has changed since you read it.").WithFix("Read what it says now, then decide.")
	case in.ObservedOn.IsZero() || in.ObservedOn.After(today):
		return errs.New(errs.Invalid, "measure.attest_future", "What is attested was seen today or before.").WithFix("Give the day on which you have seen it.")
	case !now.Before(a.ValidUntil):
		return errs.New(errs.Invalid, "measure.attest_old", "What you saw that day no longer counts: this measure has to be looked at more often.").WithFix("Look again, and give that day.")
	}
	return nil
}

// targetsOf are what a statement covers: the sites that are named, all of them being there, or the
// whole.
func targetsOf(m catalogue.Measure, v View, named []string) ([]string, error) {
	if m.Per == "" {
		if len(named) > 0 {
			return nil, errs.New(errs.Invalid, "measure.attest_targets", "This measure is attested as a whole.").WithFix("Reload the page and try again.")
		}
		return []string{""}, nil
	}
	targets := slices.Compact(slices.Sorted(slices.Values(named)))
	if len(targets) == 0 {
		return nil, errs.New(errs.Invalid, "measure.attest_no_target", "No site was chosen.").WithFix("Tick each site that you speak of.")
	}
	for _, t := range targets {
		if t == "" || !slices.Contains(v.Subjects[m.Per], t) {
			return nil, errs.New(errs.Invalid, "measure.attest_targets", "One of the sites is not there any more.").WithFix("Reload the page and try again.")
		}
	}
	return targets, nil
}

func note(s string) (string, error) {
	s = strings.TrimSpace(strings.ReplaceAll(s, "\r\n", "\n"))
	if !utf8.ValidString(s) || utf8.RuneCountInString(s) > maxNote || strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }) {
		return "", errs.New(errs.Invalid, "measure.attest_note", "A note has 2,000 letters at most.").WithFix("Make it shorter, or add a document.")
	}
	return s, nil
}

func noteSubject(id string) string { return "attestation:" + id }

// Document opens a document of an attestation of a measure, and records that by read it. Needs
// actor.ReadChecks, or to be who answers for the measure or their deputy. The errors: Denied, NotFound.
func (o *Owners) Document(ctx context.Context, by actor.Actor, measure, attestation, id string) (document.Info, []byte, error) {
	none := errs.New(errs.NotFound, "document.none", "There is no such document.").WithFix("Look for it where it was added.")
	documentID, err := uuid.Parse(id)
	if err != nil {
		return document.Info{}, nil, none
	}
	assigned, err := LoadAssignment(ctx, o.pool(), measure)
	if err != nil {
		return document.Info{}, nil, err
	}
	view, err := o.Runner.Effective(ctx)
	if err != nil {
		return document.Info{}, nil, err
	}
	if _, own := assigned.May(by.ID, calendar.Of(o.Runner.Now(), zoneOf(view))); !own && !by.May(actor.ReadChecks) {
		return document.Info{}, nil, o.refuse(ctx, by, "document.read", measure, map[string]any{"reason": "not_owner"})
	}
	if ok, err := attestationOf(ctx, o.pool(), attestation, measure); err != nil || !ok {
		if err == nil {
			err = none
		}
		return document.Info{}, nil, err
	}
	return o.Documents.Open(ctx, by, document.Owner{Kind: DocumentOwner, ID: attestation}, documentID)
}
