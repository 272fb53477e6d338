package filltest_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/garant-project/garant/internal/engine/anonymise/catalog"
	"github.com/garant-project/garant/internal/engine/anonymise/filltest"
	"github.com/garant-project/garant/internal/engine/anonymise/personal"
	"github.com/garant-project/garant/internal/pg/cluster"
)

// TestFillOdd fills a schema with everything that is odd, twice alike.
func TestFillOdd(t *testing.T) {
	var dumps []string
	for _, name := range []string{"odd_one", "odd_two", "odd_other"} {
		seed := uint64(3)
		if name == "odd_other" {
			seed = 4
		}
		s := newSource(t, name, "../catalog/testdata/odd.sql", filltest.Options{Seed: seed, Rows: 20})
		if s.filled.Rows < 250 {
			t.Errorf("%d rows, empty: %v", s.filled.Rows, s.filled.Empty)
		}
		n := catalog.Name{Schema: "public", Table: "member"}
		for where, want := range map[string]personal.Kind{"email": personal.Email, "first_name": personal.GivenName, "mobile": personal.Phone, "remarks": personal.Text, "country": personal.None} {
			if got := s.filled.Truth(n, where, ""); got != want {
				t.Errorf("%s is %s", where, got)
			}
		}
		if got := s.filled.Truth(n, "profile", "contact.email"); got != personal.Email {
			t.Errorf("the document has %s", got)
		}
		file := filepath.Join(t.TempDir(), "dump")
		if err := filltest.Dump(t.Context(), production.BinDir(), production.DSN(cluster.SuperUser, name), file); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(file) //nolint:gosec // of the test
		must(t, err)
		data := regexp.MustCompile(`(?s)\nCOPY (\S+).*?\n\\\.\n`).FindAllString(string(text), -1)
		slices.Sort(data)
		dumps = append(dumps, regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+\+00`).ReplaceAllString(strings.Join(data, ""), "NOW")) // some columns default to the time
	}
	if dumps[0] != dumps[1] {
		a, b := strings.Split(dumps[0], "\n"), strings.Split(dumps[1], "\n")
		for i := range a {
			if i >= len(b) || a[i] != b[i] {
				t.Fatalf("the same seed gives others: %q and %q", a[i], b[min(i, len(b)-1)])
			}
		}
	}
	if dumps[0] == dumps[2] {
		t.Error("another seed gives the same")
	}
}

// TestGrep holds the scanner to what it must find and what not.
func TestGrep(t *testing.T) {
	file := filepath.Join(t.TempDir(), "text")
	must(t, os.WriteFile(file, []byte("Rappelé ÉLODIE Quatresols,\tquatresols12@firma.example\\nfin a.c 47A2\n"), 0o600))
	found, err := filltest.Grep(t.Context(), file, []string{"Élodie Quatresols", "Quatresols", "quatresols12@firma.example", "quatresols", "a*c", "abc", "Vandenbrempt", "47a2"})
	must(t, err)
	slices.Sort(found)
	if want := []string{"47a2", "Quatresols", "quatresols", "quatresols12@firma.example", "Élodie Quatresols"}; !slices.Equal(found, want) {
		t.Errorf("%q", found)
	}
	if found, err := filltest.Grep(t.Context(), file, []string{"nobody"}); err != nil || len(found) > 0 {
		t.Errorf("%q, %v", found, err)
	}
}
