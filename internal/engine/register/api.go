package register

import (
	"context"
	"maps"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/web"
)

// APIEntry is an entry as programs read it.
type APIEntry struct {
	ID        string         `json:"id"`
	Register  string         `json:"register" example:"assets"`
	Revision  int64          `json:"revision" doc:"To be sent back with a change: one made from an older revision is a conflict"`
	State     string         `json:"state" example:"in_use"`
	Fields    map[string]any `json:"fields" doc:"Values by field: text, numbers, true or false, lists of text. References are ids"`
	Hidden    bool           `json:"hidden,omitempty" doc:"It has personal fields that this token may not read"`
	CreatedAt time.Time      `json:"created_at"`
	UpdatedAt time.Time      `json:"updated_at"`
}

// APIRegister is a register as programs read it.
type APIRegister struct {
	Key    string     `json:"key" example:"assets"`
	Name   string     `json:"name" example:"Assets"`
	Fields []APIField `json:"fields"`
	States []string   `json:"states"`
}

// APIField is a field of a register.
type APIField struct {
	Key      string   `json:"key"`
	Name     string   `json:"name"`
	Type     Type     `json:"type"`
	Required bool     `json:"required,omitempty"`
	Unique   bool     `json:"unique,omitempty"`
	Personal bool     `json:"personal,omitempty"`
	Options  []string `json:"options,omitempty"`
	To       string   `json:"to,omitempty" doc:"Register that a reference leads to"`
}

type entryOut struct{ Body APIEntry }

// AddAPI adds the calls on registers.
func (r *Registers) AddAPI(a *web.API) {
	r.addReading(a)
	r.addChanging(a)
}

func (r *Registers) addReading(a *web.API) {
	type none struct{}
	type registersOut struct {
		Body struct {
			Registers []APIRegister `json:"registers"`
		}
	}
	web.Handle(a, web.Operation{ID: "list-registers", Method: "GET", Path: "/registers", Summary: "Every register and its fields", Permission: actor.ReadRegisters},
		func(_ context.Context, by actor.Actor, _ *none) (*registersOut, error) {
			out := &registersOut{}
			out.Body.Registers = []APIRegister{}
			for _, d := range r.Definitions() {
				if by.May(d.read()) {
					out.Body.Registers = append(out.Body.Registers, r.describe(d))
				}
			}
			return out, nil
		})
	type listIn struct {
		Key    string   `path:"key" example:"assets"`
		Search string   `query:"q" maxLength:"200" doc:"Words in fields that are not personal"`
		State  string   `query:"state" doc:"A state; * for all. Without it, entries out of use are left out"`
		Filter []string `query:"filter" doc:"field:value, of the fields that the register's list is narrowed by; - for none" example:"[\"kind:laptop\"]"`
		Due    string   `query:"due" doc:"The date field of a reminder: entries that it is time for"`
		After  string   `query:"after" doc:"next of the page before"`
		Limit  int      `query:"limit" minimum:"1" maximum:"500" default:"50"`
	}
	type listOut struct {
		Body struct {
			Entries []APIEntry `json:"entries"`
			Total   int        `json:"total"`
			Next    string     `json:"next,omitempty" doc:"after of the next page; absent on the last"`
		}
	}
	web.Handle(a, web.Operation{ID: "list-entries", Method: "GET", Path: "/registers/{key}", Summary: "The entries of a register", Permission: actor.ReadRegisters},
		func(ctx context.Context, by actor.Actor, in *listIn) (*listOut, error) {
			q := Query{Search: in.Search, State: in.State, Due: in.Due, After: in.After, Limit: in.Limit, Filters: map[string]string{}}
			for _, f := range in.Filter {
				field, value, ok := cut(f)
				if !ok {
					return nil, errs.New(errs.Invalid, "register.filter", "A filter is written field:value.")
				}
				q.Filters[field] = value
			}
			page, err := r.List(ctx, by, in.Key, q, r.now())
			if err != nil {
				return nil, err
			}
			out := &listOut{}
			out.Body.Entries, out.Body.Total, out.Body.Next = []APIEntry{}, page.Total, page.Next
			for _, e := range page.Entries {
				out.Body.Entries = append(out.Body.Entries, r.apiEntry(e))
			}
			return out, nil
		})
	type byID struct {
		Key string `path:"key" example:"assets"`
		ID  string `path:"id" format:"uuid"`
	}
	web.Handle(a, web.Operation{ID: "get-entry", Method: "GET", Path: "/registers/{key}/{id}", Summary: "One entry", Permission: actor.ReadRegisters},
		func(ctx context.Context, by actor.Actor, in *byID) (*entryOut, error) {
			id, err := uuid.Parse(in.ID)
			if err != nil {
				return nil, errGone()
			}
			e, err := r.Get(ctx, by, in.Key, id)
			return &entryOut{r.apiEntry(e)}, err
		})
}

func (r *Registers) addChanging(a *web.API) {
	type createIn struct {
		Key  string `path:"key" example:"assets"`
		Body struct {
			Fields map[string]any `json:"fields"`
		}
	}
	web.Handle(a, web.Operation{ID: "create-entry", Method: "POST", Path: "/registers/{key}", Summary: "Add an entry", Permission: actor.ChangeRegisters, Status: 201},
		func(ctx context.Context, by actor.Actor, in *createIn) (*entryOut, error) {
			values, err := texts(in.Body.Fields)
			if err != nil {
				return nil, err
			}
			e, err := r.Create(ctx, by, in.Key, values, r.now())
			return &entryOut{r.apiEntry(e)}, err
		})
	type changeIn struct {
		Key  string `path:"key" example:"assets"`
		ID   string `path:"id" format:"uuid"`
		Body struct {
			Revision int64          `json:"revision" minimum:"1"`
			Fields   map[string]any `json:"fields" doc:"The fields to change; null takes a value away"`
		}
	}
	web.Handle(a, web.Operation{ID: "change-entry", Method: "PATCH", Path: "/registers/{key}/{id}", Summary: "Change fields of an entry", Permission: actor.ChangeRegisters},
		func(ctx context.Context, by actor.Actor, in *changeIn) (*entryOut, error) {
			id, err := uuid.Parse(in.ID)
			if err != nil {
				return nil, errGone()
			}
			values, err := texts(in.Body.Fields)
			if err != nil {
				return nil, err
			}
			e, err := r.Update(ctx, by, in.Key, id, in.Body.Revision, values, r.now())
			return &entryOut{r.apiEntry(e)}, err
		})
	type moveIn struct {
		Key  string `path:"key" example:"assets"`
		ID   string `path:"id" format:"uuid"`
		Body struct {
			Revision int64  `json:"revision" minimum:"1"`
			State    string `json:"state" example:"lost"`
		}
	}
	web.Handle(a, web.Operation{ID: "move-entry", Method: "POST", Path: "/registers/{key}/{id}/state", Summary: "Bring an entry into another state", Permission: actor.ChangeRegisters},
		func(ctx context.Context, by actor.Actor, in *moveIn) (*entryOut, error) {
			id, err := uuid.Parse(in.ID)
			if err != nil {
				return nil, errGone()
			}
			e, err := r.Move(ctx, by, in.Key, id, in.Body.Revision, in.Body.State, r.now())
			return &entryOut{r.apiEntry(e)}, err
		})
}

func (r *Registers) describe(d *Definition) APIRegister {
	p := r.Words.For("en", nil)
	out := APIRegister{Key: d.Key, Name: p.T(titleID(d))}
	for _, f := range d.Fields {
		out.Fields = append(out.Fields, APIField{Key: f.Key, Name: fieldName(p, d, f.Key), Type: f.Type, Required: f.Required, Unique: f.Unique, Personal: f.Personal, Options: f.Options, To: f.To})
	}
	for _, s := range d.States {
		out.States = append(out.States, s.Key)
	}
	return out
}

// apiEntry gives values the types of JSON.
func (r *Registers) apiEntry(e Entry) APIEntry {
	out := APIEntry{ID: e.ID.String(), Register: e.Register, Revision: e.Revision, State: e.State, Fields: map[string]any{}, Hidden: e.Hidden, CreatedAt: e.CreatedAt, UpdatedAt: e.UpdatedAt}
	d := r.byKey[e.Register]
	if d == nil { // of an error
		return out
	}
	for key, value := range maps.All(e.Values) {
		if f, ok := d.Field(key); ok {
			out.Fields[key] = typed(f, value)
		}
	}
	return out
}
