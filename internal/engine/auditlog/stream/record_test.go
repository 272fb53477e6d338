package stream

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/mod/sumdb/note"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/audit/sequence"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
)

// TestRecord: what is written in transactions, late ones among them, is sequenced and arrives at a receiver with its place and the
// checkpoint over it; an entry that was erased or dropped shows as such, and one that somebody took away or changed does too.
func TestRecord(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	provider, err := crypt.OpenKeyfile(ctx, w.db.Pool(pg.Staff), filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	box, err := crypt.NewBox(ctx, w.db.Pool(pg.Staff), provider)
	if err != nil {
		t.Fatal(err)
	}
	pen, err := audit.NewPen(box, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	pen.Use(w.db)
	sequencer := &sequence.Sequencer{DB: w.db, Box: box, Origin: "trust.example.com/log", Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	drain := func() {
		eventually(t, "entries are put in order", func() bool {
			err := sequencer.Drain(ctx)
			if !errs.Is(err, errs.Conflict) { // the session before has not ended yet
				w.must(err)
			}
			return err == nil
		})
	}
	w.streams.Source = Record{w.db, box}
	w.change("siem", func(d *estate.Stream) { d.Values = true })
	by := actor.Actor{Kind: actor.Person, ID: "p-1", Origin: "192.0.2.1"}
	value := "a@b.example"
	event := func(id string) audit.Event {
		return audit.Event{By: by, Tenant: "0197f3a0-0000-7000-8000-00000000000a", Subject: "pupil/" + id, Action: "pupil.updated", On: audit.Object{Kind: "row", ID: id}, Reason: "asked", Changes: []audit.Change{{Field: "email", After: &value}}}
	}
	late, err := w.db.Pool(pg.Staff).Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer late.Rollback(ctx) //nolint:errcheck // committed below
	if err := audit.Write(ctx, late, event("late")); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		if err := pg.InTx(ctx, w.db.Pool(pg.Staff), func(tx pgx.Tx) error {
			return audit.Write(ctx, tx, event(fmt.Sprint(i)), audit.Event{By: by, Action: "estate.applied", On: audit.Object{Kind: "estate", ID: fmt.Sprint(i)}})
		}); err != nil {
			t.Fatal(err)
		}
		if i%5 == 0 {
			drain()
			w.must(w.drive("siem"))
		}
	}
	w.must(late.Commit(ctx))
	drain()
	super := pgtest.Superuser(t, w.db.Pool(pg.Worker).Config().ConnConfig.Database)
	// One is erased; one is dropped at the end of its time; one is deleted, one with its leaf, and one changed.
	leafOf := func(estate string) (seq, id int64) {
		w.must(super.QueryRow(ctx, `SELECT l.seq, e.id FROM audit.leaf AS l JOIN audit.entry AS e ON e.id = l.entry WHERE e.object_kind = 'estate' AND e.object_id = $1`, estate).Scan(&seq, &id))
		return seq, id
	}
	end, _ := leafOf("16")
	_, leafless := leafOf("17")
	w.must(pg.InTx(ctx, w.db.Pool(pg.Worker), func(tx pgx.Tx) error {
		return audit.Record(ctx, tx, actor.NewSystem("retention"), sequence.DroppedAction, audit.Object{Kind: "record", ID: "2020-01"}, map[string]any{"entries": 1, "checkpoint": 1, "leaf": end})
	}))
	pgtest.Exec(t, super, fmt.Sprintf(`DELETE FROM crypt.key WHERE subject = 'pupil/19'; DELETE FROM audit.entry WHERE object_kind = 'estate' AND object_id IN ('16', '17', '19');
INSERT INTO audit.dropped (part, before, seq, entries, tree, size) VALUES ('2020-01', '2020-01-01', %d, 1, 1, 1), ('2020-02', '2020-02-01', 10000, 1, 1, 1);
DELETE FROM audit.leaf WHERE entry = %d; UPDATE audit.entry SET reason = 'not what was written' WHERE object_kind = 'estate' AND object_id = '18'`, end, leafless))
	w.must(w.drive("siem"))

	verifier := ""
	w.must(super.QueryRow(ctx, `SELECT key FROM audit.generation`).Scan(&verifier))
	known, err := note.NewVerifier(verifier)
	w.must(err)
	seen, instead, erased, values := map[string]bool{}, map[string]int{}, 0, 0
	for i, body := range w.webhook.bodies {
		lines := strings.Split(strings.TrimSuffix(string(body), "\n"), "\n")
		for j, text := range lines {
			var l struct {
				UID, Action, Tree, Leaf, Checkpoint, Log string
				Index                                    int64
				Erased                                   bool
				Object                                   struct{ Kind, ID string }
				Changes                                  []struct{ Field, After string }
			}
			w.must(json.Unmarshal([]byte(text), &l))
			instead[l.Action]++
			if strings.Contains(text, "not what was written") {
				t.Errorf("sent: %s", text)
			}
			if l.Action == Missing && l.Tree == "" {
				seen[l.Object.Kind+"/"+l.Object.ID] = true
				continue
			}
			var hash string
			w.must(super.QueryRow(ctx, `SELECT encode(l.hash, 'base64') FROM audit.leaf AS l JOIN audit.tree AS t ON t.tree = l.tree WHERE t.name = $1 AND l.index = $2`, l.Tree, l.Index).Scan(&hash))
			if hash != l.Leaf || l.Log != "trust.example.com/log" || l.Tree != "company" && !strings.HasPrefix(l.Tree, "tenant/") {
				t.Errorf("place of %s", text)
			}
			if leaf, err := base64.StdEncoding.DecodeString(l.Leaf); err != nil || len(leaf) != 32 {
				t.Errorf("leaf %q", l.Leaf)
			}
			if (l.Checkpoint != "") != (j == len(lines)-1) {
				t.Errorf("batch %d, line %d: checkpoint %q", i, j, l.Checkpoint)
			}
			if l.Checkpoint != "" {
				if c, err := merkle.Open(l.Checkpoint, known); err != nil || c.Size == 0 {
					t.Errorf("checkpoint: %v", err)
				}
			}
			switch {
			case l.Erased:
				erased++
			case len(l.Changes) == 1 && l.Changes[0].After == value:
				values++
			}
			seen[l.Object.Kind+"/"+l.Object.ID] = true
		}
	}
	if len(seen) != 41 || !seen["row/late"] || erased != 1 || instead[Dropped] != 1 || instead[Missing] != 2 || instead[Altered] != 1 || values != 20 {
		t.Errorf("%d entries, late %v, %d erased, %d with values, %v", len(seen), seen["row/late"], erased, values, instead)
	}
	if len(w.webhook.wrong) != 0 {
		t.Error(w.webhook.wrong)
	}
	if f := w.streams.look(ctx, measure.In{Estate: &estate.Estate{Streams: w.estate.Streams[:1]}, Now: time.Now()}); f.Outcome != measure.Pass {
		t.Errorf("%+v", f.Failed)
	}
}
