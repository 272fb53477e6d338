package trees_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/audit/trees"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

// many is more than a tile of level 1 holds, so that there are three levels.
const many = 256*256 + 300

// memory is a tree of which every hash is kept.
type memory []tlog.Hash

func (m memory) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, n := range indexes {
		out[i] = m[n]
	}
	return out, nil
}

func synthetic(t testing.TB, l *logs, size int) memory {
	t.Helper()
	var m memory
	hashes := make([]tlog.Hash, size)
	rows := make([][]any, size)
	id := l.tree(trees.Company)
	for i := range size {
		hashes[i] = numbered(i)
		more, err := tlog.StoredHashesForRecordHash(int64(i), hashes[i], m)
		if err != nil {
			t.Fatal(err)
		}
		m = append(m, more...)
		rows[i] = []any{int64(i + 1), id, int64(i), int64(i + 1), hashes[i][:]}
	}
	if _, err := l.super.CopyFrom(context.Background(), pgx.Identifier{"audit", "leaf"}, []string{"seq", "tree", "index", "entry", "hash"}, pgx.CopyFromRows(rows)); err != nil {
		t.Fatal(err)
	}
	l.grow(trees.Company, hashes...)
	return m
}

func TestTreesAreThoseOfRFC6962(t *testing.T) {
	l := newLogs(t)
	m := synthetic(t, l, many)
	ctx := context.Background()
	whole := l.open(trees.Company)
	if whole.Size != many {
		t.Fatalf("%d leaves", whole.Size)
	}
	for _, size := range []int64{0, 1, 2, 255, 256, 257, 511, 512, 4096, 65535, 65536, 65537, many} {
		tree, err := whole.At(size)
		if err != nil {
			t.Fatal(err)
		}
		want, err := tlog.TreeHash(size, m)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := tree.Hash(ctx); err != nil || got != want {
			t.Errorf("the hash of %d leaves: %v", size, err)
		}
		for _, index := range []int64{0, 1, 254, 255, 256, 300, 65279, 65535, 65536, many - 1} {
			p, err := tree.ProveInclusion(ctx, index)
			if index >= size {
				if !errs.Is(err, errs.NotFound) {
					t.Errorf("leaf %d of %d: %v", index, size, err)
				}
				continue
			}
			if err != nil {
				t.Fatalf("leaf %d of %d: %v", index, size, err)
			}
			if err := tlog.CheckRecord(p, size, want, index, numbered(int(index))); err != nil {
				t.Errorf("leaf %d of %d: %v", index, size, err)
			}
		}
		for _, from := range []int64{0, 1, 255, 256, 1000, 65535, 65536} {
			if from > size {
				continue
			}
			p, err := tree.ProveConsistency(ctx, from)
			if err != nil {
				t.Fatalf("%d to %d: %v", from, size, err)
			}
			if from == 0 {
				continue
			}
			old, _ := tlog.TreeHash(from, m)
			if err := tlog.CheckTree(p, size, want, from, old); err != nil {
				t.Errorf("%d to %d: %v", from, size, err)
			}
		}
	}
	for _, c := range []struct {
		level int
		n     int64
		wide  int
	}{{0, 0, 1}, {0, 0, 255}, {0, 0, 256}, {0, 256, 256}, {0, 257, 1}, {0, 257, 44}, {1, 0, 256}, {1, 0, 17}, {1, 1, 1}, {2, 0, 1}} {
		got, err := whole.Tile(ctx, c.level, c.n, c.wide)
		if err != nil {
			t.Errorf("%+v: %v", c, err)
			continue
		}
		want, err := tlog.ReadTileData(tlog.Tile{H: 8, L: c.level, N: c.n, W: c.wide}, m)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%+v is another tile", c)
		}
	}
	for _, c := range []struct {
		level int
		n     int64
		wide  int
	}{{0, 0, 0}, {0, 0, 257}, {0, 257, 45}, {0, 258, 1}, {1, 1, 2}, {2, 0, 2}, {3, 0, 1}, {8, 0, 1}, {63, 0, 1}, {-1, 0, 1}, {0, -1, 1}, {0, 1 << 62, 1}} {
		if _, err := whole.Tile(ctx, c.level, c.n, c.wide); !errs.Is(err, errs.NotFound) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestOneQuestionAProof(t *testing.T) {
	l := newLogs(t)
	m := synthetic(t, l, many)
	ctx := context.Background()
	on := &counting{Querier: l.pool}
	tree, err := trees.Open(ctx, on, 0, trees.Company)
	if err != nil {
		t.Fatal(err)
	}
	for _, index := range []int64{0, 1000, many - 1} {
		on.n = 0
		if _, err := tree.ProveInclusion(ctx, index); err != nil || on.n != 1 {
			t.Errorf("%d questions for a proof: %v", on.n, err)
		}
		on.n = 0
		if _, err := tree.ProveConsistency(ctx, index+1); err != nil || on.n > 1 {
			t.Errorf("%d questions for a proof of consistency: %v", on.n, err)
		}
	}
	on.n = 0
	if got, err := tree.Hash(ctx); err != nil || on.n != 1 {
		t.Errorf("%d questions for a hash: %v", on.n, err)
	} else if want, _ := tlog.TreeHash(many, m); got != want {
		t.Error("another hash")
	}
}

func TestATreeIsFound(t *testing.T) {
	l := newLogs(t)
	ctx := context.Background()
	l.write(acme, 3)
	l.sequence()
	for _, name := range []string{"", "roo", "company", "tenant/" + other, "tenant/../root", "tenant/" + strings.ToUpper(acme)} {
		if _, err := trees.Open(ctx, l.pool, 0, name); !errs.Is(err, errs.NotFound) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := trees.Open(ctx, l.pool, 2, trees.Root); !errs.Is(err, errs.NotFound) {
		t.Errorf("a generation that is not: %v", err)
	}
	all, err := trees.Generations(ctx, l.db.Pool(pg.Public))
	if err != nil || len(all) != 1 || all[0].Origin != origin || all[0].Key != l.key {
		t.Errorf("%+v %v", all, err)
	}
	tree, err := trees.Open(ctx, l.pool, 0, trees.TenantTree(acme))
	if err != nil || tree.Size != 3 || tree.Origin() != origin+"/tenant/"+acme {
		t.Errorf("%+v %v", tree, err)
	}
	if _, err := tree.At(4); !errs.Is(err, errs.Invalid) {
		t.Errorf("larger than it ever was: %v", err)
	}
	if _, err := tree.Latest(ctx); err == nil {
		t.Error("a signed checkpoint of a tree that is not the root log")
	}
}

func TestSignedCheckpoints(t *testing.T) {
	l := newLogs(t)
	ctx := context.Background()
	if _, err := l.open(trees.Root).Latest(ctx); !errs.Is(err, errs.Unavailable) {
		t.Errorf("before the first: %v", err)
	}
	l.write(acme, 3)
	l.sequence()
	l.cosign()
	cosigned := l.heads[trees.Root].Clone()
	l.write(acme, 2)
	l.sequence()
	public, err := trees.Open(ctx, l.db.Pool(pg.Public), 1, trees.Root)
	if err != nil {
		t.Fatal(err)
	}
	latest, err := public.Latest(ctx)
	if err != nil || latest.Size != l.heads[trees.Root].Size || latest.Cosigned != 0 {
		t.Fatalf("%+v %v", latest, err)
	}
	older, err := public.LatestCosigned(ctx, 1)
	if err != nil || older.Size != cosigned.Size || older.Cosigned != 1 {
		t.Fatalf("%+v %v", older, err)
	}
	_, log, _ := signerOf(t, origin, 1)
	if _, by, err := merkle.OpenCosigned(older.Note, log, l.witness.Witness()); err != nil || len(by) != 1 {
		t.Errorf("%v %v", by, err)
	}
	l.exec("INSERT INTO audit.cosignature (tree, size, witness, line, at) VALUES ($1, $2, 'broken', 'no line', now())", l.ids[trees.Root], older.Size)
	if again, err := public.LatestCosigned(ctx, 1); err != nil || again.Note != older.Note || again.Cosigned != 1 {
		t.Errorf("a line that is none: %+v %v", again, err)
	}
	l.exec("DELETE FROM audit.cosignature WHERE witness = 'broken'")
	if _, err := public.LatestCosigned(ctx, 2); !errs.Is(err, errs.Unavailable) {
		t.Errorf("of two witnesses: %v", err)
	}

	tenant := l.open(trees.TenantTree(acme))
	root, err := l.open(trees.Root).At(older.Size)
	if err != nil {
		t.Fatal(err)
	}
	head, err := tenant.HeadIn(ctx, root)
	if err != nil || head.Size != 3 {
		t.Fatalf("the head under an older checkpoint: %+v %v", head, err)
	}
	then, _ := tenant.At(3)
	if h, err := then.Hash(ctx); err != nil || h != head.Root {
		t.Errorf("the root log holds another head: %v", err)
	}
	p, err := root.ProveInclusion(ctx, head.Index)
	if err != nil || tlog.CheckRecord(p, root.Size, older.Root, head.Index, tlog.RecordHash([]byte(head.Line))) != nil {
		t.Errorf("its line is not in the root log: %v", err)
	}

	signer, verifier, _ := signerOf(t, tenant.Origin(), 4)
	signed, err := tenant.SignedBy(ctx, signer)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := merkle.Open(signed, verifier); err != nil || c.Size != 5 || c.Root != l.heads[trees.TenantTree(acme)].Root() {
		t.Errorf("%+v %v", c, err)
	}
	if _, err := tenant.SignedBy(ctx, l.signer); err == nil {
		t.Error("signed with the key of another tree")
	}

	l.exec("UPDATE audit.checkpoint SET root = sha256('x') WHERE size = $1", latest.Size)
	if _, err := public.Latest(ctx); !errs.Is(err, errs.Internal) {
		t.Errorf("a row that is not what was signed: %v", err)
	}
}

func TestAnAlteredEntryIsNotGivenOut(t *testing.T) {
	l := newLogs(t)
	ctx := context.Background()
	l.write(acme, 20)
	l.write("", 5)
	l.sequence()
	tree := l.open(trees.TenantTree(acme))
	leaves, err := tree.Leaves(ctx, 0, tree.Size)
	if err != nil || len(leaves) != 20 {
		t.Fatalf("%d leaves: %v", len(leaves), err)
	}
	id := leaves[4].Entry
	for _, change := range []string{
		"object_id = '2'", "at = at + interval '1 microsecond'", "detail = '{\"number\": 4}'", "reason = NULL", "mac = sha256('x')", "n = n + 1", "tenant = NULL", "outcome = 'refused'",
	} {
		tx, err := l.super.Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(ctx, "UPDATE audit.entry SET "+change+" WHERE id = $1", id); err != nil {
			t.Fatal(err)
		}
		altered, err := trees.Open(ctx, tx, 1, trees.TenantTree(acme))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := altered.Leaves(ctx, 0, 20); !errs.Is(err, errs.Internal) || !strings.Contains(err.Error(), "changed in the database") {
			t.Errorf("%s: %v", change, err)
		}
		if _, err := altered.EntryBundle(ctx, 0, 20); !errs.Is(err, errs.Internal) {
			t.Errorf("%s: %v", change, err)
		}
		if err := tx.Rollback(ctx); err != nil {
			t.Fatal(err)
		}
	}
	l.exec("DELETE FROM audit.entry WHERE id = $1", id)
	if _, err := tree.Leaves(ctx, 0, 20); !errs.Is(err, errs.Internal) || !strings.Contains(err.Error(), "deleted") {
		t.Errorf("one that was deleted: %v", err)
	}
	if _, err := tree.Leaves(ctx, 5, 20); err != nil {
		t.Errorf("the others: %v", err)
	}
	l.drops(5, true)
	if leaves, err = tree.Leaves(ctx, 0, 20); err != nil || !leaves[4].Dropped || leaves[4].Bytes != nil || leaves[3].Dropped {
		t.Errorf("one that was dropped: %v", err)
	}
	if _, err := tree.EntryBundle(ctx, 0, 20); !errs.Is(err, errs.NotFound) || !strings.Contains(err.Error(), "dropped") {
		t.Errorf("a bundle with it: %v", err)
	}
	if p, err := tree.ProveInclusion(ctx, 4); err != nil || tlog.CheckRecord(p, 20, l.heads[tree.Name].Root(), 4, leaves[4].Hash) != nil {
		t.Errorf("it cannot be proven any more: %v", err)
	}
	if at, err := tree.LeavesAt(ctx, []int64{1, 3, 19}); err != nil || len(at) != 3 || at[2].Index != 19 {
		t.Errorf("%v", err)
	}
	for _, bad := range [][]int64{{3, 1}, {1, 1}, {20}, {-1}} {
		if _, err := tree.LeavesAt(ctx, bad); !errs.Is(err, errs.NotFound) {
			t.Errorf("%v: %v", bad, err)
		}
	}
}
