package register

import (
	"cmp"
	"context"
	"embed"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/calendar"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/directory"
	"github.com/garant-project/garant/internal/document"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web/ui"
)

//go:embed messages/fr.yaml
var french []byte

//go:embed messages/en.yaml
var english []byte

//go:embed templates/*.html
var templates embed.FS

// Messages are the words of the registers, their pages, checks and problems, by language, for
// ui.NewMessages.
func Messages() map[string][]byte { return map[string][]byte{"fr": french, "en": english} }

// Deps is what the registers work with.
type Deps struct {
	DB        *pg.DB // with the pools of pg.Staff, pg.Worker and pg.Checker
	Box       *crypt.Box
	Directory *directory.Directory // finds who somebody signed in is; nil: nobody is found
	Documents *document.Store      // keeps what is attached to entries; nil: nothing can be attached
	// Zone is the company's: in it, days begin and end. nil: UTC.
	Zone func(ctx context.Context) *time.Location
	// Words are the words of all registers, own ones included; nil: those of this package.
	Words *ui.Messages
	// Now is the clock of calls of the API; nil: time.Now.
	Now func() time.Time
	// Own are registers beside the first ones.
	Own []Definition
}

// Registers are the declared registers with their entries. Safe for use by many goroutines.
type Registers struct {
	Deps
	defs    []Definition
	byKey   map[string]*Definition
	options map[string]map[string]string // vocabulary → folded name in any language → option

	generation atomic.Int64 // counted up by each change that this process makes
	counts     remembered
}

// Open checks the declarations. An error is a mistake of the program.
func Open(deps Deps) (*Registers, error) {
	r := &Registers{Deps: deps, defs: append(First(), deps.Own...), byKey: map[string]*Definition{}, options: map[string]map[string]string{}}
	if r.Words == nil {
		words, err := ui.NewMessages(Messages())
		if err != nil {
			return nil, err
		}
		r.Words = words
	}
	var keys []string
	for i := range r.defs {
		d := &r.defs[i]
		if r.byKey[d.Key] != nil {
			return nil, errs.New(errs.Internal, "register.twice", "Two registers are called "+d.Key+".")
		}
		keys, r.byKey[d.Key] = append(keys, d.Key), d
	}
	for i := range r.defs {
		if err := r.defs[i].check(keys); err != nil {
			return nil, errs.New(errs.Internal, "register.definition", "A register is declared wrongly.").Wrap(err)
		}
		r.learn(&r.defs[i])
	}
	return r, nil
}

// learn notes what the options and states of a register are called, for CSV.
func (r *Registers) learn(d *Definition) {
	add := func(vocabulary, option, id string) {
		if r.options[vocabulary] == nil {
			r.options[vocabulary] = map[string]string{}
		}
		for _, lang := range r.Words.Languages() {
			if p := r.Words.For(lang, nil); p.Has(id) {
				r.options[vocabulary][fold(p.T(id))] = option
			}
		}
		r.options[vocabulary][fold(option)] = option
	}
	for _, f := range d.Fields {
		for _, o := range f.Options {
			add(d.vocabulary(f), o, optionID(d, f, o))
		}
	}
	for _, s := range d.States {
		add(d.Key+".state", s.Key, stateID(d, s.Key))
	}
}

// option finds an option by its name in any language, or by itself.
func (r *Registers) option(vocabulary, name string) string { return r.options[vocabulary][fold(name)] }

func optionID(d *Definition, f Field, option string) string {
	return "register.option." + d.vocabulary(f) + "." + option
}

func stateID(d *Definition, state string) string { return "register." + d.Key + ".state." + state }

func fieldID(d *Definition, field string) string { return "register." + d.Key + ".field." + field }

// Definitions lists the registers in their order. They must not be changed.
func (r *Registers) Definitions() []*Definition {
	out := make([]*Definition, len(r.defs))
	for i := range r.defs {
		out[i] = &r.defs[i]
	}
	return out
}

// Definition returns a register by its key; errs.NotFound.
func (r *Registers) Definition(key string) (*Definition, error) {
	d := r.byKey[key]
	if d == nil {
		return nil, errs.New(errs.NotFound, "register.none", "There is no such register.").WithFix("Choose one from the list of registers.")
	}
	return d, nil
}

func (r *Registers) now() time.Time {
	if r.Now == nil {
		return time.Now()
	}
	return r.Now()
}

// zone is the company's.
func (r *Registers) zone(ctx context.Context) *time.Location {
	if r.Zone == nil {
		return time.UTC
	}
	return cmp.Or(r.Zone(ctx), time.UTC)
}

// today is the day that it is for the company.
func (r *Registers) today(ctx context.Context, now time.Time) calendar.Date {
	return calendar.Of(now, r.zone(ctx))
}

// may refuses who lacks a permission, and records that.
func (r *Registers) may(ctx context.Context, by actor.Actor, needed actor.Permission, action string, object audit.Object) error {
	return audit.May(ctx, r.DB.Pool(pg.Staff), by, needed, action, object,
		errs.New(errs.Denied, "register.denied", "You are not allowed to do this in this register.").WithFix("Ask the security lead for the permission."))
}

// object is an entry, as the audit record has it.
func object(key, id string) audit.Object { return audit.Object{Kind: "register_" + key, ID: id} }

// subject is whose key seals the personal values of an entry.
func subject(id uuid.UUID) string { return "register:" + id.String() }

// who is an actor as entries have it.
func who(by actor.Actor) string { return string(by.Kind) + ":" + by.ID }

// Invalid is what is wrong with an entry that was to be written.
type Invalid struct {
	Faults []Fault
	words  *ui.Printer
}

func (e *Invalid) Error() string { return "register: values are not valid" }

// invalid makes the error of faults: errs.Invalid, with an Invalid as its cause.
func (r *Registers) invalid(d *Definition, faults []Fault) error {
	p := r.Words.For("en", nil)
	text := ""
	for i, f := range faults {
		if i == 5 {
			text += " …"
			break
		}
		text += f.words(p, d) + " "
	}
	return errs.New(errs.Invalid, "register.invalid", "Some values are not as they should be.").WithFix(text).Wrap(&Invalid{Faults: faults, words: p})
}

// words says what is wrong, with the field's name.
func (f Fault) words(p *ui.Printer, d *Definition) string {
	text := p.T(f.ID, f.Args)
	if f.Field == "" {
		return text
	}
	return fieldName(p, d, f.Field) + ": " + text
}

// fieldName is what a field is called.
func fieldName(p *ui.Printer, d *Definition, field string) string {
	if field == "state" {
		return p.T("register.state")
	}
	if id := fieldID(d, field); p.Has(id) {
		return p.T(id)
	}
	return field
}

// errGone is said of an entry that is not there.
func errGone() error {
	return errs.New(errs.NotFound, "register.no_entry", "There is no such entry.").WithFix("Look for it in the list of the register.")
}

// columns returns the fields of a register that somebody may see.
func (d *Definition) visible(by actor.Actor) []Field {
	if by.May(d.readPersonal()) {
		return d.Fields
	}
	return slices.DeleteFunc(slices.Clone(d.Fields), func(f Field) bool { return f.Personal })
}
