package trees_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/audit/merkle/independent"
	"github.com/garant-project/garant/internal/audit/trees"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

func (l *logs) bundle(o trees.BundleOrder) (trees.BundleMade, []byte, error) {
	l.t.Helper()
	o.Now, o.Box, o.Keys = time.Now, l.box, l.box
	var out bytes.Buffer
	made, err := trees.Bundle(context.Background(), l.pool, o, &out)
	return made, out.Bytes(), err
}

// holds makes a bundle and has both verifiers read it.
func (l *logs) holds(o trees.BundleOrder, pins merkle.Pins) (trees.BundleMade, merkle.Report, []byte) {
	l.t.Helper()
	made, file, err := l.bundle(o)
	if err != nil {
		l.t.Fatal(err)
	}
	pins.Logs, pins.Tree = []string{l.key}, o.Tree
	r, err := merkle.VerifyBundle(bytes.NewReader(file), pins)
	if err != nil || !r.Verified() {
		l.t.Fatalf("%v\n%.3000s", err, file)
	}
	there := independent.Pins{Log: l.key, Tree: o.Tree}
	if len(pins.Witnesses) > 0 {
		there.Witness = pins.Witnesses[0]
	}
	if pins.KeptLog != nil {
		there.KeptLogSize, there.KeptLogRoot = pins.KeptLog.Size, pins.KeptLog.Root[:]
	}
	if pins.KeptTree != nil {
		there.KeptTreeSize, there.KeptTreeRoot = pins.KeptTree.Size, pins.KeptTree.Root[:]
	}
	if n, err := independent.Verify(file, there); err != nil || int64(n) != r.Entries {
		l.t.Fatalf("the other verifier: %d of %d, %v", n, r.Entries, err)
	}
	if r.Entries+r.Dropped != made.Leaves || r.Opened != made.Opened || r.Erased != made.Erased || r.Dropped != made.Dropped || r.Head != made.TreeThen || r.Log != made.Log {
		l.t.Errorf("made %+v, found %+v", made, r)
	}
	return made, r, file
}

func TestBundlesOfTheDatabaseHold(t *testing.T) {
	l := newLogs(t)
	ctx := context.Background()
	name := trees.TenantTree(acme)
	l.write(acme, 40)
	l.write(other, 5)
	l.write("", 7)
	l.sequence()
	l.cosign()
	first, r, _ := l.holds(trees.BundleOrder{Tree: name}, merkle.Pins{Witnesses: []string{l.wkey}})
	if r.Entries != 40 || r.Opened != 4 || !r.Whole || r.Trust != merkle.Witnessed {
		t.Errorf("%+v", r)
	}
	if _, r, _ = l.holds(trees.BundleOrder{Tree: trees.Company}, merkle.Pins{}); r.Entries != 7 {
		t.Errorf("%+v", r)
	}

	// The person is erased: the bundle says so, and everything is proven as before.
	if err := pg.InTx(ctx, l.super, func(tx pgx.Tx) error { _, err := l.box.Forget(ctx, tx, "person:ann"); return err }); err != nil {
		t.Fatal(err)
	}
	if _, r, _ = l.holds(trees.BundleOrder{Tree: name}, merkle.Pins{Witnesses: []string{l.wkey}}); r.Opened != 0 || r.Erased != 4 || r.Entries != 40 {
		t.Errorf("%+v", r)
	}

	for range 3 {
		l.write(acme, 200)
		l.write(other, 3)
		l.sequence()
	}
	_, r, _ = l.holds(trees.BundleOrder{Tree: name, SinceLog: first.Log.Size, SinceTree: first.TreeThen.Size}, merkle.Pins{KeptLog: &first.Log, KeptTree: &first.TreeThen})
	if r.Entries != 40 || r.Head != first.TreeThen {
		t.Errorf("the cosigned checkpoint is preferred: %+v", r)
	}
	l.exec("UPDATE audit.checkpoint SET at = at - interval '2 hours' WHERE size = $1", first.Log.Size)
	second, r, _ := l.holds(trees.BundleOrder{Tree: name, SinceLog: first.Log.Size, SinceTree: first.TreeThen.Size}, merkle.Pins{KeptLog: &first.Log, KeptTree: &first.TreeThen})
	if r.Entries != 640 || second.Opened != 60 || second.Unreadable != 4 || r.Sealed != 4 { // the person has a new key: what the old one sealed nobody opens
		t.Errorf("%+v", second)
	}

	// Some, by number and by time.
	leaves, err := l.open(name).Leaves(ctx, 0, 640)
	if err != nil {
		t.Fatal(err)
	}
	_, r, _ = l.holds(trees.BundleOrder{Tree: name, Entries: []int64{leaves[300].Entry, leaves[3].Entry, leaves[639].Entry, leaves[3].Entry}}, merkle.Pins{})
	if r.Entries != 3 || r.Whole || r.Ranges[0] != [2]int64{3, 4} {
		t.Errorf("%+v", r)
	}
	var from, until time.Time
	if err := l.super.QueryRow(ctx, "SELECT (SELECT at FROM audit.entry WHERE id = $1), (SELECT at FROM audit.entry WHERE id = $2)", leaves[100].Entry, leaves[500].Entry).Scan(&from, &until); err != nil {
		t.Fatal(err)
	}
	if _, r, _ = l.holds(trees.BundleOrder{Tree: name, From: from, Until: until}, merkle.Pins{}); r.Entries < 200 || r.From.Before(from) || !r.Until.Before(until) {
		t.Errorf("%+v", r)
	}
	if _, r, _ = l.holds(trees.BundleOrder{Tree: name, From: from}, merkle.Pins{}); r.Ranges[len(r.Ranges)-1][1] != 640 {
		t.Errorf("%+v", r)
	}

	for what, o := range map[string]trees.BundleOrder{
		"of the root log":   {Tree: trees.Root},
		"of no tree":        {Tree: "tenant/none"},
		"of another's":      {Tree: trees.TenantTree(other), Entries: []int64{leaves[0].Entry}},
		"of no entry":       {Tree: name, Entries: []int64{1 << 40}},
		"of no time":        {Tree: name, From: time.Now().Add(time.Hour)},
		"since the future":  {Tree: name, SinceTree: 641},
		"since before":      {Tree: name, SinceLog: -1},
		"of no generation":  {Tree: name, Generation: 7},
		"since a later log": {Tree: name, SinceLog: second.Log.Size + 1},
	} {
		if _, _, err := l.bundle(o); !errs.Is(err, errs.NotFound) && !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestBundlesAfterEntriesWereDropped(t *testing.T) {
	l := newLogs(t)
	name := trees.TenantTree(acme)
	l.write(acme, 600)
	l.sequence()
	_, before, _ := l.holds(trees.BundleOrder{Tree: name}, merkle.Pins{})
	l.exec("DELETE FROM audit.entry WHERE id IN (SELECT entry FROM audit.leaf WHERE tree = $1 AND index < 300)", l.ids[name])
	if _, _, err := l.bundle(trees.BundleOrder{Tree: name}); !errs.Is(err, errs.Internal) {
		t.Errorf("deleted entries: %v", err)
	}
	l.drops(300, false)
	if _, _, err := l.bundle(trees.BundleOrder{Tree: name}); !errs.Is(err, errs.Internal) {
		t.Errorf("deleted entries that are said to have been dropped, by nobody: %v", err)
	}
	l.exec("DELETE FROM audit.dropped")
	l.drops(300, true)
	made, r, _ := l.holds(trees.BundleOrder{Tree: name}, merkle.Pins{KeptTree: &before.Head, KeptLog: &before.Log})
	if made.Dropped != 300 || r.Entries != 300 || r.Ranges[0] != [2]int64{0, 600} {
		t.Errorf("%+v", r)
	}
}

// Nothing of a database that somebody changed gets into a bundle unnoticed: either making it fails, or the bundle does not hold.
func TestABundleOfAnAlteredDatabase(t *testing.T) {
	l := newLogs(t)
	ctx := context.Background()
	name := trees.TenantTree(acme)
	l.write(acme, 300)
	l.sequence()
	_, r, _ := l.holds(trees.BundleOrder{Tree: name}, merkle.Pins{})
	id := l.ids[name]
	for what, sql := range map[string]string{
		"an entry":              "UPDATE audit.entry SET reason = 'another' WHERE id = (SELECT entry FROM audit.leaf WHERE tree = $1 AND index = 7)",
		"sealed changes":        "UPDATE audit.entry SET changes = (SELECT changes FROM audit.entry e JOIN audit.leaf l ON l.entry = e.id WHERE l.tree = $1 AND index = 13) WHERE id = (SELECT entry FROM audit.leaf WHERE tree = $1 AND index = 3)",
		"two leaves":            "UPDATE audit.leaf SET index = 1007 WHERE tree = $1 AND index = 7",
		"a hash":                "UPDATE audit.leaf SET hash = sha256('x') WHERE tree = $1 AND index = 280",
		"a hash in a full tile": "UPDATE audit.leaf SET hash = sha256('x') WHERE tree = $1 AND index = 8",
		"a tile":                "UPDATE audit.tile SET hashes = substr(hashes, 33) || sha256('x') WHERE tree = $1",
		"the root of a tile":    "UPDATE audit.tile SET root = sha256('x') WHERE tree = $1",
		"a line of the log":     "UPDATE audit.root_leaf SET text = replace(text, '300', '299') WHERE of = $1",
		"the size":              "UPDATE audit.tree SET size = 299 WHERE tree = $1",
		"the checkpoint":        "UPDATE audit.checkpoint SET note = replace(note, E'\\n1\\n', E'\\n2\\n') WHERE $1 > 0",
		"an entry taken away":   "DELETE FROM audit.entry WHERE id = (SELECT entry FROM audit.leaf WHERE tree = $1 AND index = 7)",
		"a leaf taken away":     "DELETE FROM audit.leaf WHERE tree = $1 AND index = 7",
	} {
		tx, err := l.super.Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		tag, err := tx.Exec(ctx, sql, id)
		if what == "two leaves" { // a place is one leaf's: the swap takes three steps
			if _, err = tx.Exec(ctx, "UPDATE audit.leaf SET index = 7 WHERE tree = $1 AND index = 8", id); err == nil {
				_, err = tx.Exec(ctx, "UPDATE audit.leaf SET index = 8 WHERE tree = $1 AND index = 1007", id)
			}
		}
		if err != nil || tag.RowsAffected() == 0 {
			t.Fatalf("%s: %v", what, err)
		}
		var out bytes.Buffer
		order := trees.BundleOrder{Tree: name, Box: l.box, Now: time.Now}
		if what == "a tile" { // proofs are made of it
			order.From = time.Unix(0, 0)
		}
		_, err = trees.Bundle(ctx, tx, order, &out)
		if err == nil {
			var p *merkle.Problem
			_, err = merkle.VerifyBundle(bytes.NewReader(out.Bytes()), merkle.Pins{Logs: []string{l.key}, Tree: name, KeptTree: &r.Head})
			if !errors.As(err, &p) {
				t.Errorf("%s was changed, and the bundle holds: %v", what, err)
			}
		} else if text, _ := errs.Sentence(err); text == "" || errs.Is(err, errs.Invalid) {
			t.Errorf("%s: %v", what, err)
		}
		if err := tx.Rollback(ctx); err != nil {
			t.Fatal(err)
		}
	}
	l.holds(trees.BundleOrder{Tree: name}, merkle.Pins{})
}
