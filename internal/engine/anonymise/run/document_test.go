package run

import (
	"slices"
	"testing"

	"github.com/garant-project/garant/internal/engine/anonymise/personal"
	"github.com/garant-project/garant/internal/engine/anonymise/plan"
)

func pathsOf(t *testing.T, paths, keys map[string]any) *paths {
	t.Helper()
	p := documentPaths(plan.Column{Transform: spec("json", "paths", paths, "keys", keys)}, func(k personal.Kind, _ string) bool { return gathered(k) })
	if p == nil {
		t.Fatal("nothing of it is gathered")
	}
	return p
}

func TestDocumentsAreVisitedByPath(t *testing.T) {
	p := pathsOf(t, map[string]any{"by": "email", "to[].mail": "email", "who.*": "full_name", "tel": "phone", `"a.b"`: "email", "n": "keep"}, map[string]any{"index": "email"})
	for document, want := range map[string][]string{
		`{}`: nil, ` { } `: nil, `[]`: nil, `"a"`: nil, `null`: nil,
		`{"by": "a@b.example"}`:                                                 {"email a@b.example"},
		"\t{ \"by\" :\n\"a\" , \"n\" : 1}":                                      {"email a"},
		`{"n": {"by": "no", "x": "}\"]"}, "by": "a"}`:                           {"email a"},
		`{"by": ["no"], "tel": 32470123456, "by2": "no"}`:                       {"phone 32470123456"},
		`{"by": null, "tel": true, "n": -1.5e3}`:                                nil,
		`{"to": [{"mail": "a"}, {"x": ["mail"], "mail": "b"}, "c", []], "n":1}`: {"email a", "email b"},
		`{"who": {"x": "Zoé B", "y": {"z": "no"}}}`:                             {"full_name Zoé B"},
		`{"b\u0079": "\u00e9\"\\\ud83d\ude00\ud800"}`:                           {"email é\"\\😀\ufffd"},
		`{"a.b": "c", "a": {"b": "no"}}`:                                        {"email c"},
		`{"index": {"x@y.example": {"by": "no"}, "z": 1}}`:                      {"email x@y.example", "email z"},
	} {
		var got []string
		if err := p.visit([]byte(document), func(k personal.Kind, v []byte) { got = append(got, string(k)+" "+string(v)) }); err != nil {
			t.Errorf("%s: %v", document, err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", document, got, want)
		}
	}
	for _, broken := range []string{``, `{`, `{"by"`, `{"by": `, `{"by": "a`, `{"by": "a",}`, `{"by" "a"}`, `{by: 1}`, `{"by": "\x"}`, `{"to": [{"mail": "a"}`, `{"n": {"a": [}`, `{"by": "a"]`, `{"to": [1 2]}`} {
		if err := p.visit([]byte(broken), func(personal.Kind, []byte) {}); err == nil {
			t.Errorf("%s is taken for a document", broken)
		}
	}
}

// Whether the server follows the paths or we do, the same is found.
func TestPathsInTheServer(t *testing.T) {
	p := pathsOf(t, map[string]any{"by": "email", "who.it's": "full_name", "n": "keep"}, nil)
	sql, kinds, ok := p.selected("d")
	if !ok || len(sql) != 2 || !slices.Equal(kinds, []personal.Kind{personal.Email, personal.FullName}) {
		t.Fatalf("%v %v %v", sql, kinds, ok)
	}
	w := newWorld(t, 1)
	for document, want := range map[string][]string{
		`{"by": "a", "who": {"it's": "Zoé"}}`: {"a", "Zoé"}, `{"by": 12.50, "who": [1]}`: {"12.50"}, `{"by": {"by": "no"}, "who": null, "n": "x"}`: nil, `{"by": null, "who": {"it's": true}}`: nil, `3`: nil,
	} {
		var got []string
		for _, s := range sql {
			var v *string
			w.must(w.source.QueryRow(t.Context(), `SELECT `+s+` FROM (SELECT $1::text::jsonb AS d) x`, document).Scan(&v))
			if v != nil {
				got = append(got, *v)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", document, got, want)
		}
	}
	for _, paths := range []map[string]any{{"to[].mail": "email"}, {"who.*": "full_name"}} {
		if _, _, ok := pathsOf(t, paths, nil).selected("d"); ok {
			t.Errorf("%v are said to be keys alone", paths)
		}
	}
}
