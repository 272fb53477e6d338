package subset

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/engine/anonymise/catalog"
	"github.com/garant-project/garant/internal/errs"
)

// Reference says that columns of a table hold the key of rows of another, without a foreign key.
type Reference struct {
	Child, Parent               catalog.Name
	ChildColumns, ParentColumns []string
	When, Value                 string // only where this column of the child has this value
}

var referenceForm = regexp.MustCompile(`^\s*(\S.*?)\s*\(([^()]+)\)\s*->\s*(\S.*?)\s*\(([^()]+)\)(?:\s+when\s+(\S.*?)\s*=\s*'([^']*)')?\s*$`)

// ParseReference reads CHILD(COLUMN, …) -> PARENT(COLUMN, …) [when COLUMN = 'VALUE'].
func ParseReference(s string) (Reference, error) {
	bad := errs.New(errs.Invalid, "anonymise.reference", "This is not a reference: "+s).WithFix("Write public.visit(customer_no) -> public.customer(no), or public.note(about_id) -> public.visit(id) when about = 'visit'.")
	m := referenceForm.FindStringSubmatch(s)
	if m == nil {
		return Reference{}, bad
	}
	var r Reference
	var ok [2]bool
	r.Child, ok[0] = catalog.ParseName(m[1])
	r.Parent, ok[1] = catalog.ParseName(m[3])
	r.ChildColumns, r.ParentColumns, r.When, r.Value = identifiers(m[2]), identifiers(m[4]), unquoted(m[5]), m[6]
	if !ok[0] || !ok[1] || len(r.ChildColumns) != len(r.ParentColumns) {
		return Reference{}, bad
	}
	return r, nil
}

func identifiers(list string) []string {
	var out []string
	for part := range strings.SplitSeq(list, ",") {
		out = append(out, unquoted(strings.TrimSpace(part)))
	}
	return out
}

func unquoted(s string) string {
	if len(s) > 1 && strings.HasPrefix(s, `"`) && strings.HasSuffix(s, `"`) {
		return strings.ReplaceAll(s[1:len(s)-1], `""`, `"`)
	}
	return s
}

// declared adds the references that somebody named.
func (m *model) declared(all []Reference) error {
	for _, d := range all {
		var sides [2]side
		mandatory := true
		for i, x := range []struct {
			name    catalog.Name
			columns []string
		}{{d.Child, d.ChildColumns}, {d.Parent, d.ParentColumns}} {
			t := m.db.Table(x.name)
			if t == nil || m.byName[x.name] == nil {
				return errs.New(errs.Invalid, "anonymise.reference", fmt.Sprintf("A reference names %s, which the copy has not.", x.name)).WithFix("Correct it.")
			}
			for _, c := range x.columns {
				column := t.Column(c)
				if column == nil {
					return errs.New(errs.Invalid, "anonymise.reference", fmt.Sprintf("A reference names the column %s of %s, which the copy has not.", catalog.Quote(c), x.name)).WithFix("Correct it.")
				}
				mandatory = mandatory && (i == 1 || column.NotNull)
			}
			sides[i] = m.side(m.oids[x.name], x.columns)
		}
		child := m.db.Table(d.Child)
		for i, c := range d.ChildColumns {
			if a, b := child.Column(c), m.db.Table(d.Parent).Column(d.ParentColumns[i]); !comparable(a, b) {
				return errs.New(errs.Invalid, "anonymise.reference", fmt.Sprintf("The column %s of %s cannot be compared with %s of %s.", catalog.Quote(c), d.Child, catalog.Quote(b.Name), d.Parent)).WithFix("Name columns of the same type.")
			}
		}
		if d.When != "" && child.Column(d.When) == nil {
			return errs.New(errs.Invalid, "anonymise.reference", fmt.Sprintf("A reference names the column %s of %s, which the copy has not.", catalog.Quote(d.When), d.Child)).WithFix("Correct it.")
		}
		r := &reference{child: sides[0], parent: sides[1], operators: equals(len(d.ChildColumns)), mandatory: mandatory, when: d.When, value: d.Value, virtual: true}
		if d.When != "" {
			r.group = m.groupOf(r)
		}
		m.refs = append(m.refs, r)
	}
	return nil
}

// groupOf numbers the references of which each row has one: those of the same columns by the same type.
func (m *model) groupOf(r *reference) int {
	most := 0
	for _, o := range m.refs {
		if most = max(most, o.group); o.group > 0 && o.child.table == r.child.table && o.when == r.when && slices.Equal(o.child.columns, r.child.columns) {
			return o.group
		}
	}
	return most + 1
}

func equals(n int) []string { return slices.Repeat([]string{"OPERATOR(pg_catalog.=)"}, n) }

var integers = []string{"smallint", "integer", "bigint"}
var texts = []string{"text", "character varying", "character"}

func comparable(a, b *catalog.Column) bool {
	for _, family := range [][]string{integers, texts} {
		if slices.Contains(family, a.Type) && slices.Contains(family, b.Type) {
			return true
		}
	}
	return a.Type == b.Type
}

// mostTypes is how many values a column may have that says of which table a number beside it speaks.
const mostTypes = 200

// polymorphic finds pairs of columns x_type and x_id that together name a row of one of several tables, as frameworks make them: by their names, where values of x_type name tables whose key x_id can be.
func (m *model) polymorphic(ctx context.Context, tx pgx.Tx) error {
	for _, t := range m.tables {
		c := m.db.Table(t.name)
		for i := range c.Columns {
			typ := &c.Columns[i]
			stem, ok := strings.CutSuffix(typ.Name, "_type")
			id := c.Column(stem + "_id")
			if !ok || id == nil || !(slices.Contains(texts, typ.Type) || len(typ.Labels) > 0) || strings.HasSuffix(typ.Type, "[]") || m.refers(t, id.Name) {
				continue
			}
			values, err := m.types(ctx, tx, t, typ.Name)
			if err != nil {
				return err
			}
			unknown := 0
			for _, v := range values {
				p := m.meant(t.name.Schema, v, id)
				if p == nil {
					unknown++
					continue
				}
				r := &reference{child: m.side(m.oids[t.name], []string{id.Name}), parent: m.side(m.oids[p.name], p.mainKey), operators: equals(1),
					when: typ.Name, value: v, mandatory: typ.NotNull && id.NotNull, virtual: true}
				r.group = m.groupOf(r)
				m.refs = append(m.refs, r)
			}
			if unknown > 0 && unknown < len(values) {
				m.notes = append(m.notes, fmt.Sprintf("Of the column %s of %s, %s no table: rows may refer to what is not there. Name them by --reference.", catalog.Quote(typ.Name), t.name, counted(unknown, "value names", "values name")))
			}
		}
	}
	return nil
}

// refers tells whether a reference is known for a column already.
func (m *model) refers(t *table, column string) bool {
	return slices.ContainsFunc(m.refs, func(r *reference) bool { return r.child.table == t && slices.Contains(r.child.columns, column) })
}

// types reads the values of a column that tells types; none when there are too many for that.
func (m *model) types(ctx context.Context, tx pgx.Tx, t *table, column string) ([]string, error) {
	rows, err := tx.Query(ctx, fmt.Sprintf(`SELECT DISTINCT %[1]s::text FROM %[2]s WHERE %[1]s IS NOT NULL ORDER BY 1 LIMIT %[3]d`, quoted(column), t.only()+t.sql(), mostTypes+1))
	if err != nil {
		return nil, err
	}
	out, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if len(out) > mostTypes {
		out = nil
	}
	return out, err
}

// meant finds the table that a value such as BlogPost, blog_posts, App\Models\Post or Blog::Post names.
func (m *model) meant(schema, value string, id *catalog.Column) *table {
	var best *table
	for _, name := range spellings(value) {
		for _, t := range m.tables {
			if len(t.mainKey) != 1 || !sameNoun(snake(t.name.Table), name) || !comparable(id, m.db.Table(t.name).Column(t.mainKey[0])) {
				continue
			}
			if t.name.Schema == schema {
				return t
			}
			if best == nil {
				best = t
			}
		}
		if best != nil {
			return best
		}
	}
	return nil
}

// spellings are the names of tables that a type's name may stand for, the likeliest first.
func spellings(value string) []string {
	parts := strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune(`\/:.`, r) })
	var out []string
	for i := range parts {
		var words []string
		for _, p := range parts[i:] {
			words = append(words, snake(p))
		}
		out = append(out, strings.Join(words, "_"))
	}
	return out
}

// snake writes BlogPost as blog_post.
func snake(s string) string {
	var b strings.Builder
	rs := []rune(s)
	for i, r := range rs {
		if unicode.IsUpper(r) && i > 0 && rs[i-1] != '_' && (unicode.IsLower(rs[i-1]) || unicode.IsDigit(rs[i-1]) || i+1 < len(rs) && unicode.IsLower(rs[i+1])) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return strings.ReplaceAll(b.String(), "-", "_")
}

// sameNoun tells whether two names are one noun, in the singular or the plural of English.
func sameNoun(a, b string) bool {
	for _, e := range [][2]string{{"", ""}, {"", "s"}, {"", "es"}, {"y", "ies"}, {"person", "people"}, {"child", "children"}} {
		for _, pair := range [][2]string{{a, b}, {b, a}} {
			if stem, ok := strings.CutSuffix(pair[0], e[0]); ok && stem+e[1] == pair[1] {
				return true
			}
		}
	}
	return false
}
