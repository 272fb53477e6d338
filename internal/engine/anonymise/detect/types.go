package detect

import "strings"

// A family is what a type can hold at all.
type family uint8

const (
	ofUnknown family = iota
	ofText
	ofNumber
	ofBoolean
	ofTime
	ofUUID
	ofNetwork
	ofHardware
	ofPlace
	ofJSON
	ofBytes
	ofSearch
	ofEnum
	ofPlain // says nothing of a person: intervals, ranges, money, bits
)

type typed struct {
	name   string // without length, schema, array
	family family
}

// typeOf reads the type of a column as PostgreSQL writes it. An array is what its elements are.
func typeOf(name string, enum bool) typed {
	n := strings.ToLower(strings.TrimSpace(name))
	for strings.HasSuffix(n, "[]") {
		n = strings.TrimSuffix(n, "[]")
	}
	n = strings.TrimSuffix(n, " array")
	if before, after, ok := strings.Cut(n, "("); ok {
		_, after, _ = strings.Cut(after, ")")
		n = before + after // timestamp(3) with time zone
	}
	n = strings.Join(strings.Fields(n), " ")
	if _, after, ok := strings.Cut(n, "."); ok {
		n = after
	}
	n = strings.Trim(n, `"`)
	n = strings.TrimPrefix(n, "_") // how the catalogue names an array
	if enum {
		return typed{n, ofEnum}
	}
	switch n {
	case "text", "varchar", "character varying", "char", "character", "bpchar", "citext", "name", "string", "ltree", "xml":
		return typed{n, ofText}
	case "int2", "int4", "int8", "integer", "bigint", "smallint", "numeric", "decimal", "real", "float4", "float8", "double precision", "serial", "bigserial", "smallserial":
		return typed{n, ofNumber}
	case "bool", "boolean":
		return typed{n, ofBoolean}
	case "date", "timestamp", "timestamptz", "timestamp without time zone", "timestamp with time zone", "time", "timetz", "time without time zone", "time with time zone":
		return typed{n, ofTime}
	case "uuid":
		return typed{n, ofUUID}
	case "inet", "cidr", "ip4", "ip6", "ip4r", "ip6r", "iprange":
		return typed{n, ofNetwork}
	case "macaddr", "macaddr8":
		return typed{n, ofHardware}
	case "point", "geometry", "geography", "lseg", "path", "polygon", "circle", "box", "line", "earth":
		return typed{n, ofPlace}
	case "json", "jsonb", "hstore":
		return typed{n, ofJSON}
	case "bytea", "oid", "lo":
		return typed{n, ofBytes}
	case "tsvector", "vector", "halfvec", "sparsevec": // words of a text; what a model made of it
		return typed{n, ofSearch}
	case "interval", "money", "bit", "bit varying", "varbit", "int4range", "int8range", "numrange", "tsrange", "tstzrange", "daterange", "int4multirange", "int8multirange",
		"nummultirange", "tsmultirange", "tstzmultirange", "datemultirange", "tsquery", "pg_lsn", "xid", "xid8", "tid", "regclass", "regproc", "regtype", "regrole", "txid_snapshot", "pg_snapshot":
		return typed{n, ofPlain}
	}
	return typed{n, ofUnknown}
}
