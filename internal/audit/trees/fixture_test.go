package trees_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/audit/leaf"
	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/audit/sequence"
	"github.com/garant-project/garant/internal/audit/trees"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const origin = "log.example/garant"

var (
	acme  = uuid.MustParse("01998e3c-0000-7000-8000-000000000001").String()
	other = uuid.MustParse("01998e3c-0000-7000-8000-000000000002").String()
)

func seed(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }

func signerOf(t testing.TB, name string, b byte) (note.Signer, note.Verifier, string) {
	t.Helper()
	private, public, err := merkle.NewKey(name, seed(b))
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	return s, v, public
}

// logs is a log whose trees the test makes: a sequencer without its conditions.
type logs struct {
	t     testing.TB
	db    *pg.DB
	super *pgx.Conn
	box   *crypt.Box
	pool  *pgxpool.Pool // of staff, where entries are signed

	signer  note.Signer
	key     string
	witness *merkle.Cosigner
	wkey    string
	heads   map[string]*merkle.Head
	ids     map[string]int
	pending map[string][]byte // hashes of the tile that is not full yet, by tree and level
	seq     int64
	last    int64
}

func newLogs(t testing.TB) *logs {
	t.Helper()
	ctx := context.Background()
	db := pgtest.New(t)
	l := &logs{t: t, db: db, pool: db.Pool(pg.Staff), heads: map[string]*merkle.Head{}, ids: map[string]int{}, pending: map[string][]byte{}}
	if err := l.pool.QueryRow(ctx, "SELECT current_database()").Scan(new(string)); err != nil {
		t.Fatal(err)
	}
	var name string
	if err := l.pool.QueryRow(ctx, "SELECT current_database()").Scan(&name); err != nil {
		t.Fatal(err)
	}
	l.super = pgtest.Superuser(t, name)
	pgtest.Exec(t, l.super, "GRANT USAGE ON SCHEMA audit TO garant_public, garant_portal")
	provider, err := crypt.KeyfileProvider(filepath.Join(t.TempDir(), "key"), true)
	if err != nil {
		t.Fatal(err)
	}
	if l.box, err = crypt.NewBox(ctx, l.pool, provider); err != nil {
		t.Fatal(err)
	}
	pen, err := audit.NewPen(l.box, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	pen.Use(db)
	l.signer, _, l.key = signerOf(t, origin, 1)
	wprivate, wpublic, err := merkle.NewWitnessKey("witness.example/w", seed(9))
	if err != nil {
		t.Fatal(err)
	}
	l.wkey = wpublic
	if l.witness, err = merkle.NewCosigner(wprivate, time.Now); err != nil {
		t.Fatal(err)
	}
	l.exec("INSERT INTO audit.generation (generation, origin, key, sealed, began_by, reason) VALUES (1, $1, $2, '', 'test', '')", origin, l.key)
	l.tree(trees.Root)
	return l
}

func (l *logs) exec(sql string, args ...any) {
	l.t.Helper()
	if _, err := l.super.Exec(context.Background(), sql, args...); err != nil {
		l.t.Fatal(err)
	}
}

func (l *logs) tree(name string) int {
	l.t.Helper()
	if id, ok := l.ids[name]; ok {
		return id
	}
	var id int
	if err := l.super.QueryRow(context.Background(), "INSERT INTO audit.tree (generation, name) VALUES (1, $1) RETURNING tree", name).Scan(&id); err != nil {
		l.t.Fatal(err)
	}
	l.ids[name], l.heads[name] = id, &merkle.Head{}
	return id
}

// grow appends hashes to a tree: tiles and head, not the leaves.
func (l *logs) grow(name string, hashes ...tlog.Hash) {
	l.t.Helper()
	id := l.tree(name)
	batch := &pgx.Batch{}
	for _, h := range hashes {
		n := l.heads[name].Size
		l.heads[name].Append(h)
		for level := 0; ; level++ {
			key := name + "/" + string(rune('0'+level))
			l.pending[key] = append(l.pending[key], h[:]...)
			if len(l.pending[key]) < merkle.TileWidth*tlog.HashSize {
				break
			}
			tile := l.pending[key]
			l.pending[key] = nil
			h = merkle.TileRoot(tile)
			n >>= 8
			batch.Queue("INSERT INTO audit.tile (tree, level, n, hashes, root) VALUES ($1, $2, $3, $4, $5)", id, level, n, tile, h[:])
		}
	}
	batch.Queue("UPDATE audit.tree SET size = $2, edge = $3 WHERE tree = $1", id, l.heads[name].Size, l.heads[name].Edge())
	if err := l.super.SendBatch(context.Background(), batch).Close(); err != nil {
		l.t.Fatal(err)
	}
}

func (l *logs) rootLine(line string, of *int) {
	l.t.Helper()
	h := tlog.RecordHash([]byte(line))
	l.exec("INSERT INTO audit.root_leaf (tree, index, text, hash, of) VALUES ($1, $2, $3, $4, $5)", l.ids[trees.Root], l.heads[trees.Root].Size, line, h[:], of)
	l.grow(trees.Root, h)
}

// sequence puts new entries into trees, and signs.
func (l *logs) sequence() {
	l.t.Helper()
	ctx := context.Background()
	rows, err := l.super.Query(ctx, `SELECT id, at, actor_kind, actor_id, coalesce(session, ''), coalesce(origin, ''), action, outcome, object_kind, object_id, detail::text, coalesce(tenant::text, ''),
	coalesce(reason, ''), coalesce(request, ''), coalesce(subject, ''), promise, coalesce(occurred, '0001-01-01Z'), coalesce(writer::text, ''), coalesce(n, 0), coalesce(written, '0001-01-01Z'), mac
FROM audit.entry WHERE id > $1 ORDER BY id`, l.last)
	if err != nil {
		l.t.Fatal(err)
	}
	entries, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (e leaf.Entry, err error) {
		s := &e.Said
		var detail string
		err = row.Scan(&e.ID, &e.At, &s.ActorKind, &s.ActorID, &s.Session, &s.Origin, &s.Action, &s.Outcome, &s.ObjectKind, &s.ObjectID, &detail, &s.Tenant, &s.Reason, &s.Request, &s.Subject,
			&s.Promise, &s.Occurred, &s.Writer, &s.N, &s.Written, &e.MAC)
		s.Detail = []byte(detail)
		return e, err
	})
	if err != nil {
		l.t.Fatal(err)
	}
	changed := []string{}
	grown := map[string][]tlog.Hash{}
	batch := &pgx.Batch{}
	for _, e := range entries {
		name := trees.Company
		if e.Said.Tenant != "" {
			name = trees.TenantTree(e.Said.Tenant)
		}
		l.tree(name)
		h := tlog.RecordHash(e.Append(nil))
		l.seq++
		batch.Queue("INSERT INTO audit.leaf (seq, tree, index, entry, hash) VALUES ($1, $2, $3, $4, $5)", l.seq, l.ids[name], l.heads[name].Size+int64(len(grown[name])), e.ID, h[:])
		if grown[name] == nil {
			changed = append(changed, name)
		}
		grown[name] = append(grown[name], h)
		l.last = e.ID
	}
	if err := l.super.SendBatch(ctx, batch).Close(); err != nil {
		l.t.Fatal(err)
	}
	for _, name := range changed {
		l.grow(name, grown[name]...)
		id := l.ids[name]
		l.rootLine(merkle.TreeLine(name, l.heads[name].Size, l.heads[name].Root()), &id)
	}
	l.sign()
}

// sign signs the root log as it is.
func (l *logs) sign() string {
	l.t.Helper()
	head := l.heads[trees.Root]
	root := head.Root()
	signed, err := merkle.Sign(merkle.Checkpoint{Origin: origin, Size: head.Size, Root: root}, l.signer)
	if err != nil {
		l.t.Fatal(err)
	}
	l.exec("INSERT INTO audit.checkpoint (tree, size, root, note, seq) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING", l.ids[trees.Root], head.Size, root[:], signed, l.seq)
	return signed
}

// cosign has the witness sign the newest checkpoint.
func (l *logs) cosign() {
	l.t.Helper()
	head := l.heads[trees.Root]
	line, err := l.witness.Line(merkle.Checkpoint{Origin: origin, Size: head.Size, Root: head.Root()}.Text())
	if err != nil {
		l.t.Fatal(err)
	}
	l.exec("INSERT INTO audit.cosignature (tree, size, witness, line, at) VALUES ($1, $2, 'w', $3, now())", l.ids[trees.Root], head.Size, line)
}

var who = actor.Actor{Kind: actor.Person, ID: "p1", Session: "s1", Origin: "127.0.0.1"}

// write records entries of a tenant ("": the company's), some with personal data, one with much detail.
func (l *logs) write(tenant string, many int) {
	l.t.Helper()
	events := make([]audit.Event, many)
	for i := range events {
		events[i] = audit.Event{By: who, Tenant: tenant, Action: "thing.changed", On: audit.Object{Kind: "thing", ID: "1"}, Detail: map[string]any{"number": i}, Reason: "café \"<b>\"\n"}
		switch i % 10 {
		case 3:
			before, after := "Ann", "Zoë"
			events[i].Subject = "person:ann"
			events[i].Changes = []audit.Change{{Field: "name", Before: &before, After: &after}, {Field: "mail", After: &after}}
		case 7:
			events[i].Occurred = time.Now().Add(-time.Hour)
			events[i].Refused = true
		case 9:
			events[i].Detail = map[string]any{"long": strings.Repeat("x", leaf.MaxDetail)}
		}
	}
	if err := pg.InTx(context.Background(), l.pool, func(tx pgx.Tx) error { return audit.Write(context.Background(), tx, events...) }); err != nil {
		l.t.Fatal(err)
	}
}

func (l *logs) open(name string) *trees.Tree {
	l.t.Helper()
	t, err := trees.Open(context.Background(), l.pool, 1, name)
	if err != nil {
		l.t.Fatal(err)
	}
	t.Keys = l.box
	return t
}

// drops says that entries were dropped at the end of their time up to a leaf (seq), as whoever drops them says it: by a row and a signed entry.
func (l *logs) drops(seq int64, signed bool) {
	l.t.Helper()
	l.exec("INSERT INTO audit.dropped (part, before, seq, entries, tree, size) VALUES ('2020-01', '2020-01-01', $1, 1, 1, 1)", seq)
	if !signed {
		return
	}
	err := pg.InTx(context.Background(), l.pool, func(tx pgx.Tx) error {
		return audit.Record(context.Background(), tx, actor.NewSystem("retention"), sequence.DroppedAction, audit.Object{Kind: "record", ID: "2020-01"}, map[string]any{"entries": 1, "checkpoint": 1, "leaf": seq})
	})
	if err != nil {
		l.t.Fatal(err)
	}
}

// counting counts the questions that go to the database.
type counting struct {
	pg.Querier
	n int
}

func (c *counting) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	c.n++
	return c.Querier.Query(ctx, sql, args...)
}

func (c *counting) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	c.n++
	return c.Querier.QueryRow(ctx, sql, args...)
}

func numbered(i int) tlog.Hash {
	return tlog.RecordHash(binary.BigEndian.AppendUint64(nil, uint64(i))) //nolint:gosec // a number of a test
}
