package demo

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/demo/arena"
)

// openArena is the arena over a stage, whose annex says what annex says.
func (s *stage) openArena(annex func(context.Context) ([]arena.Sentence, error)) *Arena {
	s.t.Helper()
	a, err := s.c.OpenArena(context.Background(), s.app, s.minter, "http://trust.localhost:8481", annex)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(a.Close)
	return a
}

func said(context.Context) ([]arena.Sentence, error) {
	return []arena.Sentence{{ID: "SEG-2", State: "met", Text: map[string]string{"fr": "Seule une connexion valable…", "en": "Only a valid login…"}}}, nil
}

// What a visitor does: gets in with what the page gives, does not find the prize, and sends in
// something; a superuser's help is seen, and counted apart.
func TestArena(t *testing.T) {
	s := newStage(t)
	a := s.openArena(said)
	b := s.browser()
	ask := func(method, path string, form url.Values) (int, string) {
		status, text, _ := b.ask(method, a.Origin+path, form)
		return status, text
	}
	status, text := ask(http.MethodGet, "/?lang=en", nil)
	for _, want := range []string{"The wall stands.", "PGPASSWORD=", "host=127.0.0.1", PrizeID, "Assurances de l’Exemple", "garant demo shell --superuser", "SEG-2", "Only a valid login"} {
		if status != 200 || !strings.Contains(text, want) {
			t.Errorf("%d: the page lacks %q", status, want)
		}
	}
	if !strings.Contains(text, a.Recipe[:20]) {
		t.Error("the page and the terminal say different things")
	}
	// The login works in SQL, and does not find the prize.
	_, text = ask(http.MethodPost, "/login?lang=en", url.Values{})
	given := regexp.MustCompile(`garant\.enter\(&#39;\\x([0-9a-f]{264})&#39;\)|garant\.enter\('\\x([0-9a-f]{264})'\)`).FindStringSubmatch(text)
	if given == nil {
		t.Fatalf("no login:\n%s", text)
	}
	visitor := &attacker{s, t, given[1] + given[2]}
	if out := visitor.run(`BEGIN;;SELECT garant.enter('\x` + visitor.token + `');;SELECT count(*) FROM customer.application;;SELECT description FROM customer.application WHERE id = '` + PrizeID + `'`); !strings.Contains(out, "60 ") || !strings.Contains(out, "[SELECT 0]") {
		t.Errorf("in the database:\n%s", out)
	}
	if status, text := ask(http.MethodPost, "/try?lang=en", url.Values{"text": {"PRIX-RIEN"}}); status != 422 || !strings.Contains(text, "That is not the text") {
		t.Errorf("a wrong text: %d", status)
	}
	prizeNow := func() string { // as a superuser who stays long enough to be seen
		row := s.owner(`SELECT description FROM customer.application, pg_sleep(2.5) WHERE id = $1`, PrizeID)
		return row[0]
	}
	settled := func(wall, alone bool) { // the arena has looked, and made a new prize where one was due
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
			w, al, err := a.wall.Stands(context.Background())
			if _, text := ask(http.MethodGet, "/state?lang=en", nil); err == nil && w == wall && al == alone && strings.Contains(text, map[bool]string{true: `"wall":true`, false: `"wall":false`}[wall]) && strings.Contains(text, map[bool]string{true: `"alone":true`, false: `"alone":false`}[alone]) {
				time.Sleep(2500 * time.Millisecond) // whoever looked for a moment is forgotten
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("wall %t %t, alone %t %t, %v", w, wall, al, alone, err)
			}
		}
	}
	// No visitor gets at the prize, and neither does the test: it names one.
	a.Arena.Reset("PRIX-CONNU")
	if status, text := ask(http.MethodPost, "/try?lang=en", url.Values{"text": {" PRIX-CONNU "}}); status != 200 || !strings.Contains(text, "the wall was crossed") {
		t.Errorf("the prize: %d\n%s", status, text)
	}
	if got := a.Tally(); got.Logins != 1 || got.Tries != 2 || got.Crossings != 1 || got.Assisted != 0 || got.Last.IsZero() {
		t.Errorf("%+v", got)
	}
	settled(true, true)
	if _, text := ask(http.MethodPost, "/try?lang=en", url.Values{"text": {"PRIX-CONNU"}}); !strings.Contains(text, "sent in before, or was replaced") {
		t.Error("the same prize counts twice")
	}
	// A superuser drops a policy, reads and sends in.
	before := prizeNow()
	settled(true, true) // reading it as a superuser has spent it
	if now := prizeNow(); now == before || !strings.HasPrefix(now, "PRIX-") {
		t.Errorf("the prize that a superuser read is still there: %s", now)
	}
	settled(true, true)
	if err := (production{s.c.db}).exec(`DROP POLICY garant_select ON customer.application; CREATE POLICY garant_select ON customer.application FOR SELECT TO app USING (true)`); err != nil {
		t.Fatal(err)
	}
	settled(false, true)
	out := visitor.run(`SELECT description FROM customer.application WHERE id = '` + PrizeID + `'`)
	found := regexp.MustCompile(`PRIX-\w+`).FindString(out)
	if found == "" {
		t.Fatalf("the wall is down and the prize is hidden: the test proves nothing\n%s", out)
	}
	if _, text := ask(http.MethodPost, "/try?lang=en", url.Values{"text": {found}}); !strings.Contains(text, "it is no crossing") {
		t.Errorf("through a hole that a superuser made:\n%s", text)
	}
	if err := s.c.Mend(productionName); err != nil {
		t.Fatal(err)
	}
	settled(true, true)
	if got := a.Tally(); got.Crossings != 1 || got.Assisted != 1 {
		t.Errorf("%+v", got)
	}
	// What was counted outlives the arena.
	kept := a.Tally()
	a.Close()
	again := s.openArena(func(context.Context) ([]arena.Sentence, error) { return nil, errors.New("away") })
	if again.Tally() != kept {
		t.Errorf("%+v, was %+v", again.Tally(), kept)
	}
	if _, text := ask(http.MethodGet, "/?lang=fr", nil); !strings.Contains(text, "L’annexe ne peut pas être lue") {
		t.Error("an annex that cannot be read is not said")
	}
}
