package verify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/audit/leaf"
	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/engine/auditlog/entries"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

// chunkSize is how many leaves are read at once.
const chunkSize = 20_000

// row is a leaf as the database has it.
type row struct {
	seq   int64
	tree  int32
	index int64
	entry int64
	hash  merkle.Hash

	numbered bool // its entry is there, and has a number of its writer
	writer   uuid.UUID
	n        int64
}

// chunk is a stretch of leaves, with what is wrong with their entries.
type chunk struct {
	until    int64
	rows     []row
	entries  int64 // rows of the record that were there
	signed   int64
	sealed   int64
	erased   int64
	found    []Finding
	unsigned []Finding // of entries that say that they are from before entries were signed
	signing  int64     // the first leaf here of one that is signed; 0: none is
	err      error
}

// reader reads chunks on a connection of its own.
type reader struct {
	e    *examiner
	tx   pgx.Tx
	keys map[string]*leaf.Signer
	last string // the writer whose key was taken last
	key  *leaf.Signer
	buf  []byte
	of   places
}

func (r *reader) read(ctx context.Context, g *generation, from, until int64) *chunk {
	c := &chunk{until: until}
	c.err = r.leaves(ctx, c, from, until)
	if c.err == nil && len(c.rows) > 0 {
		c.err = r.entries(ctx, g, c)
	}
	return c
}

func (r *reader) leaves(ctx context.Context, c *chunk, from, until int64) (err error) {
	c.rows, err = leafRows(ctx, r.tx, from, until)
	return err
}

// leafRows reads the leaves after one and until another.
func leafRows(ctx context.Context, on pg.Querier, from, until int64) ([]row, error) {
	rows, err := on.Query(ctx, `SELECT seq, tree, index, entry, hash FROM audit.leaf WHERE seq > $1 AND seq <= $2 ORDER BY seq`, entries.Binary, from, until)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	defer rows.Close()
	list := make([]row, 0, min(until-from, chunkSize))
	for rows.Next() {
		raw := rows.RawValues()
		one := row{seq: entries.Int(raw[0]), tree: int32(binary.BigEndian.Uint32(raw[1])), index: entries.Int(raw[2]), entry: entries.Int(raw[3])} //nolint:gosec // as PostgreSQL writes it
		if len(raw[4]) == tlog.HashSize {
			copy(one.hash[:], raw[4])
		}
		list = append(list, one)
	}
	return list, pg.Wrap(rows.Err())
}

// near is how far apart numbers may be that are asked for in one range.
const near = 64

// places tells in which row of a chunk the leaf of an entry is. Numbers of entries that are put in order together are near each other, so that
// a table for each range of them takes the place of a map.
type places struct {
	from, until []int64 // ranges of numbers
	begin       []int   // where the table of each begins
	rows        []int32 // one more than the row; 0: none
	at          int     // the range that was looked at last
}

// lay makes the tables for numbers, which are in order.
func (p *places) lay(ids []int64) {
	p.from, p.until, p.begin, p.at = p.from[:0], p.until[:0], p.begin[:0], 0
	size := 0
	for i, id := range ids {
		if last := len(p.until) - 1; i > 0 && uint64(id)-uint64(ids[i-1]) <= near { //nolint:gosec // numbers that somebody made up may be farther apart than an int64 says
			size += int(id - p.until[last])
			p.until[last] = id
			continue
		}
		p.from, p.until, p.begin = append(p.from, id), append(p.until, id), append(p.begin, size)
		size++
	}
	if cap(p.rows) < size {
		p.rows = make([]int32, size)
	}
	p.rows = p.rows[:size]
	clear(p.rows)
}

// of is where the row of a number is kept; nil: the number is in no range.
func (p *places) of(id int64) *int32 {
	if p.at >= len(p.from) || id < p.from[p.at] || id > p.until[p.at] {
		p.at = sort.Search(len(p.until), func(i int) bool { return p.until[i] >= id })
		if p.at == len(p.from) || id < p.from[p.at] {
			return nil
		}
	}
	return &p.rows[p.begin[p.at]+int(id-p.from[p.at])]
}

// entries reads the rows of the record that leaves are of, makes their leaves again, and compares.
func (r *reader) entries(ctx context.Context, g *generation, c *chunk) error {
	ids := make([]int64, len(c.rows))
	there := make([]bool, len(c.rows))
	for i := range c.rows {
		ids[i] = c.rows[i].entry
	}
	slices.Sort(ids)
	r.of.lay(ids)
	for i := range c.rows {
		at := &c.rows[i]
		of := r.of.of(at.entry)
		if *of != 0 {
			there[i] = true
			c.found = append(c.found, Finding{Kind: Inserted, Generation: g.number, Tree: g.treeName(at.tree), Index: at.index, Entry: at.entry, Text: fmt.Sprintf("Entry %d is a leaf twice: one was put in.", at.entry), seq: at.seq})
			continue
		}
		*of = int32(i + 1) //nolint:gosec // a row of a chunk
	}
	rows, err := r.tx.Query(ctx, `SELECT `+entries.Columns+` FROM unnest($1::bigint[], $2::bigint[]) AS r(low, high) JOIN audit.entry AS e ON e.id BETWEEN r.low AND r.high`, entries.Binary, r.of.from, r.of.until)
	if err != nil {
		return pg.Wrap(err)
	}
	defer rows.Close()
	var one entries.Row
	var sealed []crypt.Sealed
	var promises []*Finding // of what is sealed, and what is found when it is not what was promised
	var promised [][]byte
	for rows.Next() {
		raw := rows.RawValues()
		if err := one.Decode(raw, false); err != nil {
			return err
		}
		of := r.of.of(one.ID)
		if of == nil || *of == 0 {
			continue
		}
		i := *of - 1
		at := &c.rows[i]
		finding := func(kind Kind, format string, args ...any) Finding {
			return Finding{Kind: kind, Generation: g.number, Tree: g.treeName(at.tree), Index: at.index, Entry: at.entry, Text: fmt.Sprintf(format, args...), seq: at.seq}
		}
		var said []byte
		r.buf, said = one.AppendBoth(append(r.buf[:0], 0)) // RFC 6962: the hash of a leaf is that of a zero and the leaf
		same := sha256.Sum256(r.buf) == at.hash
		if there[i] {
			// A second row of that number: the one that is the leaf's counts.
			c.found = append(c.found, finding(Inserted, "There are two rows of entry %d.", at.entry))
			if same {
				c.found = slices.DeleteFunc(c.found, func(f Finding) bool { return f.Kind == Edited && f.Entry == at.entry })
			}
			continue
		}
		there[i] = true
		c.entries++
		if !same {
			c.found = append(c.found, finding(Edited, "Entry %d is another than the one that was put in order.", at.entry))
			continue
		}
		if one.Said.Writer == "" {
			f := finding(WrongMAC, "Entry %d is signed by no process: it was not written by Garant.", at.entry)
			if one.ID > r.e.began || one.ID <= 0 {
				c.found = append(c.found, f)
			} else {
				c.unsigned = append(c.unsigned, f)
			}
		} else {
			at.numbered, at.writer, at.n = true, uuid.UUID(raw[18]), one.Said.N
			if c.signing == 0 || at.seq < c.signing {
				c.signing = at.seq
			}
		}
		if (one.Changes == nil) != (len(one.Said.Promise) == 0) {
			c.found = append(c.found, finding(Sealed, "Personal data before and after was taken away from beside entry %d, or put there: its leaf says otherwise.", at.entry))
			one.Changes = nil
		}
		if r.e.Box == nil {
			continue
		}
		if one.Said.Writer != "" {
			c.signed++
			if !r.signed(&one.Entry, said) {
				c.found = append(c.found, finding(WrongMAC, "Entry %d is not signed by the process that it names: it was written by somebody else, or changed before it was put in order.", at.entry))
			}
		}
		if one.Changes != nil {
			f := finding(Sealed, "Personal data before and after, beside entry %d, is not what was promised in its leaf.", at.entry)
			sealed = append(sealed, crypt.Sealed{Subject: one.Said.Subject, Field: audit.SealedField, Value: slices.Clone(one.Changes)})
			promises, promised = append(promises, &f), append(promised, slices.Clone(one.Said.Promise))
		}
	}
	rows.Close()
	if err := rows.Err(); err != nil {
		return pg.Wrap(err)
	}
	for i, at := range c.rows {
		if there[i] || at.seq <= r.e.dropped {
			continue
		}
		f := Finding{Kind: Deleted, Generation: g.number, Tree: g.treeName(at.tree), Index: at.index, Entry: at.entry, Text: fmt.Sprintf("Entry %d is gone.", at.entry), seq: at.seq}
		if at.seq <= r.e.said {
			f.Kind, f.Text = Excused, unsignedDrop(at.entry)
		}
		c.found = append(c.found, f)
	}
	return r.open(ctx, c, sealed, promises, promised)
}

// signed verifies what the writer says. What is signed stands in the leaf as it is.
func (r *reader) signed(e *leaf.Entry, said []byte) bool {
	if r.key == nil || r.last != e.Said.Writer {
		writer := strings.Clone(e.Said.Writer)
		key, ok := r.keys[writer]
		if !ok {
			if len(r.keys) > 10_000 {
				clear(r.keys)
			}
			key = leaf.NewSigner(audit.Key(r.e.Box, writer))
			r.keys[writer] = key
		}
		r.last, r.key = writer, key
	}
	return r.key.Signed(said, e.MAC)
}

// open opens what is sealed and holds it against what was promised.
func (r *reader) open(ctx context.Context, c *chunk, values []crypt.Sealed, promises []*Finding, promised [][]byte) error {
	if len(values) == 0 {
		return nil
	}
	opened, err := r.e.Box.OpenAll(ctx, r.tx, values)
	if err != nil {
		return err
	}
	for i, o := range opened {
		c.sealed++
		if errs.Is(o.Err, errs.NotFound) {
			c.erased++
			continue
		}
		var s leaf.Sealed
		if o.Err != nil || json.Unmarshal(o.Plaintext, &s) != nil || !hmac.Equal(s.Promise(), promised[i]) {
			c.found = append(c.found, *promises[i])
		}
	}
	return nil
}

func (g *generation) treeName(id int32) string {
	if t, ok := g.trees[id]; ok {
		return t.name
	}
	return fmt.Sprintf("(number %d)", id)
}

// stretch has chunks read by several readers at once and gives them in order.
func (e *examiner) stretch(ctx context.Context, g *generation, each func(*chunk) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type order struct {
		from, until int64
		to          chan *chunk
	}
	orders := make(chan order)
	queue := make(chan chan *chunk, 2*e.Readers)
	ended := make(chan struct{}, e.Readers)
	for range e.Readers {
		tx, release, err := e.snapshot(ctx)
		if err != nil {
			return err
		}
		go func() {
			defer func() { release(); ended <- struct{}{} }()
			r := &reader{e: e, tx: tx, keys: map[string]*leaf.Signer{}}
			for o := range orders {
				o.to <- r.read(ctx, g, o.from, o.until)
			}
		}()
	}
	go func() {
		defer close(queue)
		defer close(orders)
		for from := g.first; from < g.last; from += chunkSize {
			o := order{from, min(from+chunkSize, g.last), make(chan *chunk, 1)}
			select {
			case queue <- o.to:
			case <-ctx.Done():
				return
			}
			select {
			case orders <- o:
			case <-ctx.Done():
				o.to <- &chunk{err: ctx.Err()}
				return
			}
		}
	}()
	var err error
	for to := range queue {
		c := <-to
		if err == nil {
			err = c.err
		}
		if err == nil {
			err = each(c)
		}
		if err != nil {
			cancel()
		}
	}
	for range e.Readers {
		<-ended
	}
	return err
}

// tail turns entries that are gone at the very end of the log into one finding: its end was cut off.
func tail(found []Finding, last int64, have func(seq int64) bool) []Finding {
	gone := map[int64]bool{}
	for _, f := range found {
		if f.Kind == Deleted {
			gone[f.seq] = true
		}
	}
	first := last
	for first > 0 && gone[first] {
		first--
	}
	first++
	if last-first+1 < 2 || have != nil && !have(first) {
		return found
	}
	sort.SliceStable(found, func(i, j int) bool { return found[i].seq < found[j].seq })
	out := found[:0:0]
	done := false
	for _, f := range found {
		if f.Kind != Deleted || f.seq < first {
			out = append(out, f)
			continue
		}
		if !done {
			f.Kind, f.Text, done = Truncated, fmt.Sprintf("The last %d entries are gone, from entry %d on.", last-first+1, f.Entry), true
			out = append(out, f)
		}
	}
	return out
}
