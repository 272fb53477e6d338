package run

import (
	"maps"
	"strings"
	"testing"

	"github.com/garant-project/garant/internal/engine/anonymise/personal"
	"github.com/garant-project/garant/internal/engine/anonymise/plan"
)

// TestWhatOnlySentencesSayIsKnown puts values that no column of their own holds into sentences, documents and lists, and each again into a column that is kept: all are found there.
func TestWhatOnlySentencesSayIsKnown(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	w := newWorld(t, 12)
	w.exec(`CREATE TABLE shop.told (id int, sentence text, list text[], document jsonb, dropped jsonb, again text, other jsonb);
INSERT INTO shop.told (id, sentence, list, document, dropped, again) VALUES
(1, 'Le paiement vient de BE71 0961 2345 6769, voir avec la banque.', NULL, NULL, NULL, 'x BE71096123456769'),
(2, 'Son adresse : nadege.oberkampf@laposte-privee.example, à rappeler.', NULL, NULL, NULL, 'nadege.oberkampf@laposte-privee.example'),
(3, 'La voisine, Mme Nadège Oberkampf, a appelé.', NULL, NULL, NULL, 'chez Nadege Oberkampf'),
(4, NULL, '{"rien","à joindre au +32 475 61 62 63"}', NULL, NULL, '0475/616263'),
(5, NULL, NULL, '{"said": "écrire à gudrun.alt@briefkasten-alt.example"}', NULL, 'gudrun.alt@briefkasten-alt.example'),
(6, NULL, NULL, NULL, '{"any": [{"thing": "ludo.claes@postbus-claes.example"}]}', 'ludo.claes@postbus-claes.example');
INSERT INTO shop.told (id, again) VALUES (7, 'rien'), (8, 'BE68 5390 0754 7034')`)
	rule := func(c *plan.Column, class personal.Class, kind personal.Kind, name string, args ...any) {
		c.Class, c.Kind, c.Transform = class, kind, spec(name, args...)
	}
	for _, c := range []struct {
		rows string
		want map[personal.Kind]int
	}{
		{``, map[personal.Kind]int{personal.Email: 3, personal.IBAN: 1, personal.Phone: 1, personal.FullName: 3}}, // her name stands in her address, too, twice: as words of it, and without what joins them
		{`DELETE FROM shop.told WHERE id <= 6`, map[personal.Kind]int{}},
	} {
		w.exec(c.rows)
		w.plan = w.proposed()
		rule(w.column("told", "sentence"), personal.FreeText, personal.Text, "free_text")
		rule(w.column("told", "list"), personal.FreeText, personal.Text, "suppress")
		rule(w.column("told", "document"), personal.FreeText, personal.Text, "json", "paths", map[string]any{"said": "free_text"})
		rule(w.column("told", "dropped"), personal.FreeText, personal.Text, "suppress")
		r, err := w.copy()
		w.must(err)
		found := map[personal.Kind]int{}
		for _, h := range r.Leaks.Hits {
			if h.Table == "shop.told" && h.Column == "again" {
				found[h.Kind] += h.Count
			} else {
				t.Errorf("hit %+v", h)
			}
		}
		if !maps.Equal(found, c.want) || r.Passed() != (len(c.want) == 0) {
			t.Errorf("%v, want %v: %v", found, c.want, r.Problems)
		}
		r.Close()
	}
}

// TestNamesInDocuments has the given name in a document stay what it was, where others bear it too, and stand beside it.
func TestNamesInDocuments(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	w := newWorld(t, 12)
	w.exec(`CREATE TABLE shop.team (id int, members jsonb, motto text);
INSERT INTO shop.team VALUES (1, '{"lead": "Mathilde", "town": "Namur", "all": [{"first": "Zoé"}, {"first": "Björn"}, {"first": "Élodie"}, {"first": "Wouter"}]}', 'ensemble')`)
	documents := func(lead string) {
		w.plan = w.proposed()
		c := w.column("team", "members")
		c.Class, c.Kind = personal.FreeText, personal.Text
		c.Transform = spec("json", "paths", map[string]any{"lead": lead, "town": "town", "all[].first": "given_name"})
		c.Paths = []plan.Path{{Path: "lead", Kind: personal.GivenName, Reason: "so says the test"}}
	}
	documents("given_name")
	w.published()
	documents("keep")
	w.leaks("shop.team.members (names in it): 1 times a value of the source of kind given_name")
	documents("given_name")
	w.exec(`UPDATE shop.team SET motto = 'Vive Wouter !'`)
	w.leaks("shop.team.motto: 1 times a value of the source of kind given_name")
	r, err := w.copy()
	w.must(err)
	if len(r.Problems) != 1 || strings.Contains(strings.Join(r.Problems, ""), "Wouter") {
		t.Errorf("problems are %q", r.Problems)
	}
}
