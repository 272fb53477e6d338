package subset

import (
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/garant-project/garant/internal/engine/anonymise/catalog"
)

func TestSet(t *testing.T) {
	s := newSet(8192)
	if s.width < 291+1 || s.width%64 != 0 {
		t.Errorf("%d places for each page", s.width)
	}
	want := []pgtype.TID{{BlockNumber: 0, OffsetNumber: 1, Valid: true}, {BlockNumber: 0, OffsetNumber: 291, Valid: true}, {BlockNumber: 1, OffsetNumber: 1, Valid: true}, {BlockNumber: 70000, OffsetNumber: 64, Valid: true}}
	for _, i := range []int{3, 0, 2, 1, 3, 3} {
		if _, fits := s.add(want[i]); !fits {
			t.Errorf("%v does not fit", want[i])
		}
	}
	if got := slices.Collect(s.rows()); !slices.Equal(got, want) || s.n != 4 {
		t.Errorf("%d rows: %v", s.n, got)
	}
	if added, _ := s.add(want[1]); added {
		t.Error("a row was added twice")
	}
	if _, fits := s.add(pgtype.TID{OffsetNumber: 400}); fits {
		t.Error("a place that no page has fits")
	}
}

func TestParseReference(t *testing.T) {
	for text, want := range map[string]Reference{
		`public.visit(ticket) -> public.ticket(id)`: {catalog.Name{Schema: "public", Table: "visit"}, catalog.Name{Schema: "public", Table: "ticket"}, []string{"ticket"}, []string{"id"}, "", ""},
		` a."B C" (x, "Y y")->d.e(f,g) when kind = 'it is (so)'`: {catalog.Name{Schema: "a", Table: "B C"}, catalog.Name{Schema: "d", Table: "e"}, []string{"x", "Y y"}, []string{"f", "g"},
			"kind", "it is (so)"},
	} {
		if got, err := ParseReference(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "visit(ticket) -> ticket(id)", "a.b(c) -> d.e(f, g)", "a.b() -> d.e()", "a.b(c) -> d.e(f) when g", "a.b(c) = d.e(f)"} {
		if got, err := ParseReference(text); err == nil {
			t.Errorf("%q is read as %+v", text, got)
		}
	}
}

func TestTypesNameTables(t *testing.T) {
	for value, want := range map[string]string{
		"Post": "posts", "BlogPost": "blog_posts", `App\Models\BlogPost`: "blog_posts", "Admin::Person": "people", "blog_posts": "blog_posts", "company": "companies", "Box": "boxes", "HTTPServer": "http_servers",
		"Child": "children", "user": "User", "orders": "order", "API::V2::Key": "keys", "House": "houses", "Status": "statuses",
	} {
		if !slices.ContainsFunc(spellings(value), func(s string) bool { return sameNoun(snake(want), s) }) {
			t.Errorf("%s is read as %v, not as %s", value, spellings(value), want)
		}
	}
	for a, b := range map[string]string{"post": "poster", "user": "use", "ticket": "tick", "": "s"} {
		if sameNoun(a, b) && a != "" {
			t.Errorf("%s is taken for %s", a, b)
		}
	}
}

// TestComponents orders parents before children and puts cycles together.
func TestComponents(t *testing.T) {
	by := map[string]*table{}
	var all []*table
	for _, n := range []string{"a", "b", "c", "d", "e"} {
		by[n] = &table{name: catalog.Name{Schema: "s", Table: n}}
		all = append(all, by[n])
	}
	refer := func(from, to string, mandatory bool) {
		r := &reference{child: side{table: by[from]}, parent: side{table: by[to]}, mandatory: mandatory}
		by[from].out = append(by[from].out, r)
	}
	refer("a", "b", true)
	refer("b", "c", true)
	refer("c", "b", true)
	refer("c", "d", true)
	refer("d", "a", false)
	refer("e", "e", true)
	var got [][]string
	for _, group := range components(all) {
		var names []string
		for _, t := range group {
			names = append(names, t.name.Table)
		}
		slices.Sort(names)
		got = append(got, names)
	}
	if want := [][]string{{"d"}, {"b", "c"}, {"a"}, {"e"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestFewRows leaves a table with rows not without any, however small the part.
func TestFewRows(t *testing.T) {
	w := newWorld(t, "")
	w.exec(`CREATE TABLE a (id integer PRIMARY KEY); INSERT INTO a VALUES (1), (2), (3); CREATE TABLE b (a integer REFERENCES a, x text); INSERT INTO b VALUES (NULL, 'a'), (3, 'b');
		CREATE TABLE c (a integer NOT NULL REFERENCES a); INSERT INTO c SELECT 1 + n % 3 FROM generate_series(1, 30) n; CREATE TABLE d ()`)
	r := w.take(Subset{Kind: Percent, Percent: 0.001, Small: NoneSmall})
	s := w.subset()
	w.holds(s)
	if n := ask[int](w, s, `SELECT count(*) FROM a`); n < 1 || n > 2 {
		t.Errorf("%d of 3 rows", n)
	}
	if n := ask[int](w, s, `SELECT count(*) FROM b`); n != 1 {
		t.Errorf("%d of 2 rows", n)
	}
	if n := ask[int](w, s, `SELECT count(*) FROM c`); n != 10 {
		t.Errorf("%d of 30 rows come with one of a", n)
	}
	if got := r.table(t, "public.d"); got.Rows != 0 || got.Share != 100 {
		t.Errorf("%+v", got)
	}
}

// TestEmpty takes a copy that holds nothing at all.
func TestEmpty(t *testing.T) {
	w := newWorld(t, "")
	for _, s := range []Subset{{}, {Kind: Percent, Percent: 5}} {
		if r := w.take(s); r.Rows != 0 || len(r.Tables) != 0 {
			t.Errorf("%+v", r)
		}
	}
}

// TestStandby reads a copy where nothing can be written.
func TestReadOnly(t *testing.T) {
	w := newWorld(t, "copy.sql")
	w.exec(`ALTER ROLE dev SET default_transaction_read_only = on; REVOKE TEMPORARY ON DATABASE ` + w.copy + ` FROM PUBLIC`)
	r := w.take(Subset{Kind: Percent, Percent: 3})
	w.holds(w.subset())
	if r.Rows == 0 {
		t.Error("nothing came")
	}
}

func TestOlderPrograms(t *testing.T) {
	w := newWorld(t, "")
	o := w.options(Subset{})
	o.BinDir = t.TempDir()
	if _, err := Take(t.Context(), o); err == nil {
		t.Error("nothing is said of missing programs")
	}
	if _, err := exec.LookPath(filepath.Join(copies.BinDir(), "pg_dump")); err != nil {
		t.Error(err)
	}
}
