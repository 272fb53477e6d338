package subset

import (
	"slices"
	"strings"
	"testing"

	"github.com/garant-project/garant/internal/engine/anonymise/catalog"
	"github.com/garant-project/garant/internal/engine/anonymise/personal"
	"github.com/garant-project/garant/internal/engine/anonymise/plan"
	"github.com/garant-project/garant/internal/engine/anonymise/run"
	"github.com/garant-project/garant/internal/engine/anonymise/transform"
	"github.com/garant-project/garant/internal/pg/cluster"
)

// TestPublished pulls what a run has really copied, proven and published, as a role that has no more rights than the run gave it.
func TestPublished(t *testing.T) {
	w := newWorld(t, "")
	super := laptop.DSN(cluster.SuperUser, "postgres") // which is production here
	production := w.name + "_production"
	w.must(execute(super, `CREATE DATABASE `+production))
	w.must(execute(laptop.DSN(cluster.SuperUser, production), `CREATE TABLE person (id serial PRIMARY KEY, size integer); CREATE TABLE letter (id serial PRIMARY KEY, person integer NOT NULL REFERENCES person, weight integer);
		INSERT INTO person (size) SELECT n % 9 FROM generate_series(1, 2000) n; INSERT INTO letter (person, weight) SELECT 1 + n % 2000, n % 7 FROM generate_series(1, 6000) n; ANALYZE`))
	p := &plan.Plan{Language: "fr-BE", Country: "BE"}
	for _, text := range []string{"letter id integer,person integer,weight integer", "person id integer,size integer"} {
		table, columns, _ := strings.Cut(text, " ")
		one := plan.Table{Name: catalog.Name{Schema: "public", Table: table}, Rows: plan.AllRows, Line: 1}
		for c := range strings.SplitSeq(columns, ",") {
			name, typ, _ := strings.Cut(c, " ")
			one.Columns = append(one.Columns, plan.Column{Name: name, Type: typ, Kind: personal.None, Class: personal.Harmless, Transform: transform.Spec{Name: "keep"}, Line: 1})
		}
		p.Tables = append(p.Tables, one)
	}
	w.must(execute(copies.DSN(cluster.SuperUser, "postgres"), `DROP DATABASE `+w.copy+` WITH (FORCE)`))
	target := copies.DSN(cluster.SuperUser, "postgres")
	r, err := run.Copy(t.Context(), run.Options{Source: laptop.DSN(cluster.SuperUser, production), Target: target, Name: w.copy, Plan: p, Workers: 2, BinDir: copies.BinDir(), Developers: []string{"hidden"}})
	w.must(err)
	defer r.Close()
	_, err = run.Publish(t.Context(), run.PublishOptions{Target: target, Report: r, Developers: []string{"hidden"}})
	w.must(err)
	w.must(execute(super, `DROP DATABASE `+production))

	o := w.options(Subset{Kind: Percent, Percent: 5})
	o.Source = copies.DSN("hidden", w.copy)
	got, err := Take(t.Context(), o)
	w.must(err)
	w.holds(w.subset())
	if got.Run != r.Run || !got.Data.Equal(r.Began) || got.Share < 3 || got.Share > 7 {
		t.Errorf("%+v", got)
	}
	if people, letters := ask[int](w, w.subset(), `SELECT count(*) FROM person`), ask[int](w, w.subset(), `SELECT count(*) FROM letter`); letters != 3*people {
		t.Errorf("%d letters of %d people", letters, people)
	}
	if next := ask[int](w, w.subset(), `SELECT nextval('letter_id_seq')`); next <= 6000 {
		t.Errorf("the sequence goes on at %d", next)
	}
	if !slices.Equal(w.databases(), []string{w.name}) {
		t.Error(w.databases())
	}
}
