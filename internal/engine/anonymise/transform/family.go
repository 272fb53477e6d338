package transform

import (
	"slices"
	"strings"
)

// A Family is a group of PostgreSQL types whose text forms are alike.
type Family string

// The families.
const (
	Text      Family = "text" // text, varchar, char, citext, name, xml
	Integer   Family = "integer"
	Number    Family = "number" // numeric, real, double precision, money excepted
	Boolean   Family = "boolean"
	Date      Family = "date"
	Timestamp Family = "timestamp" // with and without time zone
	UUID      Family = "uuid"
	Network   Family = "network" // inet, cidr
	Hardware  Family = "hardware address"
	JSON      Family = "json" // json, jsonb
	Bytes     Family = "bytea"
	Point     Family = "point"
	Array     Family = "array"
	Enum      Family = "enum"
	Other     Family = "other" // ranges, hstore, composite types, and whatever an extension brings
)

// anything is every family, for what looks at no value.
var anything = []Family{Text, Integer, Number, Boolean, Date, Timestamp, UUID, Network, Hardware, JSON, Bytes, Point, Array, Enum, Other}

// FamilyOf tells the family of a type as format_type writes it.
func FamilyOf(typ string) Family {
	if strings.HasSuffix(typ, "[]") {
		return Array
	}
	switch typ {
	case "text", "character varying", "character", "citext", "name", "bpchar", "xml", "public.citext":
		return Text
	case "smallint", "integer", "bigint", "oid":
		return Integer
	case "numeric", "real", "double precision":
		return Number
	case "boolean":
		return Boolean
	case "date":
		return Date
	case "timestamp with time zone", "timestamp without time zone":
		return Timestamp
	case "uuid":
		return UUID
	case "inet", "cidr":
		return Network
	case "macaddr", "macaddr8":
		return Hardware
	case "json", "jsonb":
		return JSON
	case "bytea":
		return Bytes
	case "point":
		return Point
	}
	return Other
}

func joinFamilies(f []Family) string {
	var all []string
	for _, s := range f {
		all = append(all, string(s))
	}
	return strings.Join(all, ", ")
}

func (d *Description) fits(f Family) bool { return slices.Contains(d.Fits, f) }
