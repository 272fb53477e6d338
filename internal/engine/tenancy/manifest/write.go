package manifest

import (
	"bytes"
	"fmt"
	"io"
	"slices"

	"github.com/garant-project/garant/internal/strictyaml"
)

const head = `# Which rows of this database belong to whom. Written by garant isolation plan; read it, correct it,
# keep it beside your migrations, and run garant isolation plan again after each change of the schema.
#
#   tenant    each row belongs to one tenant, named by column: the application sees those of the
#             token that it entered the transaction with, and no others
#   shared    the same for all tenants: the application reads it; more only where grants say so
#   private   not for the application at all
#
# record says what of a table's changes becomes events of the audit log: all (the values of every column, before and
# after), names (only which columns changed), {columns: [name, state]} or {not: [iban]}, and reads: true where
# the application says what it reads (garant.record, for PostgreSQL has no trigger for it).
#
# A table that is not in this file is not for the application either. A doubt is a question that
# the catalogue could not answer: answer it, then remove the line. One that begins with
# "decide:" keeps garant isolation apply from starting. Your words belong in reason: plan keeps
# every decision and every reason, but writes comments anew.
`

// Write gives the manifest as sorted YAML: the same manifest, the same bytes. Parse reads it back.
func (m *Manifest) Write(to io.Writer) error {
	sorted := *m
	sorted.App = append([]string(nil), m.App...)
	sorted.Around = append([]Path(nil), m.Around...)
	sorted.Accepted = append([]Acceptance(nil), m.Accepted...)
	for i := range sorted.Accepted {
		sorted.Accepted[i].Objects = append([]string(nil), sorted.Accepted[i].Objects...)
	}
	sorted.Tables = append([]Table(nil), m.Tables...)
	for i := range sorted.Tables {
		sorted.Tables[i].Grants = append([]string(nil), sorted.Tables[i].Grants...)
	}
	sorted.Sort()
	_, err := to.Write(sorted.bytes())
	return err
}

func (m *Manifest) bytes() []byte {
	var b bytes.Buffer
	b.WriteString(head)
	fmt.Fprintf(&b, "isolation: 1\ndatabase: %s\n", strictyaml.Scalar(m.Database))
	b.WriteString("\n# How the database knows the tenant of a transaction: pinned (the token is verified once) or\n# statement (in each statement; for managed PostgreSQL, where nobody is superuser).\n")
	fmt.Fprintf(&b, "design: %s\n", strictyaml.Scalar(m.Design))
	b.WriteString("\n# What the tenant in a token is.\n")
	if m.Key.Table == "" {
		fmt.Fprintf(&b, "key: {column: %s, type: %s}\n", strictyaml.Scalar(m.Key.Column), strictyaml.Scalar(m.Key.Type))
	} else {
		fmt.Fprintf(&b, "key: {table: %s, column: %s, type: %s}\n", strictyaml.Scalar(m.Key.Table), strictyaml.Scalar(m.Key.Column), strictyaml.Scalar(m.Key.Type))
	}
	b.WriteString("\n# The roles that the application signs in as. They own nothing and get in with a token only.\n")
	fmt.Fprintf(&b, "app: %s\n", strictyaml.Flow(m.App))
	b.WriteString("\n# The ways around all this: who sees every tenant, and what for. garant isolation verify holds\n# the database to this list.\n")
	if len(m.Around) == 0 {
		b.WriteString("around: []\n")
	} else {
		b.WriteString("around:\n")
	}
	for _, p := range m.Around {
		fmt.Fprintf(&b, "  - {role: %s, kind: %s, why: %s}\n", strictyaml.Scalar(p.Role), strictyaml.Scalar(p.Kind), strictyaml.Scalar(p.Why))
	}
	if len(m.Accepted) > 0 {
		b.WriteString("\n# Findings of garant isolation verify that may stay: why, by whose word, since when. Verify counts and\n# shows them, and tells of those that are not there any more.\naccepted:\n")
	}
	for _, a := range m.Accepted {
		fmt.Fprintf(&b, "  - check: %s\n    objects: %s\n    reason: %s\n    by: %s\n    date: %s\n", strictyaml.Scalar(a.Check), strictyaml.Flow(a.Objects), strictyaml.Scalar(a.Reason), strictyaml.Scalar(a.By), a.Date)
	}
	m.summary(&b)
	if len(m.Tables) == 0 {
		b.WriteString("tables: {}\n")
		return b.Bytes()
	}
	b.WriteString("tables:\n")
	for _, t := range m.Tables {
		t.write(&b)
	}
	return b.Bytes()
}

// summary counts what the list holds.
func (m *Manifest) summary(b *bytes.Buffer) {
	count := map[Class]int{}
	doubts, blocking := 0, 0
	for _, t := range m.Tables {
		count[t.Class]++
		doubts += len(t.Doubts)
		blocking += len(t.Blocking())
	}
	fmt.Fprintf(b, "\n# %d relations: %d tenant, %d shared, %d private. Doubts left: %d, of which %d keep apply from starting.\n",
		len(m.Tables), count[Tenant], count[Shared], count[Private], doubts, blocking)
}

func (t *Table) write(b *bytes.Buffer) {
	fmt.Fprintf(b, "  %s:\n", strictyaml.Scalar(t.QualifiedName()))
	line := func(key, value string) { fmt.Fprintf(b, "    %s: %s\n", key, value) }
	if t.Kind != "" && t.Kind != KindTable {
		line("kind", strictyaml.Scalar(t.Kind))
	}
	line("class", strictyaml.Scalar(string(t.Class)))
	if t.Column != "" {
		line("column", strictyaml.Scalar(t.Column))
	}
	if t.Add {
		line("add", "true")
	}
	if len(t.Via) > 0 {
		line("via", strictyaml.Flow(t.Via))
	}
	if len(t.Grants) > 0 {
		line("grants", strictyaml.Flow(t.Grants))
	}
	if t.Record != nil {
		line("record", t.Record.written())
	}
	if t.Reason != "" {
		line("reason", strictyaml.Scalar(t.Reason))
	}
	if len(t.Doubts) > 0 {
		b.WriteString("    doubts:\n")
	}
	for _, d := range t.Doubts {
		fmt.Fprintf(b, "      - %s\n", strictyaml.Scalar(d))
	}
}

func (r *Record) written() string {
	columns := slices.Sorted(slices.Values(r.Columns))
	switch {
	case r.Mode == RecordAll && !r.Reads:
		return RecordAll
	case r.Mode == RecordOnly && len(columns) == 0 && !r.Reads:
		return "names"
	}
	reads := ""
	if r.Reads {
		reads = ", reads: true"
	}
	if r.Mode == RecordOnly {
		return "{columns: " + strictyaml.Flow(columns) + reads + "}"
	}
	return "{not: " + strictyaml.Flow(columns) + reads + "}"
}
