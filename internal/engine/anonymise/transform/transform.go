package transform

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/garant-project/garant/internal/engine/anonymise/names"
	"github.com/garant-project/garant/internal/engine/anonymise/personal"
)

// A Spec names a transformer and its arguments, as a plan holds them: strings, integers, booleans, lists (any) and maps (string to any).
type Spec struct {
	Name string
	Args map[string]any
}

// A Column is what the catalogue says of a column, or a plan of a path in a document.
type Column struct {
	Name      string        // for words: schema, table and column, or the path
	Type      string        // as format_type(atttypid, NULL) writes it, that under the domain if it is one: "character varying", "jsonb", "text[]"
	Length    int           // of varchar(n) and char(n) in letters; 0: no limit
	Precision int           // of numeric(p,s); 0: no limit
	Scale     int           // of numeric(p,s)
	NotNull   bool          //
	Unique    bool          // has a unique index of its own, the primary key included
	Labels    []string      // of an enum, in order
	Kind      personal.Kind // of its values, as the plan says; empty: unknown
}

// Taken is the set of identifying values that the source holds, as it was before the copy began. It folds by itself. Each worker may have its own view of it.
type Taken interface {
	// Taken reports whether the source holds the value as one of this kind. Of family names, one alone counts too, though it proves nothing by itself: then no
	// full name can come out that the source has, however its parts are spread over columns.
	Taken(kind personal.Kind, value []byte) bool
}

// A Mention is a place in a text where a value of a kind stands.
type Mention struct {
	Start, End int // bytes
	Kind       personal.Kind
}

// A Finder finds values by how they look: addresses of e-mail, numbers with a checksum, names with a title. It appends what it finds to dst, in order
// and not overlapping.
type Finder interface {
	Find(dst []Mention, text []byte) []Mention
}

// Env is what the transformers of a run have in common. Taken and Finder may be those of one worker.
type Env struct {
	Key      *Key
	Taken    Taken             // nil: nothing is known of the source, as in a preview
	Finder   Finder            // nil: only transformers that need none can be made
	Leaks    func([]byte) bool // whether the scan would find a replacement to be a value of the source, of whatever kind; nil: not asked
	Language names.Language    // of names and places where a plan names none; empty: fr-FR
	Country  string            // whose numbers are written without a country code; empty: that of Language
	Drawn    Drawn             // names that were drawn already, for transformers of one goroutine with the same Key and Taken; nil: each remembers its own
}

// A Row is what a transformer may know of a value's row.
type Row struct {
	// Subject is the value of the column that names the person; nil when the plan names none, or it is NULL.
	Subject []byte
}

// A Transformer replaces the values of one column.
type Transformer interface {
	// Append writes the replacement of value behind dst. It keeps neither. On an error, what stands behind dst is void.
	Append(dst, value []byte, row Row) ([]byte, error)
	// Close ends what the transformer has started, and says if that was in error.
	Close() error
}

// ErrNull says that NULL takes the place of a value.
var ErrNull = errors.New("NULL takes the place of the value")

// standing is embedded by transformers that start nothing.
type standing struct{}

// Close implements Transformer.
func (standing) Close() error { return nil }

// New makes the transformer that spec names for a column. Its errors say what to write instead.
func New(spec Spec, column Column, env Env) (Transformer, error) {
	t, err := make1(spec, column, env)
	if err != nil {
		return nil, fmt.Errorf("%s: transformer %q: %w", column.Name, spec.Name, err)
	}
	return t, nil
}

func make1(spec Spec, column Column, env Env) (Transformer, error) {
	if env.Key == nil {
		return nil, errors.New("no key: the environment of a run has one")
	}
	e, ok := find(spec.Name)
	if !ok {
		return nil, fmt.Errorf("there is none of this name; there are %s", strings.Join(transformerNames(), ", "))
	}
	m := &maker{args: spec.Args, used: map[string]bool{}, column: column, family: FamilyOf(column.Type), env: env}
	if len(column.Labels) > 0 {
		m.family = Enum
	}
	if element := FamilyOf(strings.TrimSuffix(column.Type, "[]")); m.family == Array && !e.fits(Array) && e.fits(element) {
		if column.Unique && !e.Unique {
			return nil, fmt.Errorf("may give two arrays the same replacement, and the column is unique; take %s", strings.Join(uniqueFor(element), ", "))
		}
		return m.array(spec)
	}
	if !e.fits(m.family) {
		return nil, fmt.Errorf("does not fit type %s; it fits %s", column.Type, joinFamilies(e.Fits))
	}
	if column.Unique && !e.Unique {
		return nil, fmt.Errorf("may give two values the same replacement, and the column is unique; take %s", strings.Join(uniqueFor(m.family), ", "))
	}
	t, err := e.make(m)
	if err == nil {
		err = m.finish(e.Description)
	}
	if err != nil {
		return nil, err
	}
	if m.family == Text && column.Length > 0 {
		return &limited{t, column.Length}, nil
	}
	return t, nil
}

// limited refuses replacements that the column has no room for.
type limited struct {
	Transformer
	most int
}

// Append implements Transformer.
func (t *limited) Append(dst, value []byte, row Row) ([]byte, error) {
	out, err := t.Transformer.Append(dst, value, row)
	if err == nil && len(out)-len(dst) > t.most && letters(out[len(dst):]) > t.most {
		return dst, fmt.Errorf("a replacement has more than the %d letters of the column; take another transformer, such as hash or suppress", t.most)
	}
	return out, err
}

// For names the transformer that serves a kind unless a plan says otherwise; keep for what is not personal.
func For(k personal.Kind) Spec {
	for _, d := range Descriptions() {
		if slices.Contains(d.DefaultOf, k) {
			return Spec{Name: d.Name}
		}
	}
	return Spec{Name: "keep"}
}
