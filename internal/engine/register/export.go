package register

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/pg"
)

// Export gives the entries of a query as a table for CSV, a batch at a time until next returns
// none: what Import reads back. References are written by the unique value of what they name.
// That it was done is in the record. Needs the permission to read the register; personal fields
// are left out for who may not see them.
func (r *Registers) Export(ctx context.Context, by actor.Actor, key string, q Query, now time.Time) (header []string, next func() ([][]string, error), err error) {
	d, err := r.Definition(key)
	if err != nil {
		return nil, nil, err
	}
	if err := r.may(ctx, by, d.read(), "register.exported", object(key, "*")); err != nil {
		return nil, nil, err
	}
	if _, err := r.condition(d, q, r.today(ctx, now)); err != nil {
		return nil, nil, err
	}
	err = pg.InTx(ctx, r.DB.Pool(pg.Staff), func(tx pgx.Tx) error {
		return audit.Record(ctx, tx, by, "register.exported", object(key, "*"), nil)
	})
	if err != nil {
		return nil, nil, err
	}
	fields := d.visible(by)
	header = []string{"id", "state"}
	for _, f := range fields {
		header = append(header, f.Key)
	}
	q.Limit = 500
	over, known := false, map[uuid.UUID]string{}
	return header, func() ([][]string, error) {
		if over {
			return nil, nil
		}
		page, err := r.List(ctx, by, key, q, now)
		if err != nil {
			return nil, err
		}
		q.After, over = page.Next, page.Next == ""
		if err := r.writtenNames(ctx, by, fields, page.Entries, known); err != nil {
			return nil, err
		}
		rows := make([][]string, 0, len(page.Entries))
		for _, e := range page.Entries {
			row := []string{e.ID.String(), e.State}
			for _, f := range fields {
				value := e.Values[f.Key]
				if f.Type == Reference && value != "" {
					if id, err := uuid.Parse(value); err == nil && known[id] != "" {
						value = known[id]
					}
				}
				row = append(row, value)
			}
			rows = append(rows, row)
		}
		return rows, nil
	}, nil
}

// writtenNames adds to known by what the entries that references name are written: the first
// unique value that the reader may see, else nothing.
func (r *Registers) writtenNames(ctx context.Context, by actor.Actor, fields []Field, entries []Entry, known map[uuid.UUID]string) error {
	var ids []uuid.UUID
	for _, e := range entries {
		for _, f := range fields {
			if f.Type != Reference {
				continue
			}
			id, err := uuid.Parse(e.Values[f.Key])
			if err != nil {
				continue
			}
			if _, seen := known[id]; !seen {
				known[id] = ""
				ids = append(ids, id)
			}
		}
	}
	if len(ids) == 0 {
		return nil
	}
	staff := r.DB.Pool(pg.Staff)
	rows, err := rowsByID(ctx, staff, ids)
	if err != nil {
		return err
	}
	for _, d := range r.Definitions() {
		var of []storedRow
		for _, row := range rows {
			if row.Register == d.Key {
				of = append(of, row)
			}
		}
		if len(of) == 0 || !by.May(d.read()) {
			continue
		}
		shown, err := r.shown(ctx, staff, d, of, by)
		if err != nil {
			return err
		}
		for _, e := range shown {
			known[e.ID] = d.writtenName(e.Values)
		}
	}
	return nil
}

// writtenName is the first unique value of an entry, by which files name it.
func (d *Definition) writtenName(v Values) string {
	for _, f := range d.Fields {
		if f.Unique && f.Type != Account && v[f.Key] != "" {
			return v[f.Key]
		}
	}
	return ""
}
