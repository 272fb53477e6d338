package witness_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/catalogue"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/witness"
	"github.com/garant-project/garant/internal/witness/watch"
)

// bearer lets in who has the token.
type bearer string

func (b bearer) Authenticate(r *http.Request) (actor.Actor, error) {
	if r.Header.Get("Authorization") != "Bearer "+string(b) {
		return actor.Anonymous(""), nil
	}
	return actor.Actor{Kind: actor.Person, ID: "019b0000-0000-7000-8000-000000000001", Permissions: []actor.Permission{actor.ImportEvidence}}, nil
}

// TestDelivery joins a witness and a Garant over HTTP: what it signs is taken and confirms the measure; with another key, or
// another token, nothing is.
func TestDelivery(t *testing.T) {
	dir := t.TempDir()
	public, err := watch.MakeKey(filepath.Join(dir, "witness.key"))
	if err != nil {
		t.Fatal(err)
	}
	e, err := estate.Parse([]byte("company: {name: Ardoise, legal_name: Ardoise SRL, country: BE, languages: [en], time_zone: Europe/Brussels, contact: dpo@ardoise.example}\n"+
		"witness:\n  - {name: vigie, key: '"+estate.FormatWitnessKey(public)+"', refused: ['127.0.0.1:1']}\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	cat, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	base, err := measure.NewRegistry(cat, witness.New(nil, nil))
	if err != nil {
		t.Fatal(err)
	}
	reg, err := base.For(cat, e)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	runner := &measure.Runner{Registry: reg, DB: pgtest.New(t), Build: "test", Now: time.Now, Log: log,
		View: func(context.Context) (measure.View, error) {
			return measure.View{Estate: e, Version: 1, Registry: reg}, nil
		}}
	book := &witness.Book{DB: runner.DB, Receiver: runner, Now: time.Now}
	api := web.NewAPI("Garant", "test")
	book.AddAPI(api)
	site, err := web.NewSite(web.Config{Name: "console", Hosts: []string{"127.0.0.1"}, Routes: api.Routes(), Auth: bearer("right"), Languages: []string{"en"}, Log: log, Metrics: web.NewMetrics(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	garant := httptest.NewServer(site)
	defer garant.Close()
	document := strings.Repeat("b", 64)
	annex := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = web.WriteJSON(w, 200, map[string]any{"company": map[string]string{"legal_name": "Ardoise SRL"}, "document": document, "version": 1,
			"since": time.Now().Add(-time.Hour), "at": time.Now(), "measures": []any{map[string]string{"id": "NET-1", "state": "met"}}})
	}))
	defer annex.Close()

	round := func(token string) watch.Report {
		t.Helper()
		t.Setenv("WITNESS_TEST_TOKEN", token)
		file, err := estate.ParseWitness([]byte("name: vigie\ncompany: Ardoise SRL\nkey: file:witness.key\nannex: {url: '"+annex.URL+"'}\ngarant: {url: '"+garant.URL+
			"', token: env:WITNESS_TEST_TOKEN}\nrefused: ['127.0.0.1:1']\nalarm: {exit: true}\n"), estate.Dir(dir))
		if err != nil {
			t.Fatal(err)
		}
		key, err := watch.LoadKey(file.Key.Path())
		if err != nil {
			t.Fatal(err)
		}
		w, err := watch.Open(watch.Config{File: file, Key: key, Now: time.Now, Log: log})
		if err != nil {
			t.Fatal(err)
		}
		report, err := w.Round(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		return report
	}
	if r := round("wrong"); r.Sent {
		t.Error("taken without the right token")
	}
	r := round("right")
	if !r.Sent {
		t.Fatalf("%+v", r)
	}
	marks, err := witness.Marks(context.Background(), runner.DB.Pool(pg.Worker), e, document, time.Now())
	if err != nil || marks["NET-1"].Name != "vigie" || marks["NET-1"].Key != witness.Fingerprint(public) {
		t.Errorf("%+v %v", marks, err)
	}
	current, err := measure.LoadCurrent(context.Background(), runner.DB.Pool(pg.Staff))
	if err != nil || current[witness.CheckReach] == nil || current[witness.CheckReach].Finding.Outcome != measure.Pass {
		t.Errorf("%+v %v", current[witness.CheckReach], err)
	}
	if _, err := book.Take(context.Background(), actor.NewSystem("test"), r.Signed); !errs.Is(err, errs.Conflict) {
		t.Errorf("taken twice: %v", err)
	}
}
