package transformtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/engine/anonymise/names"
	"github.com/garant-project/garant/internal/engine/anonymise/personal"
	"github.com/garant-project/garant/internal/engine/anonymise/transform"
	"github.com/garant-project/garant/internal/pg/cluster"
	"github.com/garant-project/garant/internal/pg/pgtest"
)

var running *cluster.Cluster

func TestMain(m *testing.M) {
	os.Exit(pgtest.WithCluster(cluster.Options{}, func(c *cluster.Cluster) int {
		running = c
		return m.Run()
	}))
}

// drawn makes values that are the same in each run.
func drawn(f func(r *rand.Rand, i int) string) func(int) string {
	return func(i int) string { return f(rand.New(rand.NewPCG(7, uint64(i))), i) }
}

func digits(r *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('0' + r.IntN(10))
	}
	return string(b)
}

// picker draws for package names.
type picker struct{ *rand.Rand }

func (p picker) Below(n int) int { return p.IntN(n) }

func family(r *rand.Rand) string {
	l := names.Of(names.Languages()[r.IntN(len(names.Languages()))])
	if r.IntN(3) == 0 {
		return l.Family[r.IntN(len(l.Family))]
	}
	return string(l.AppendComposed(nil, picker{r}))
}

func given(r *rand.Rand) string {
	l := names.Of(names.Languages()[r.IntN(len(names.Languages()))])
	return l.Given(names.Female + names.Sex(r.IntN(2)))[r.IntN(200)]
}

func belgian(i int) string {
	n := uint64(i%100)*10_000_000 + uint64(1+i/100%12)*100_000 + uint64(1+i/1200%28)*1000 + uint64(1+i/33_600%997)
	return fmt.Sprintf("%09d%02d", n, 97-n%97)
}

func french(i int) string {
	n := uint64(1+i%2)*1_000_000_000_000 + uint64(i/2%100)*10_000_000_000 + uint64(1+i/200%12)*100_000_000 + uint64(1+i/2400%95)*1_000_000 + uint64(i/228_000*7%1_000_000)
	return fmt.Sprintf("%013d%02d", n, 97-n%97)
}

func iban(i int) string {
	n := uint64(539_000_000_0 + i*7)
	bban := fmt.Sprintf("%010d%02d", n, (n-1)%97+1)
	rem := 0
	for _, c := range bban + "111400" {
		rem = (rem*10 + int(c-'0')) % 97
	}
	return fmt.Sprintf("BE%02d%s", 98-rem, bban)
}

func text() transform.Column { return transform.Column{Name: "t.c", Type: "text"} }
func unique(typ string) transform.Column {
	return transform.Column{Name: "t.c", Type: typ, Unique: true, NotNull: true}
}
func of(typ string) transform.Column { return transform.Column{Name: "t.c", Type: typ} }

func spec(name string, args ...any) transform.Spec {
	s := transform.Spec{Name: name, Args: map[string]any{}}
	for i := 0; i < len(args); i += 2 {
		s.Args[args[i].(string)] = args[i+1]
	}
	return s
}

// cases are all transformers, most on several columns.
func cases() []Case {
	names := drawn(func(r *rand.Rand, _ int) string { return given(r) + " " + family(r) })
	mails := drawn(func(r *rand.Rand, i int) string {
		return fmt.Sprintf("%s.%s%d@firm%d.be", strings.ToLower(given(r)), strings.ToLower(family(r)), i, r.IntN(50))
	})
	date := drawn(func(r *rand.Rand, _ int) string {
		return fmt.Sprintf("%04d-%02d-%02d", 1900+r.IntN(120), 1+r.IntN(12), 1+r.IntN(28))
	})
	moment := drawn(func(r *rand.Rand, _ int) string {
		return fmt.Sprintf("%04d-%02d-%02d %02d:%02d:%02d.%06d+01", 1990+r.IntN(30), 1+r.IntN(12), 1+r.IntN(28), r.IntN(24), r.IntN(60), r.IntN(60), 100_000+r.IntN(899_999))
	})
	uuid := drawn(func(r *rand.Rand, _ int) string {
		return fmt.Sprintf("%08x-%04x-7%03x-a%03x-%012x", r.Uint32(), r.IntN(1<<16), r.IntN(1<<12), r.IntN(1<<12), r.Uint64()>>16)
	})
	phone := func(i int) string {
		return fmt.Sprintf("+32 47%d %02d %02d %02d", i/1_000_000%10, i/10_000%100, i/100%100, i%100)
	}
	number := func(i int) string { return fmt.Sprint(i*3 + 1) }
	return []Case{
		{Spec: spec("given_name"), Column: text(), Value: drawn(func(r *rand.Rand, _ int) string { return given(r) }), Freely: true},
		{Spec: spec("given_name", "language", "nl", "ascii", true), Column: transform.Column{Name: "t.c", Type: "character varying", Length: 6}, Value: drawn(func(r *rand.Rand, _ int) string { return given(r) }), Freely: true},
		{Spec: spec("family_name"), Column: text(), Value: drawn(func(r *rand.Rand, _ int) string { return family(r) })},
		{Spec: spec("full_name"), Column: text(), Value: names},
		{Spec: spec("full_name", "language", "de"), Column: transform.Column{Name: "t.c", Type: "character varying", Length: 20}, Value: names},
		{Spec: spec("email"), Growth: 1 << 18, Column: unique("citext"), Value: mails},
		{Spec: spec("email"), Growth: 1 << 18, Column: transform.Column{Name: "t.c", Type: "character varying", Length: 24, Unique: true}, Value: mails},
		{Spec: spec("username"), Growth: 1 << 18, Column: unique("text"), Value: drawn(func(r *rand.Rand, i int) string { return fmt.Sprintf("%s%d", strings.ToLower(given(r)), i) })},
		{Spec: spec("username"), Growth: 1 << 18, Column: transform.Column{Name: "t.c", Type: "character varying", Length: 12, Unique: true}, Value: drawn(func(r *rand.Rand, i int) string { return fmt.Sprintf("u%d", i) })},
		{Spec: spec("phone"), Column: text(), Value: phone},
		{Spec: spec("phone"), Column: unique("text"), Value: phone, Freely: true},
		{Spec: spec("phone"), Column: unique("bigint"), Value: func(i int) string { return fmt.Sprintf("324%08d", i) }, Freely: true},
		{Spec: spec("iban"), Column: unique("text"), Value: iban, Allocs: 0},
		{Spec: spec("card"), Column: text(), Value: drawn(func(r *rand.Rand, _ int) string { return "4" + digits(r, 15) })},
		{Spec: spec("card"), Column: unique("text"), Value: drawn(func(r *rand.Rand, _ int) string { return "5" + digits(r, 15) })},
		{Spec: spec("national_number"), Column: text(), Value: belgian},
		{Spec: spec("national_number"), Column: unique("character varying"), Value: belgian},
		{Spec: spec("national_number"), Column: unique("bigint"), Value: func(i int) string { return strings.TrimLeft(belgian(i), "0") }, Freely: true},
		{Spec: spec("national_number", "country", "FR"), Column: text(), Value: french},
		{Spec: spec("national_number", "country", "FR"), Column: unique("text"), Value: french},
		{Spec: spec("national_number", "country", "NL"), Column: unique("text"), Value: func(i int) string { return fmt.Sprintf("%09d", 100_000_000+i*11) }},
		{Spec: spec("identity_paper"), Column: text(), Value: drawn(func(r *rand.Rand, _ int) string { return "EK" + digits(r, 6) })},
		{Spec: spec("address"), Column: text(), Value: drawn(func(r *rand.Rand, i int) string { return fmt.Sprintf("rue de la Gare %d, 5000 Namur", i) })},
		{Spec: spec("address", "by", "subject"), Column: text(), Value: drawn(func(r *rand.Rand, i int) string { return fmt.Sprintf("rue de la Gare %d", i) })},
		{Spec: spec("postcode"), Column: text(), Value: func(i int) string { return fmt.Sprintf("%04d", 1000+i) }, Chance: 0.04, Freely: true},
		{Spec: spec("postcode"), Column: of("integer"), Value: func(i int) string { return fmt.Sprintf("%d", 1000+i) }, Chance: 0.04, Freely: true},
		{Spec: spec("town"), Column: text(), Value: func(i int) string { return fmt.Sprintf("Ville %d", i) }, Chance: 0.04, Freely: true},
		{Spec: spec("coordinates"), Column: of("numeric"), Value: drawn(func(r *rand.Rand, _ int) string { return "50." + digits(r, 6) }), Allocs: 4, Strict: true, Freely: true},
		{Spec: spec("coordinates"), Column: of("point"), Value: drawn(func(r *rand.Rand, _ int) string { return "(4." + digits(r, 6) + ",-50." + digits(r, 6) + ")" }), Allocs: 6, Strict: true, Freely: true},
		{Spec: spec("ip"), Column: of("inet"), Value: drawn(func(r *rand.Rand, _ int) string {
			return fmt.Sprintf("10.%d.%d.%d", r.IntN(256), r.IntN(256), r.IntN(256))
		})},
		{Spec: spec("ip"), Column: unique("inet"), Value: func(i int) string { return fmt.Sprintf("10.%d.%d.%d/24", i>>16&255, i>>8&255, i&255) }},
		{Spec: spec("ip"), Column: of("cidr"), Value: drawn(func(r *rand.Rand, _ int) string { return fmt.Sprintf("10.%d.%d.0/24", r.IntN(256), r.IntN(256)) }), Chance: 0.4, Freely: true},
		{Spec: spec("ip"), Column: of("cidr"), Value: drawn(func(r *rand.Rand, _ int) string { return fmt.Sprintf("2a02:%x:%x::/48", r.IntN(1<<16), r.IntN(1<<16)) }), Allocs: 3},
		{Spec: spec("device"), Column: unique("uuid"), Value: uuid, Freely: true},
		{Spec: spec("device"), Column: of("macaddr"), Value: drawn(func(r *rand.Rand, i int) string {
			return fmt.Sprintf("00:1b:44:%02x:%02x:%02x", i>>16&255, i>>8&255, i&255)
		})},
		{Spec: spec("device"), Column: unique("text"), Value: func(i int) string { return fmt.Sprintf("dev-%08d", i) }},
		{Spec: spec("url"), Column: unique("text"), Value: func(i int) string { return fmt.Sprintf("https://firm.be/users/%d/picture.png?x=1", i) }, Allocs: 1},
		{Spec: spec("date_shift"), Column: of("date"), Value: date, Strict: true, Freely: true},
		{Spec: spec("date_shift", "max_days", 30, "direction", "past"), Column: of("timestamp with time zone"), Value: moment, Strict: true, Freely: true},
		{Spec: spec("date_shift"), Column: text(), Value: drawn(func(r *rand.Rand, _ int) string {
			return fmt.Sprintf("%02d/%02d/19%02d", 1+r.IntN(28), 1+r.IntN(12), r.IntN(100))
		}), Freely: true},
		{Spec: spec("generalise"), Column: of("date"), Value: date, Same: true, Fixed: true, Strict: true},
		{Spec: spec("generalise", "to", "month"), Column: of("timestamp without time zone"), Value: moment2(moment), Same: true, Fixed: true, Strict: true},
		{Spec: spec("generalise", "band", 10), Column: of("integer"), Value: number, Same: true, Fixed: true, Strict: true},
		{Spec: spec("generalise", "digits", 2), Column: of("numeric"), Value: func(i int) string { return fmt.Sprintf("%d.25", 100+i) }, Same: true, Fixed: true, Strict: true},
		{Spec: spec("generalise", "band", 1000), Column: of("numeric"), Value: func(i int) string { return fmt.Sprintf("-%d.25", i) }, Same: true, Fixed: true, Strict: true},
		{Spec: spec("generalise", "first", 2), Column: text(), Value: func(i int) string { return fmt.Sprintf("%05d", i) }, Same: true, Fixed: true},
		{Spec: spec("suppress"), Column: text(), Value: number, Fixed: true},
		{Spec: spec("suppress"), Column: transform.Column{Name: "t.c", Type: "timestamp with time zone", NotNull: true}, Value: moment, Fixed: true},
		{Spec: spec("constant", "value", 7), Column: of("integer"), Value: func(i int) string { return fmt.Sprint(i + 8) }, Fixed: true, Same: true},
		{Spec: spec("hash"), Column: unique("text"), Value: func(i int) string { return fmt.Sprintf("AB-%05d", i) }, Freely: true},
		{Spec: spec("hash"), Column: transform.Column{Name: "t.c", Type: "character varying", Length: 40, Unique: true}, Value: drawn(func(r *rand.Rand, i int) string { return fmt.Sprintf("%x", r.Uint64()) + fmt.Sprint(i) }), Freely: true, Strict: true},
		{Spec: spec("hash"), Column: unique("integer"), Value: func(i int) string { return fmt.Sprint(1000 + i) }, Strict: true, Freely: true},
		{Spec: spec("rekey"), Column: unique("bigint"), Value: number, Strict: true, Freely: true},
		{Spec: spec("rekey"), Column: unique("integer"), Value: number, Strict: true, Freely: true},
		{Spec: spec("rekey"), Column: unique("uuid"), Value: uuid, Strict: true, Freely: true},
		{Spec: spec("rekey"), Column: unique("text"), Value: func(i int) string { return fmt.Sprintf("usr_%08d", i) }, Freely: true},
		{Spec: spec("credential"), Column: text(), Value: func(i int) string { return fmt.Sprintf("$2b$12$%053d", i) }, Fixed: true},
		{Spec: spec("credential"), Column: unique("text"), Value: func(i int) string { return fmt.Sprintf("%040d", i) }},
		{Spec: spec("credential"), Column: unique("bytea"), Value: func(i int) string { return fmt.Sprintf(`\x%040d`, i) }, Freely: true},
		{Spec: spec("file"), Column: of("bytea"), Value: func(i int) string { return fmt.Sprintf(`\x%04d`, i) }, Fixed: true},
		{Spec: spec("file"), Column: transform.Column{Name: "t.c", Type: "bytea", NotNull: true}, Value: func(i int) string { return fmt.Sprintf(`\x%04d`, i) }, Fixed: true},
		{Spec: spec("keep", "reason", "a figure"), Column: unique("integer"), Value: number, Same: true, Fixed: true},
		{Spec: spec("sql", "expression", "lower(c)"), Column: text(), Value: number, Same: true, Fixed: true},
		{Spec: spec("free_text"), Column: text(), Value: func(i int) string { return fmt.Sprintf("Le patient, joint à p%d@firm.be, a rappelé.", i) }, Finder: mailFinder{}, Freely: true},
		{Spec: spec("free_text", "replace", "all"), Column: text(), Value: func(i int) string {
			return fmt.Sprintf("Le patient %d a rappelé deux fois, puis encore une fois, et il est venu.", i)
		}, Freely: true, Allocs: 1},
		{Spec: spec("json", "paths", map[string]any{"mail": "email", "n": "rekey"}), Column: of("jsonb"), Value: func(i int) string { return fmt.Sprintf(`{"n": %d, "mail": "p%d@firm.be"}`, i+1, i) }, Strict: true, Freely: true},
		{Spec: spec("email"), Growth: 1 << 18, Column: of("text[]"), Value: func(i int) string { return fmt.Sprintf(`{a%d@firm.be,"b %d@firm.be",NULL}`, i, i) }, Strict: true, Freely: true},
		{Spec: spec("subprocess", "command", []any{"sed", "-u", "s/[0-9]/9/g; s/^\"/&x/"}), Column: text(), Value: func(i int) string { return fmt.Sprintf("value %d", i) }, Count: 200, Fixed: true, Freely: true, Strict: true, Allocs: 40, Growth: 1 << 22},
	}
}

// moment2 are moments without a zone.
func moment2(f func(int) string) func(int) string {
	return func(i int) string { return strings.TrimSuffix(f(i), "+01") }
}

// mailFinder finds what has an @.
type mailFinder struct{}

func (mailFinder) Find(dst []transform.Mention, text []byte) []transform.Mention {
	start := -1
	for i := 0; i <= len(text) && len(text) < 1000; i++ {
		if i < len(text) && text[i] != ' ' && text[i] != ',' {
			if start < 0 {
				start = i
			}
			continue
		}
		if start >= 0 && slices.Contains(text[start:i], '@') {
			dst = append(dst, transform.Mention{Start: start, End: i, Kind: personal.Email})
		}
		start = -1
	}
	return dst
}

func (c *Case) title() string {
	s := c.Spec.Name + " " + c.Column.Type
	if c.Column.Unique {
		s += " unique"
	}
	return s
}

func TestTransformers(t *testing.T) {
	tried := map[string]bool{}
	for _, c := range cases() {
		tried[c.Spec.Name] = true
		t.Run(c.title(), func(t *testing.T) { Run(t, c) })
	}
	for _, d := range transform.Descriptions() {
		if !tried[d.Name] {
			t.Errorf("%s is held to nothing", d.Name)
		}
	}
}

// PostgreSQL reads all that transformers give as values of the column's type.
func TestPostgreSQLReadsThem(t *testing.T) {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, running.DSN(cluster.SuperUser, "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	for _, c := range cases() {
		base := strings.Replace(c.Column.Type, "citext", "text", 1) // an extension that need not be there
		typ := base
		if c.Column.Length > 0 {
			typ = fmt.Sprintf("%s(%d)", typ, c.Column.Length)
		}
		all, err := Outputs(c, 500)
		if err != nil {
			t.Fatalf("%s: %v", c.title(), err)
		}
		if len(all) == 0 {
			continue
		}
		if _, err := conn.Exec(ctx, fmt.Sprintf("CREATE TEMP TABLE copy (c %s)", typ)); err != nil {
			t.Fatal(err)
		}
		if _, err = conn.Exec(ctx, fmt.Sprintf("INSERT INTO copy SELECT v::%s FROM unnest($1::text[]) v", base), all); err != nil {
			t.Errorf("%s: %v, such as %q", c.title(), err, all[0])
		}
		if _, err := conn.Exec(ctx, "DROP TABLE copy"); err != nil {
			t.Fatal(err)
		}
	}
}

// faulty does one thing wrong.
type faulty struct {
	n  int
	do func(n int, dst, value []byte) ([]byte, error)
}

func (f *faulty) Append(dst, value []byte, _ transform.Row) ([]byte, error) {
	f.n++
	return f.do(f.n, dst, value)
}
func (f *faulty) Close() error { return nil }

// What the suite is for, it finds.
func TestSuiteFindsFaults(t *testing.T) {
	var sink []byte
	shape := func(env transform.Env) transform.Transformer {
		tr, err := transform.New(spec("hash"), text(), env)
		if err != nil {
			t.Fatal(err)
		}
		return tr
	}
	right := shape(transform.Env{Key: transform.NewKey()})
	for want, do := range map[string]func(n int, dst, value []byte) ([]byte, error){
		"as they are": func(_ int, dst, value []byte) ([]byte, error) { return append(dst, value...), nil },
		"as they are: 1 of": func(n int, dst, value []byte) ([]byte, error) {
			if n == 1 {
				return append(dst, value...), nil
			}
			return right.Append(dst, value, transform.Row{})
		},
		"two replacements under one key": func(n int, dst, _ []byte) ([]byte, error) { return fmt.Appendf(dst, "%08d", n), nil },
		"the same replacement under two": func(_ int, dst, value []byte) ([]byte, error) { return append(append(dst, 'x'), value...), nil },
		"and the column is unique":       func(_ int, dst, _ []byte) ([]byte, error) { return append(dst, "same"...), nil },
		"writes over what stands before": func(_ int, dst, _ []byte) ([]byte, error) { return append(dst[:0], "over over over"...), nil },
		"writes into the value": func(_ int, dst, value []byte) ([]byte, error) {
			if len(value) > 0 {
				value[0]++
			}
			return append(dst, "x"...), nil
		},
		"not UTF-8":       func(_ int, dst, _ []byte) ([]byte, error) { return append(dst, 0xff), nil },
		"gives a NUL":     func(_ int, dst, _ []byte) ([]byte, error) { return append(dst, 0), nil },
		"more than the 8": func(_ int, dst, _ []byte) ([]byte, error) { return append(dst, "123456789"...), nil },
		"takes none":      func(_ int, dst, _ []byte) ([]byte, error) { return dst, transform.ErrNull },
		"much longer":     func(_ int, dst, _ []byte) ([]byte, error) { return append(dst, make([]byte, 1000)...), nil },
		"refuses":         func(_ int, dst, _ []byte) ([]byte, error) { return dst, fmt.Errorf("no") },
		"tells a value":   func(_ int, dst, value []byte) ([]byte, error) { return dst, fmt.Errorf("bad %s", value) },
		"allocates": func(_ int, dst, value []byte) ([]byte, error) {
			sink = make([]byte, 10_000)
			return append(dst, "x"...), nil
		},
		"that the source holds": func(_ int, dst, value []byte) ([]byte, error) { return right.Append(dst, value, transform.Row{}) },
		"holds everything":      func(_ int, dst, value []byte) ([]byte, error) { return right.Append(dst, value, transform.Row{}) },
	} {
		column := transform.Column{Name: "t.c", Type: "character varying", Length: 8, Unique: true, NotNull: true}
		if want == "much longer" {
			column.Length = 0
			old := do
			do = func(n int, dst, value []byte) ([]byte, error) {
				dst, err := old(n, dst, value)
				return []byte(strings.ReplaceAll(string(dst), "\x00", "x")), err
			}
		}
		found := Problems(Case{Column: column, Count: 500, Value: func(i int) string { return fmt.Sprintf("V%06d", i) }, Make: func(transform.Env) (transform.Transformer, error) { return &faulty{do: do}, nil }})
		if !slices.ContainsFunc(found, func(p string) bool { return strings.Contains(p, want) }) {
			t.Errorf("a transformer that is found by %q: %q", want, found)
		}
	}
	_ = sink
	if found := Problems(Case{Spec: spec("hash"), Column: unique("text"), Count: 500, Freely: true, Value: func(i int) string { return fmt.Sprintf("V%06d", i) }}); len(found) > 0 {
		t.Errorf("a right one: %q", found)
	}
}
