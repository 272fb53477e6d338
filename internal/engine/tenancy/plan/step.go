package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/garant-project/garant/internal/engine/tenancy/schema"
	"github.com/garant-project/garant/internal/pg/sqlname"
)

// Phase says whether the application notices a step.
type Phase string

// The phases. Nothing of Prepare changes what the application sees; with Switch it needs tokens.
const (
	Prepare Phase = "prepare"
	Switch  Phase = "switch"
)

// Mode says how a step runs.
type Mode string

// The modes.
const (
	InTransaction Mode = "transaction" // all statements in one, together with the record of it
	Alone         Mode = "alone"       // a statement that PostgreSQL runs outside of transactions only
	Batches       Mode = "batches"     // many short transactions
	Install       Mode = "install"     // schema garant, by package token
)

// Step is one thing that apply does.
type Step struct {
	ID    string     `json:"id"`    // the same as long as the thing is the same
	Phase Phase      `json:"phase"` // Prepare or Switch
	Mode  Mode       `json:"mode"`
	Table string     `json:"table,omitempty"`
	Title string     `json:"title"`
	SQL   []string   `json:"sql"`
	Lock  string     `json:"lock"` // what it keeps others from, and for how long
	Cost  string     `json:"cost"`
	Undo  [][]string `json:"undo"`            // what takes it back, each group a transaction; empty: goes with another step
	Back  string     `json:"back"`            // in words
	Fill  *Fill      `json:"-"`               // of Batches
	Find  string     `json:"find,omitempty"`  // lists the rows that keep the step from succeeding
	Needs []string   `json:"needs,omitempty"` // roles that whoever runs it must be able to act as, beside the owners
	Guard bool       `json:"-"`               // runs as garant_sec, who owns what it changes
}

// Fill is how a new column gets its values.
type Fill struct {
	Leaves []Leaf
	Column string
	From   string // UPDATE … SET column = value FROM (this) WHERE (Where): the tables on the way, aliased
	Where  string // joins the row, aliased t, to them
	Value  string
}

// Leaf is a table that holds rows of its own.
type Leaf struct {
	Name string // qualified
	OID  uint32
}

// Update is the statement of one batch: the rows of a leaf on pages from to below.
func (f *Fill) Update(leaf string, from, below int64) string {
	return fmt.Sprintf("UPDATE ONLY %s t SET %s = %s FROM %s WHERE %s AND t.%[2]s IS NULL AND t.ctid >= '(%[6]d,0)'::pg_catalog.tid AND t.ctid < '(%[7]d,0)'::pg_catalog.tid",
		leaf, sqlname.Quote(f.Column), f.Value, f.From, f.Where, from, below)
}

// Locks, in words: what they keep others from.
const (
	lockNone      = "none"
	lockWrites    = "SHARE ROW EXCLUSIVE: writers wait, readers do not"
	lockBrief     = "ACCESS EXCLUSIVE for a moment: readers and writers wait; gives up and tries again when it does not get it"
	lockAlongside = "SHARE UPDATE EXCLUSIVE: readers and writers go on"
	catalogueOnly = "a change of the catalogue"
)

// size is how the catalogue estimates a table.
func size(r *schema.Relation) string {
	rows, pages, known := r.Size()
	if !known && rows == 0 {
		return counted(float64(pages), "page") + ", rows never counted"
	}
	return fmt.Sprintf("about %s in %s", counted(rows, "row"), counted(float64(pages), "page"))
}

func counted(n float64, word string) string {
	if number(n) != "1" {
		word += "s"
	}
	return number(n) + " " + word
}

// number writes a whole number with its thousands apart.
func number(n float64) string {
	s := strconv.FormatFloat(n, 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// named makes a name for an object of ours that fits into PostgreSQL's 63 bytes and says what it is of.
func named(kind string, parts ...string) string {
	name := "garant_" + kind + "_" + strings.Join(parts, "_")
	if len(name) <= 63 {
		return name
	}
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	cut := name[:52]
	for len(cut) > 0 && cut[len(cut)-1]&0xC0 == 0x80 || len(cut) > 0 && cut[len(cut)-1] >= 0xC0 {
		cut = cut[:len(cut)-1]
	}
	return cut + "_" + hex.EncodeToString(sum[:5])
}

func quoted(names []string) string {
	all := make([]string, len(names))
	for i, n := range names {
		all[i] = sqlname.Quote(n)
	}
	return strings.Join(all, ", ")
}
