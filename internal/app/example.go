package app

import (
	"context"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/calendar"
	"github.com/garant-project/garant/internal/demo"
	"github.com/garant-project/garant/internal/directory"
	"github.com/garant-project/garant/internal/document"
	"github.com/garant-project/garant/internal/engine/register"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/tailoring"
	"github.com/garant-project/garant/internal/pg"
)

// tell plays the example's story, by the same operations that people use and in their names: staff
// arrive, one drafts the annex, another publishes it, owners confirm what is theirs, and two accept the
// job of the application's public forms. Each step
// is left out when it was taken before, so that a start which was cut off goes on where it was.
func (d *Demo) tell(ctx context.Context, applied Applied) error {
	staff, err := d.hire(ctx)
	if err != nil {
		return err
	}
	d.staff = staff
	if err := d.keep(ctx, staff); err != nil {
		return err
	}
	if err := d.publish(ctx, staff); err != nil {
		return err
	}
	if err := d.showArena(ctx, staff, applied); err != nil {
		return err
	}
	if err := d.confirm(ctx, staff); err != nil {
		return err
	}
	if err := d.accept(ctx, guardedDatabase, demo.Customers()); err != nil || !d.Company.OwnDeclared() {
		return err
	}
	return d.accept(ctx, demo.OwnName, []demo.Customer{demo.OwnCustomer()})
}

// hire adds the staff and returns each as somebody who acts.
func (d *Demo) hire(ctx context.Context) (map[string]actor.Actor, error) {
	dir, err := d.Directory("", "")
	if err != nil {
		return nil, err
	}
	by := actor.NewSystem("demo")
	staff := map[string]actor.Actor{}
	for _, m := range demo.Staff() {
		person, err := dir.PersonByEmail(ctx, by, m.Email)
		if errs.Is(err, errs.NotFound) {
			person, err = d.AddPerson(ctx, by, m.Email, m.Name, actor.Role(m.Role))
		}
		if err != nil {
			return nil, err
		}
		staff[m.Key] = acting(person)
	}
	return staff, nil
}

// acting is a person of the example as their own console would have them act.
func acting(p directory.Person) actor.Actor {
	return actor.Actor{Kind: actor.Person, ID: p.ID.String(), Name: p.Name, Role: p.Role, Origin: "demo", Permissions: p.Role.Permissions()}
}

// keep fills the registers that are empty, publishes the documents, and lets everybody acknowledge
// them.
func (d *Demo) keep(ctx context.Context, staff map[string]actor.Actor) error {
	by := staff[demo.Lead]
	called := map[string]string{} // what entries are called → id
	for _, k := range demo.Entries(d.Now()) {
		for after, more := "", true; more; { // whoever tries the example may have added thousands
			kept, err := d.Registers.List(ctx, by, k.Register, register.Query{State: register.Any, After: after, Limit: 500}, d.Now())
			if err != nil {
				return err
			}
			for _, e := range kept.Entries {
				called[e.Values[k.Label]] = e.ID.String()
			}
			after, more = kept.Next, kept.Next != ""
		}
		for _, values := range k.Entries {
			if called[values[k.Label]] != "" {
				continue
			}
			entry, err := d.Registers.Create(ctx, by, k.Register, named(values, called, staff), d.Now())
			if err != nil {
				return err
			}
			called[values[k.Label]] = entry.ID.String()
		}
	}
	d.views.reset()
	return d.acknowledge(ctx, staff)
}

// named puts ids in the place of what entries and members are called.
func named(values map[string]string, called map[string]string, staff map[string]actor.Actor) register.Values {
	out := register.Values{}
	for field, v := range values {
		switch {
		case strings.HasPrefix(v, "@"):
			v = called[v[1:]]
		case strings.HasPrefix(v, "#"):
			v = staff[v[1:]].ID
		}
		out[field] = v
	}
	return out
}

// acknowledge publishes each document that is still a draft; then everybody reads what they are to.
func (d *Demo) acknowledge(ctx context.Context, staff map[string]actor.Actor) error {
	by := staff[demo.Lead]
	drafts, err := d.Registers.List(ctx, by, register.Documents, register.Query{Limit: 100}, d.Now())
	if err != nil {
		return err
	}
	for _, e := range drafts.Entries {
		if e.State == "draft" {
			if _, err := d.Registers.Move(ctx, by, register.Documents, e.ID, e.Revision, "published", d.Now()); err != nil {
				return err
			}
		}
	}
	for _, person := range staff {
		tasks, err := d.Registers.Tasks(ctx, person, d.Now())
		if err != nil {
			return err
		}
		for _, t := range tasks {
			reading, err := d.Registers.Read(ctx, person, t.Document, d.Now())
			if err != nil {
				return err
			}
			if err := d.Registers.Acknowledge(ctx, person, t.Document, reading.Version, reading.Digest, d.Now()); err != nil {
				return err
			}
		}
	}
	return nil
}

// publish drafts the annex in one name and publishes it in another.
func (d *Demo) publish(ctx context.Context, staff map[string]actor.Actor) error {
	_, err := d.Book.Published(ctx)
	if !errs.Is(err, errs.NotFound) {
		return err
	}
	draft, err := d.Book.Draft(ctx)
	if err != nil {
		return err
	}
	if draft, err = d.Book.Edit(ctx, staff[demo.Lead], draft.Revision, demo.Annex(d.Now())); err != nil {
		return err
	}
	proposal, err := d.Book.Propose(ctx, staff[demo.Lead], draft.Revision, "Première version de l’annexe.")
	if errs.Is(err, errs.Conflict) { // proposed before a start that was cut off
		last, lastErr := d.Book.Last(ctx)
		if lastErr != nil || last == nil {
			return err
		}
		proposal, err = *last, nil
	}
	if err != nil {
		return err
	}
	if _, err := d.Book.Publish(ctx, staff[demo.Second], proposal.ID, ""); err != nil {
		return err
	}
	d.views.reset()
	return nil
}

// showArena puts the measure of the arena into the published annex while the arena is open, and takes it out again, with
// its check, when it is not. What somebody else is changing is left alone.
func (d *Demo) showArena(ctx context.Context, staff map[string]actor.Actor, applied Applied) error {
	lead, second := staff[demo.Lead], staff[demo.Second]
	if err := d.agree(ctx, second, applied); err != nil {
		return err
	}
	published, err := d.Book.Published(ctx)
	if err != nil {
		return err
	}
	draft, err := d.Book.Draft(ctx)
	if err != nil {
		return err
	}
	last, err := d.Book.Last(ctx)
	if err != nil {
		return err
	}
	text, ok := demo.WithArena(published.Text, d.arenaShown)
	if ok && text == published.Text {
		return nil
	}
	waits := last != nil && last.Decision == nil
	if !ok || draft.Text != published.Text && draft.Text != text || waits && last.Draft.Text != text {
		d.Log.Warn("the annex is left as it is, with or without the arena: somebody has changed it")
		return nil
	}
	if draft, err = d.Book.Edit(ctx, lead, draft.Revision, text); err != nil {
		return err
	}
	note := "L’arène est fermée."
	if d.arenaShown {
		note = "L’arène est ouverte."
	}
	var proposal tailoring.Proposal
	if waits { // of a start that was cut off
		proposal = *last
	} else if proposal, err = d.Book.Propose(ctx, lead, draft.Revision, note); err != nil {
		return err
	}
	if _, err := d.Book.Publish(ctx, second, proposal.ID, ""); err != nil {
		return err
	}
	d.views.reset()
	return nil
}

// agree confirms what the example itself takes back or widens from one start to the next: its arena, the logins that read
// for Garant, and how the developers' copy is made. What else waits for a second person waits on.
func (d *Demo) agree(ctx context.Context, second actor.Actor, applied Applied) error {
	notes := map[string]string{"checks.arena": "L’arène est fermée."}
	for _, database := range []string{guardedDatabase, demo.OwnName} {
		of := "databases." + database + "."
		notes[of+"readers"], notes[of+"privileged"], notes[of+"tenancy.manifest"] = reads, reads, reads
		notes[of+"anonymised.plan"], notes[of+"anonymised.place"] = copies, copies
	}
	note := ""
	for _, r := range applied.Reductions {
		said := notes[r.Key]
		if strings.HasPrefix(r.Key, "checks.arena.") {
			said = notes["checks.arena"]
		}
		if said == "" {
			return nil
		}
		note = said
	}
	if note == "" {
		return nil
	}
	if err := estate.Confirm(ctx, d.DB.Pool(pg.Staff), second, applied.Version, note); err != nil {
		return err
	}
	d.views.reset()
	return nil
}

const (
	reads  = "Garant vérifie qu’un client hébergé à part n’a plus de ligne dans la base commune, et lit pour la copie anonymisée."
	copies = "La copie anonymisée se fait comme le prévoit cette version."
)

// confirm names an owner for each measure that people answer for, and lets owners speak who have
// not spoken yet.
func (d *Demo) confirm(ctx context.Context, staff map[string]actor.Actor) error {
	view, err := d.View(ctx)
	if err != nil {
		return err
	}
	known, err := measure.Load(ctx, d.Book.DB)
	if err != nil {
		return err
	}
	for _, m := range view.Registry.Catalogue.Measures {
		owner, ok := staff[m.Owner]
		assigned, err := measure.LoadAssignment(ctx, d.Book.DB, m.ID)
		if err != nil {
			return err
		}
		if !ok || assigned.ID != 0 || m.Excluded != nil {
			continue
		}
		if err := d.Owners.Assign(ctx, staff[demo.Lead], measure.Assigned{Measure: m.ID, Responsible: owner.ID}); err != nil {
			return err
		}
	}
	for _, c := range demo.Confirmations() {
		if m, ok := view.Registry.Catalogue.Measure(c.Measure); ok && len(known.Attested[c.Measure]) == 0 {
			if err := d.attest(ctx, staff[m.Owner], c, view.Subjects[m.Per], view.Registry.Catalogue.SentenceHash(m.ID)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *Demo) attest(ctx context.Context, by actor.Actor, c demo.Confirmed, targets []string, words string) error {
	zone := d.zone(ctx)
	in := measure.Attest{
		Measure: c.Measure, Statement: measure.Confirmed, Targets: targets, Note: c.Note, Words: words,
		ObservedOn: calendar.Of(d.Now().Add(-time.Duration(c.Days)*24*time.Hour), zone),
	}
	if c.Refused {
		in.Statement = measure.NoLongerSo
	}
	if c.Proof != "" {
		upload, err := document.Receive("piece.txt", strings.NewReader(c.Proof+"\n"))
		if err != nil {
			return err
		}
		in.Documents = append(in.Documents, upload)
	}
	_, err := d.Owners.Attest(ctx, by, in)
	return err
}
