package sqlname_test

import (
	"testing"

	"github.com/garant-project/garant/internal/pg/sqlname"
)

func TestSplit(t *testing.T) {
	for written, want := range map[string][2]string{
		`a.b`: {"a", "b"}, `"A b".c`: {"A b", "c"}, `"a.b"."c""d"`: {"a.b", `c"d`}, `_x."select"`: {"_x", "select"},
	} {
		schema, name, ok := sqlname.Split(written)
		if !ok || schema != want[0] || name != want[1] || sqlname.Qualified(schema, name) != written {
			t.Errorf("%s: %q %q %t, back %s", written, schema, name, ok, sqlname.Qualified(schema, name))
		}
	}
	for _, bad := range []string{"", "a", "a.", ".b", "a.b.c", "A.b", `"a.b`, `"a"b.c`, `"".b`, "a b.c", `a."b"x`} {
		if _, _, ok := sqlname.Split(bad); ok {
			t.Errorf("%q is a name", bad)
		}
	}
}

func TestShown(t *testing.T) {
	for name, want := range map[string]string{"user": "user", "User": `"User"`, "a b": `"a b"`, `a"b`: `"a""b"`, "1a": `"1a"`, "_1": "_1", "é": `"é"`} {
		if got := sqlname.Shown(name); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
}
