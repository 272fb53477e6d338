// Package sqlname writes names and texts as they stand in SQL and as PostgreSQL prints them, and reads names back.
package sqlname

import "strings"

// Quote writes an identifier as PostgreSQL's quote_ident does.
func Quote(name string) string {
	if plainName(name) && !strings.Contains(keywords, " "+name+" ") {
		return name
	}
	return inQuotes(name)
}

// Shown writes an identifier for people, who need no quotes around keywords. SQL does.
func Shown(name string) string {
	if plainName(name) {
		return name
	}
	return inQuotes(name)
}

func inQuotes(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// Literal writes a text as an SQL string.
func Literal(s string) string {
	written := "'" + strings.ReplaceAll(s, "'", "''") + "'"
	if strings.Contains(s, `\`) {
		return " E" + strings.ReplaceAll(written, `\`, `\\`)
	}
	return written
}

// Qualified writes the name of a relation with its schema.
func Qualified(schema, name string) string { return Quote(schema) + "." + Quote(name) }

// Split reads a qualified name: two identifiers, each as PostgreSQL or Shown prints it. An identifier
// without quotes may not have capitals, for PostgreSQL would not keep them.
func Split(qualified string) (schema, name string, ok bool) {
	schema, rest, ok := identifier(qualified)
	if !ok || !strings.HasPrefix(rest, ".") {
		return "", "", false
	}
	name, rest, ok = identifier(rest[1:])
	return schema, name, ok && rest == ""
}

// identifier reads one identifier off the front of s.
func identifier(s string) (name, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		end := 0
		for end < len(s) && (s[end] != '.' && s[end] != '"') {
			end++
		}
		return s[:end], s[end:], plainName(s[:end])
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] != '"':
			b.WriteByte(s[i])
		case i+1 < len(s) && s[i+1] == '"':
			b.WriteByte('"')
			i++
		default:
			return b.String(), s[i+1:], b.Len() > 0
		}
	}
	return "", "", false
}

// plainName reports whether quote_ident looks no further than at keywords.
func plainName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && c != '_' && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// keywords are those that quote_ident quotes: all of PostgreSQL 15 to 18 but the unreserved.
const keywords = " all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both case cast char character check coalesce collate" +
	" collation column concurrently constraint create cross current_catalog current_date current_role current_schema current_time current_timestamp current_user dec decimal" +
	" default deferrable desc distinct do else end except exists extract false fetch float for foreign freeze from full grant greatest group grouping having ilike in initially inner" +
	" inout int integer intersect interval into is isnull join json json_array json_arrayagg json_exists json_object json_objectagg json_query json_scalar json_serialize json_table" +
	" json_value lateral leading least left like limit localtime localtimestamp merge_action national natural nchar none normalize not notnull null nullif numeric offset on only or" +
	" order out outer overlaps overlay placing position precision primary real references returning right row select session_user setof similar smallint some substring symmetric" +
	" system_user table tablesample then time timestamp to trailing treat trim true union unique user using values varchar variadic verbose when where window with xmlattributes" +
	" xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable "
