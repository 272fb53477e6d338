package verify_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/audit/leaf"
	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/engine/auditlog/entries"
)

// forge rewrites everything to fit the entries as they are now, as somebody does who holds the database, the keys of writers and the log's key:
// signatures of entries, leaves, trees, tiles, the root log, signed heads.
func (w *world) forge() {
	w.t.Helper()
	ctx := context.Background()
	sealed := []byte(nil)
	w.must(w.super.QueryRow(ctx, "SELECT sealed FROM audit.generation").Scan(&sealed))
	key, err := w.box.Open(ctx, w.super, "audit.log", "audit.log", sealed)
	w.must(err)
	signer, err := note.NewSigner(string(key))
	w.must(err)
	type placed struct {
		tree  int32
		index int64
		row   entries.Row
	}
	rows, err := w.super.Query(ctx, `SELECT l.tree, l.index, `+entries.Columns+` FROM audit.leaf AS l JOIN audit.entry AS e ON e.id = l.entry ORDER BY l.seq`, entries.Binary)
	w.must(err)
	var list []placed
	for rows.Next() {
		raw := rows.RawValues()
		p := placed{tree: int32(entries.Int(append(make([]byte, 4), raw[0]...))), index: entries.Int(raw[1])}
		w.must(p.row.Decode(raw[2:], true))
		list = append(list, p)
	}
	w.must(rows.Err())
	hashes := map[int32][]merkle.Hash{}
	batch := &pgx.Batch{}
	for _, p := range list {
		p.row.MAC = leaf.MAC(audit.Key(w.box, p.row.Said.Writer), p.row.Said.Append(nil))
		batch.Queue("UPDATE audit.entry SET mac = $2 WHERE id = $1", p.row.ID, p.row.MAC)
		h := tlog.RecordHash(p.row.Append(nil))
		if p.index != int64(len(hashes[p.tree])) {
			w.t.Fatal("leaves are not in order")
		}
		hashes[p.tree] = append(hashes[p.tree], h)
		batch.Queue("UPDATE audit.leaf SET hash = $3 WHERE tree = $1 AND index = $2", p.tree, p.index, h[:])
	}
	names := map[string]int32{}
	w.each("SELECT name, tree FROM audit.tree", func(row pgx.Rows) error {
		var name string
		var tree int32
		err := row.Scan(&name, &tree)
		names[name] = tree
		return err
	})
	root := names["root"]
	w.each("SELECT index, text FROM audit.root_leaf ORDER BY index", func(row pgx.Rows) error {
		var index int64
		var text string
		if err := row.Scan(&index, &text); err != nil {
			return err
		}
		if name, size, _, ok := merkle.ParseTreeLine(text); ok {
			text = merkle.TreeLine(name, size, headOf(hashes[names[name]][:size]).Root())
		}
		h := tlog.RecordHash([]byte(text))
		hashes[root] = append(hashes[root], h)
		batch.Queue("UPDATE audit.root_leaf SET text = $3, hash = $4 WHERE tree = $1 AND index = $2", root, index, text, h[:])
		return nil
	})
	batch.Queue("DELETE FROM audit.tile")
	for tree, list := range hashes {
		head := headOf(list)
		batch.Queue("UPDATE audit.tree SET edge = $2, size = $3 WHERE tree = $1", tree, head.Edge(), head.Size)
		for n := 0; (n+1)*256 <= len(list); n++ { // one level is all that there is here
			var tile []byte
			for _, h := range list[n*256 : (n+1)*256] {
				tile = append(tile, h[:]...)
			}
			over := merkle.TileRoot(tile)
			batch.Queue("INSERT INTO audit.tile (tree, level, n, hashes, root) VALUES ($1, 0, $2, $3, $4)", tree, n, tile, over[:])
		}
	}
	w.each("SELECT size FROM audit.checkpoint WHERE size <= (SELECT max(index) + 1 FROM audit.root_leaf)", func(row pgx.Rows) error {
		var size int64
		if err := row.Scan(&size); err != nil {
			return err
		}
		r := headOf(hashes[root][:size]).Root()
		signed, err := merkle.Sign(merkle.Checkpoint{Origin: "trust.example.com/log", Size: size, Root: r}, signer)
		batch.Queue("UPDATE audit.checkpoint SET root = $2, note = $3 WHERE size = $1", size, r[:], signed)
		return err
	})
	batch.Queue("DELETE FROM audit.checkpoint WHERE size > (SELECT max(index) + 1 FROM audit.root_leaf)")
	batch.Queue("DELETE FROM audit.heartbeat")
	w.must(w.super.SendBatch(ctx, batch).Close())
}

func headOf(hashes []merkle.Hash) *merkle.Head {
	h := &merkle.Head{}
	for _, one := range hashes {
		h.Append(one)
	}
	return h
}

func (w *world) each(sql string, fn func(pgx.Rows) error) {
	w.t.Helper()
	rows, err := w.super.Query(context.Background(), sql)
	w.must(err)
	defer rows.Close()
	for rows.Next() {
		w.must(fn(rows))
	}
	w.must(rows.Err())
}

// another signs all heads with a key of one's own.
func (w *world) resign(replaceKey bool) {
	w.t.Helper()
	private, public, err := merkle.NewKey("trust.example.com/log", make([]byte, 32))
	w.must(err)
	signer, err := note.NewSigner(private)
	w.must(err)
	batch := &pgx.Batch{}
	w.each("SELECT size, root FROM audit.checkpoint", func(row pgx.Rows) error {
		var size int64
		var root []byte
		if err := row.Scan(&size, &root); err != nil {
			return err
		}
		signed, err := merkle.Sign(merkle.Checkpoint{Origin: "trust.example.com/log", Size: size, Root: merkle.Hash(root)}, signer)
		batch.Queue("UPDATE audit.checkpoint SET note = $2 WHERE size = $1", size, signed)
		return err
	})
	if replaceKey {
		batch.Queue("UPDATE audit.generation SET key = $1", public)
	}
	w.must(w.super.SendBatch(context.Background(), batch).Close())
}

// run executes several statements.
func (w *world) run(sql string) {
	w.t.Helper()
	if _, err := w.super.PgConn().Exec(context.Background(), sql).ReadAll(); err != nil {
		w.t.Fatalf("%v in %s", err, sql)
	}
}

// takeOut takes an entry and its leaf away and has the others close the gap.
func (w *world) takeOut(id int64) {
	w.t.Helper()
	var tree int32
	var index, seq int64
	var name string
	w.must(w.super.QueryRow(context.Background(), "SELECT l.tree, l.index, l.seq, t.name FROM audit.leaf AS l JOIN audit.tree AS t USING (tree) WHERE l.entry = $1", id).Scan(&tree, &index, &seq, &name))
	w.run(fmt.Sprintf(`DELETE FROM audit.entry WHERE id = %[1]d; DELETE FROM audit.leaf WHERE entry = %[1]d;
UPDATE audit.leaf SET index = -index WHERE tree = %[2]d AND index > %[3]d; UPDATE audit.leaf SET index = -index - 1 WHERE tree = %[2]d AND index < 0;
UPDATE audit.leaf SET seq = -seq WHERE seq > %[4]d; UPDATE audit.leaf SET seq = -seq - 1 WHERE seq < 0;
UPDATE audit.cursor SET seq = seq - 1; UPDATE audit.checkpoint SET seq = seq - 1 WHERE seq >= %[4]d`, id, tree, index, seq))
	w.each("SELECT index, text FROM audit.root_leaf ORDER BY index", func(row pgx.Rows) error {
		var line int64
		var text string
		err := row.Scan(&line, &text)
		if of, size, root, ok := merkle.ParseTreeLine(text); ok && of == name && size > index {
			w.shifted = append(w.shifted, fmt.Sprintf("UPDATE audit.root_leaf SET text = '%s' WHERE index = %d", merkle.TreeLine(of, size-1, root), line))
		}
		return err
	})
	w.run(strings.Join(w.shifted, ";"))
	w.shifted = nil
}
