package reidentify

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/pg/cluster"
	"github.com/garant-project/garant/internal/pg/pgtest"
)

var running *cluster.Cluster

func TestMain(m *testing.M) {
	os.Exit(pgtest.WithCluster(cluster.Options{Users: []string{"reader"}}, func(c *cluster.Cluster) int {
		running = c
		return m.Run()
	}))
}

// reader is a role that may only read, on a database that setup prepared.
func reader(t *testing.T, setup string) *pgx.Conn {
	t.Helper()
	ctx := context.Background()
	super, err := pgx.Connect(ctx, running.DSN(cluster.SuperUser, "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer super.Close(ctx)
	for _, sql := range []string{"DROP DATABASE IF EXISTS copy", "CREATE DATABASE copy", "DROP ROLE IF EXISTS reader", "CREATE ROLE reader LOGIN"} {
		if _, err := super.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	owner, err := pgx.Connect(ctx, running.DSN(cluster.SuperUser, "copy"))
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close(ctx)
	if _, err := owner.Exec(ctx, setup+`; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader`); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(ctx, running.DSN("reader", "copy"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(ctx) })
	return conn
}

func TestClasses(t *testing.T) {
	conn := reader(t, `
CREATE TYPE sex AS ENUM ('f', 'm');
CREATE TABLE "Odd ""people" (id int, "né en" int, sex sex, zip text, pos point, doc json, illness text);
INSERT INTO "Odd ""people" VALUES
  (1, 1980, 'f', '10', '(1,2)', '{"a":1}', 'flu'), (2, 1980, 'f', '10', '(1,2)', '{"a":1}', 'flu'), (3, 1980, 'f', '10', '(1,2)', '{"a":1}', NULL),
  (4, 1981, 'm', '10', '(1,2)', '{"a":1}', 'flu'), (5, 1981, 'm', '10', '(1,2)', '{"a":1}', 'flu'),
  (6, 1990, NULL, '20', '(3,4)', '{"a":2}', 'cold'),
  (7, 1991, 'f', '30', NULL, NULL, 'cold'), (7, 1991, 'f', '30', NULL, NULL, 'flu');
CREATE TABLE nobody (a int);
CREATE MATERIALIZED VIEW nothing AS SELECT 1 AS a WHERE false`)
	ctx := context.Background()
	all := Table{Schema: "public", Name: `Odd "people`, Quasi: []string{"né en", "sex", "zip", "pos", "doc"}, Sensitive: []string{"illness"}}
	for _, c := range []struct {
		person string
		want   Classes
	}{
		{"", Classes{Rows: 8, Persons: 8, Classes: 4, Smallest: 1, Small: 5, Alone: 1, Diversity: []Diversity{{"illness", 1, 3}}}},
		{"id", Classes{Rows: 8, Persons: 7, Classes: 4, Smallest: 1, Small: 5, Alone: 3, Diversity: []Diversity{{"illness", 1, 3}}}},
	} {
		all.Person = c.person
		got, err := Measure(ctx, conn, all, 3, 2)
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("by %q: %+v, want %+v", c.person, got, c.want)
		}
	}
	for _, name := range []string{"nobody", "nothing"} {
		got, err := Measure(ctx, conn, Table{Schema: "public", Name: name, Quasi: []string{"a"}}, 3, 0)
		if err != nil || got.Rows != 0 || got.Smallest != 0 {
			t.Errorf("%s: %+v %v", name, got, err)
		}
	}
	for _, bad := range []Table{
		{Schema: "public", Name: "nobody", Quasi: []string{"b"}},
		{Schema: "public", Name: "gone", Quasi: []string{"a"}},
		{Schema: "public", Name: "nobody", Quasi: []string{"a"}, Sensitive: []string{"a; DROP TABLE nobody"}},
		{Schema: "public", Name: "nobody", Quasi: []string{"ctid"}},
	} {
		if _, err := Measure(ctx, conn, bad, 3, 2); !errors.Is(err, ErrColumns) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if _, err := Measure(ctx, conn, Table{Schema: "public", Name: "nobody"}, 3, 2); err == nil {
		t.Error("no quasi-identifiers are measured")
	}
}

// The figures of the notes: a full date of birth makes everybody unique, a year and a department do not.
func TestGeneralisationShows(t *testing.T) {
	conn := reader(t, `CREATE TABLE people AS SELECT i AS id, date '1940-01-01' + (i * 7919) % 25000 AS born, 1940 + (i * 13) % 40 / 10 * 10 AS decade, i % 2 AS sex, 1000 + (i * 31) % 9000 AS zip
FROM generate_series(1, 20000) i`)
	ctx := context.Background()
	fine, err := Measure(ctx, conn, Table{Schema: "public", Name: "people", Quasi: []string{"born", "sex", "zip"}}, 5, 0)
	if err != nil || fine.Alone != 20000 || fine.Smallest != 1 {
		t.Errorf("%+v %v", fine, err)
	}
	coarse, err := Measure(ctx, conn, Table{Schema: "public", Name: "people", Quasi: []string{"decade", "sex"}}, 5, 0)
	if err != nil || coarse.Alone != 0 || coarse.Smallest < 1000 || coarse.Small != 0 {
		t.Errorf("%+v %v", coarse, err)
	}
}

type person struct{ known, shown []string }

func bytesOf(values []string) [][]byte {
	out := make([][]byte, len(values))
	for i, v := range values {
		if v != "NULL" {
			out[i] = []byte(v)
		}
	}
	return out
}

func carryOut(t testing.TB, people []person, columns []string, limit, workers int) Outcome {
	t.Helper()
	a, err := NewAttack(columns, limit)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			at := a.Attacker()
			for i := w; i < len(people); i += workers {
				if err := at.Row(fmt.Appendf(nil, "person %d", i), bytesOf(people[i].known), bytesOf(people[i].shown)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	return a.Outcome()
}

// joined is the attack written the plain way: for each selection of columns, all rows against all people.
func joined(people []person, columns int) (worst, all int64) {
	for selection := 1; selection < 1<<columns; selection++ {
		key := func(v []string) string {
			var b strings.Builder
			for i, x := range v {
				if selection>>i&1 != 0 {
					fmt.Fprintf(&b, "%d:%q ", i, x)
				}
			}
			return b.String()
		}
		whose := map[string][]int{}
		for i, p := range people {
			whose[key(p.known)] = append(whose[key(p.known)], i)
		}
		var right int64
		for i, p := range people {
			if who := whose[key(p.shown)]; len(who) == 1 && who[0] == i {
				right++
			}
		}
		worst, all = max(worst, right), right
	}
	return worst, all
}

func draw(r *rand.Rand, n int) []person {
	people := make([]person, n)
	for i := range people {
		k := []string{fmt.Sprint(1940 + r.IntN(60)), []string{"f", "m", "NULL", ""}[r.IntN(4)], fmt.Sprint(1000 + r.IntN(n/4+1))}
		s := append([]string{}, k...)
		for j := range s {
			if r.IntN(3) == 0 {
				s[j] = fmt.Sprint(r.IntN(100))
			}
		}
		people[i] = person{k, s}
	}
	return people
}

func TestAttackAgreesWithJoin(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, n := range []int{1, 2, 10, 400, 3000} {
		for _, workers := range []int{1, 3} {
			people := draw(r, n)
			worst, all := joined(people, 3)
			o := carryOut(t, people, []string{"born", "sex", "zip"}, Limit, workers)
			if o.Rows != int64(n) || o.Worst.Right != worst || o.All.Right != all || o.Worst.Sampled != 1 {
				t.Errorf("%d people, %d workers: %+v, want %d and %d", n, workers, o, worst, all)
			}
		}
	}
}

// With too many combinations for the room that there is, a sample tells nearly the same.
func TestSampleIsFair(t *testing.T) {
	people := draw(rand.New(rand.NewPCG(7, 8)), 40_000)
	_, all := joined(people, 3)
	o := carryOut(t, people, []string{"born", "sex", "zip"}, 7*4000, 2)
	if o.All.Sampled >= 1 || o.All.Sampled < 0.01 {
		t.Fatalf("%+v", o.All)
	}
	if e := math.Abs(float64(o.All.Right-all)) / float64(all); e > 0.12 {
		t.Errorf("%d instead of %d: %.1f %% beside it", o.All.Right, all, 100*e)
	}
}

// A column that is changed protects only until the attack leaves it out.
func TestAttackLeavesColumnsOut(t *testing.T) {
	var people []person
	for i := range 500 {
		people = append(people, person{[]string{fmt.Sprint("1980-01-", i), fmt.Sprint(1000 + i)}, []string{fmt.Sprint("moved ", i), fmt.Sprint(1000 + i)}})
	}
	o := carryOut(t, people, []string{"born", "zip"}, Limit, 1)
	if o.All.Right != 0 || o.Worst.Right != 500 || len(o.Worst.Columns) != 1 || o.Worst.Columns[0] != "zip" || o.Same["zip"] != 1 || o.Same["born"] != 0 || o.Share() != 1 {
		t.Errorf("%+v", o)
	}
}

func TestAttackRefusesHalfRows(t *testing.T) {
	a, err := NewAttack([]string{"a", "b"}, Limit)
	if err != nil {
		t.Fatal(err)
	}
	one, two := [][]byte{nil}, [][]byte{nil, nil}
	at := a.Attacker()
	if at.Row([]byte("p"), one, two) == nil || at.Row([]byte("p"), two, one) == nil || at.Row(nil, two, two) == nil || at.Row([]byte("p"), two, two) != nil {
		t.Error("rows without all columns or without a person must be refused")
	}
	for _, columns := range [][]string{nil, strings.Split("abcdefg", "")} {
		if _, err := NewAttack(columns, Limit); err == nil {
			t.Errorf("%v is taken", columns)
		}
	}
	if _, err := NewAttack([]string{"a", "b"}, 3); err == nil {
		t.Error("no room is taken")
	}
}

func TestJudge(t *testing.T) {
	table := Table{Schema: "public", Name: "people", Quasi: []string{"born"}, Sensitive: []string{"illness"}}
	good := Classes{Rows: 1000, Persons: 1000, Classes: 10, Smallest: 50, Diversity: []Diversity{{"illness", 4, 0}}}
	attack := func(right int64) *Outcome {
		return &Outcome{Rows: 1000, Worst: Linked{Columns: []string{"born"}, Right: right}}
	}
	want := Thresholds{K: 10, L: 3, Small: 0.01, Linked: 0.001}
	with := func(change func(*Classes)) Classes {
		c := good
		c.Diversity = append([]Diversity{}, good.Diversity...)
		change(&c)
		return c
	}
	for _, c := range []struct {
		name    string
		classes Classes
		attack  *Outcome
		want    Thresholds
		figures []Figure
	}{
		{"good", good, attack(1), want, nil},
		{"few in small classes", with(func(c *Classes) { c.Smallest, c.Small = 2, 10 }), attack(0), want, nil},
		{"many in small classes", with(func(c *Classes) { c.Smallest, c.Small = 2, 11 }), attack(0), want, []Figure{ClassSize}},
		{"little variety", with(func(c *Classes) { c.Diversity[0] = Diversity{"illness", 1, 500} }), attack(0), want, []Figure{Variety}},
		{"linked", good, attack(2), want, []Figure{Linkable}},
		{"no attack", good, nil, want, []Figure{NoAttack}},
		{"attack on other rows", good, &Outcome{Rows: 999}, want, []Figure{NoAttack}},
		{"no rows", Classes{}, &Outcome{}, want, []Figure{NoRows}},
		{"no threshold", good, attack(0), Thresholds{}, []Figure{Unasked}},
		{"all at once", with(func(c *Classes) { c.Smallest, c.Small, c.Diversity[0] = 1, 900, Diversity{"illness", 1, 500} }), attack(900), want, []Figure{ClassSize, Variety, Linkable}},
	} {
		got := Judge(table, c.classes, c.attack, c.want)
		var figures []Figure
		for _, p := range got {
			figures = append(figures, p.Figure)
		}
		if fmt.Sprint(figures) != fmt.Sprint(c.figures) {
			t.Errorf("%s: %v, want %v", c.name, got, c.figures)
		}
	}
}

func BenchmarkAttack(b *testing.B) {
	a, err := NewAttack([]string{"born", "sex", "zip"}, Limit)
	if err != nil {
		b.Fatal(err)
	}
	at := a.Attacker()
	known, shown := [][]byte{make([]byte, 10), []byte("f"), make([]byte, 5)}, [][]byte{make([]byte, 4), []byte("f"), make([]byte, 2)}
	who := make([]byte, 8)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		who[i&7]++
		known[0][i%10]++
		known[2][i%5]++
		shown[0][i&3]++
		if err := at.Row(who, known, shown); err != nil {
			b.Fatal(err)
		}
	}
}
