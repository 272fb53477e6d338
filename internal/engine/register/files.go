package register

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/document"
	"github.com/garant-project/garant/internal/pg"
)

// owner is an entry as the documents attached to it name it.
func owner(d *Definition, id uuid.UUID) document.Owner {
	return document.Owner{Kind: "register." + d.Key, ID: id.String()}
}

// mayReadFiles is the permission to see the documents of an entry: those of a register with
// personal fields are personal too.
func (d *Definition) mayReadFiles() actor.Permission {
	if d.personal() {
		return d.readPersonal()
	}
	return d.read()
}

// Files lists the documents attached to an entry; nil where none are kept, or not for this reader.
func (r *Registers) Files(ctx context.Context, by actor.Actor, key string, id uuid.UUID) ([]document.Info, error) {
	d, err := r.Definition(key)
	if err != nil || r.Documents == nil || !by.May(d.read()) || !by.May(d.mayReadFiles()) {
		return nil, err
	}
	list, err := r.Documents.List(ctx, r.DB.Pool(pg.Staff), owner(d, id))
	if list == nil {
		list = []document.Info{}
	}
	return list, err
}

// Attach keeps a document for an entry. Needs the permission to change the register.
func (r *Registers) Attach(ctx context.Context, by actor.Actor, key string, id uuid.UUID, u *document.Upload, now time.Time) error {
	d, err := r.Definition(key)
	if err != nil {
		return err
	}
	if err := r.may(ctx, by, d.change(), "register.document_attached", object(key, id.String())); err != nil {
		return err
	}
	if r.Documents == nil {
		return errGone()
	}
	return pg.InTx(ctx, r.DB.Pool(pg.Staff), func(tx pgx.Tx) error {
		row, err := loadRow(ctx, tx, d.Key, id, true)
		if errors.Is(err, pgx.ErrNoRows) {
			return errGone()
		}
		if err != nil {
			return err
		}
		if _, err := r.Documents.Put(ctx, tx, by, owner(d, id), u); err != nil {
			return err
		}
		row.UpdatedAt = now
		return addChange(ctx, tx, by, row.Entry, "attached", nil)
	})
}

// File returns a document of an entry. That it was read is in the record.
func (r *Registers) File(ctx context.Context, by actor.Actor, key string, id, file uuid.UUID) (document.Info, []byte, error) {
	d, err := r.Definition(key)
	if err != nil {
		return document.Info{}, nil, err
	}
	for _, needed := range []actor.Permission{d.read(), d.mayReadFiles()} {
		if err := r.may(ctx, by, needed, "register.document_read", object(key, id.String())); err != nil {
			return document.Info{}, nil, err
		}
	}
	if r.Documents == nil {
		return document.Info{}, nil, errGone()
	}
	return r.Documents.Open(ctx, by, owner(d, id), file)
}

// forgetFiles erases the documents of an entry that is removed.
func (r *Registers) forgetFiles(ctx context.Context, tx pgx.Tx, by actor.Actor, d *Definition, id uuid.UUID) error {
	if r.Documents == nil {
		return nil
	}
	list, err := r.Documents.List(ctx, tx, owner(d, id))
	if err != nil {
		return err
	}
	for _, f := range list {
		if err := r.Documents.Forget(ctx, tx, by, owner(d, id), f.ID); err != nil {
			return err
		}
	}
	return nil
}

// changedSince reports whether a document has changed since it was last published: other fields
// than those that its readers do not see count.
func (r *Registers) changedSince(ctx context.Context, d *Definition, e Entry) (bool, error) {
	p, err := latestPublication(ctx, r.DB.Pool(pg.Staff), e.ID)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, pg.Wrap(err)
	}
	read := func(v Values) string {
		b, _ := json.Marshal([]string{v["title"], v["text"], v["link"]}) // of strings: cannot fail
		return string(b)
	}
	return read(p.Values) != read(open(d, e.Values)), nil
}

// invalidOf finds the faults in an error; nil: there are none.
func invalidOf(err error) *Invalid {
	var bad *Invalid
	if errors.As(err, &bad) {
		return bad
	}
	return nil
}
