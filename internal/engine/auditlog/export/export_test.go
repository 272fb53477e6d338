package export_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/engine/auditlog/export"
)

func text(s string) *string { return &s }

func sample() export.Line {
	return export.Line{
		Entry: audit.Entry{
			ID: 41, At: time.Date(2026, 3, 1, 10, 20, 30, 123456000, time.FixedZone("", 3600)), Occurred: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC),
			Actor:  actor.Actor{Kind: "user", ID: "u-7", Name: "Jeanne Moreau", Session: "s-1", Origin: "192.0.2.7:4711"},
			Tenant: "0197f3a0-0000-7000-8000-000000000001", Action: "pupil.updated", Object: audit.Object{Kind: "row", ID: "public.pupil/17"},
			Reason: "asked, by \"phone\"", Request: "req-9", Detail: map[string]any{"count": 3},
			Changes: []audit.Change{{Field: "email", Before: text("a@x.example"), After: text("b@x.example")}, {Field: "born", After: text("2010-01-01")}},
		},
		Place:      export.Place{Log: "garant.example/log/2", Position: 900, Tree: "tenant/1", Index: 0, Leaf: bytes.Repeat([]byte{0xAB}, 32)},
		Checkpoint: "garant.example/log/2\n900\nq6ur=\n\n— garant.example sig\n",
	}
}

func write(t testing.TB, f export.Format, o export.Options, lines ...export.Line) string {
	t.Helper()
	var b bytes.Buffer
	w, err := export.New(f, &b, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lines {
		if err := w.Write(l); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestJSON(t *testing.T) {
	const without = `{"version":1,"uid":"garant.example/log/2/900","position":900,"id":41,"at":"2026-03-01T09:20:30.123456Z","occurred":"2026-03-01T09:00:00.000000Z",` +
		`"actor":{"kind":"user","id":"u-7","session":"s-1","origin":"192.0.2.7:4711"},"tenant":"0197f3a0-0000-7000-8000-000000000001","action":"pupil.updated",` +
		`"object":{"kind":"row","id":"public.pupil/17"},"outcome":"permitted","reason":"asked, by \"phone\"","request":"req-9","detail":{"count":3},` +
		`"changes":[{"field":"email"},{"field":"born"}],"log":"garant.example/log/2","tree":"tenant/1","index":0,"leaf":"q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=",` +
		`"checkpoint":"garant.example/log/2\n900\nq6ur=\n\n— garant.example sig\n"}` + "\n"
	if got := write(t, export.JSON, export.Options{}, sample()); got != without {
		t.Errorf("got  %swant %s", got, without)
	}
	with := strings.Replace(without, `[{"field":"email"},{"field":"born"}]`, `[{"field":"email","before":"a@x.example","after":"b@x.example"},{"field":"born","after":"2010-01-01"}]`, 1)
	if got := write(t, export.JSON, export.Options{Values: true}, sample()); got != with {
		t.Errorf("with values: %s", got)
	}
	if got := write(t, export.JSON, export.Options{}); got != "" {
		t.Errorf("nothing: %q", got)
	}
	if strings.Contains(without, "Jeanne") {
		t.Error("a name left with the entry")
	}
	sealed := export.Line{Entry: audit.Entry{ID: 5, Sealed: true, Action: "a.b"}}
	if got := write(t, export.JSON, export.Options{}, sealed); !strings.Contains(got, `"sealed":true`) {
		t.Errorf("sealed: %s", got)
	}
	erased := export.Line{Entry: audit.Entry{ID: 5, Erased: true, Refused: true, Action: "a.b"}}
	if got := write(t, export.JSON, export.Options{}, erased); !strings.Contains(got, `"uid":"entry/5"`) || !strings.Contains(got, `"erased":true`) || !strings.Contains(got, `"outcome":"refused"`) || strings.Contains(got, "index") {
		t.Errorf("erased and refused, not sequenced: %s", got)
	}
}

func TestCSV(t *testing.T) {
	odd := sample()
	odd.Entry.Object.ID, odd.Entry.Reason, odd.Entry.Actor.Session = `=HYPERLINK("http://x")`, "two\r\nlines", "nul\x00 and \xff"
	rows := parse(t, write(t, export.CSV, export.Options{Values: true}, sample(), odd))
	if len(rows) != 3 || !slices.Equal(rows[0], export.Columns()) {
		t.Fatalf("%q", rows)
	}
	cell := func(r int, column string) string { return rows[r][slices.Index(export.Columns(), column)] }
	for column, want := range map[string]string{
		"uid": "garant.example/log/2/900", "at": "2026-03-01T09:20:30.123456Z", "actor_id": "u-7", "reason": `asked, by "phone"`, "index": "0",
		"changes": `[{"field":"email","before":"a@x.example","after":"b@x.example"},{"field":"born","after":"2010-01-01"}]`, "outcome": "permitted",
	} {
		if got := cell(1, column); got != want {
			t.Errorf("%s: %q, want %q", column, got, want)
		}
	}
	for column, want := range map[string]string{"object_id": `'=HYPERLINK("http://x")`, "reason": "two\r\nlines", "session": "nul\uFFFD and \uFFFD"} {
		if got := cell(2, column); got != want {
			t.Errorf("%s: %q, want %q", column, got, want)
		}
	}
	if rows := parse(t, write(t, export.CSV, export.Options{})); len(rows) != 1 {
		t.Errorf("no entries: %q", rows)
	}
}

// parse reads the grammar of RFC 4180 and refuses all else.
func parse(t testing.TB, s string) (rows [][]string) {
	t.Helper()
	var row []string
	for s != "" {
		var cell string
		if strings.HasPrefix(s, `"`) {
			s = s[1:]
			for {
				i := strings.IndexByte(s, '"')
				if i < 0 {
					t.Fatal("a quote is not closed")
				}
				cell, s = cell+s[:i], s[i+1:]
				if !strings.HasPrefix(s, `"`) {
					break
				}
				cell, s = cell+`"`, s[1:]
			}
		} else {
			i := strings.IndexAny(s, ",\r\n\"\x00")
			if i < 0 {
				t.Fatal("the last record is not ended")
			}
			cell, s = s[:i], s[i:]
		}
		row = append(row, cell)
		switch {
		case strings.HasPrefix(s, ","):
			s = s[1:]
		case strings.HasPrefix(s, "\r\n"):
			rows, row, s = append(rows, row), nil, s[2:]
		default:
			t.Fatalf("%.20q stands after a cell", s)
		}
	}
	if row != nil {
		t.Fatal("the last record is not ended")
	}
	return rows
}

// entries that somebody shaped to break whatever reads them.
func hostile(id, reason, origin, field, value string) export.Line {
	l := sample()
	l.Entry.Object.ID, l.Entry.Reason, l.Entry.Actor.Origin, l.Entry.Actor.ID, l.Entry.Request = id, reason, origin, id, value
	l.Entry.Detail = map[string]any{field: value, "nested": []any{value, map[string]any{reason: id}}}
	l.Entry.Changes = []audit.Change{{Field: field, Before: &value, After: &id}}
	return l
}

func FuzzValues(f *testing.F) {
	f.Add("=1+1", "a\nb\r\nc", "192.0.2.1", "field", "value")
	f.Add("\x00", "\u202eevil\u2066", "::1", "\xff\xfe", "\u2028\u2029\u0085\x7f\x1b[31m")
	f.Add("\"", ",", "[fe80::1%eth0]:9", "'", "\\u0000")
	f.Add(strings.Repeat("long ", 5000), "\U000E0041\U0001F600", "cli", "\t=x", "\uFEFF")
	f.Fuzz(func(t *testing.T, id, reason, origin, field, value string) {
		l := hostile(id, reason, origin, field, value)
		valid := func(s string) string { return string([]rune(s)) } // what is no UTF-8 is U+FFFD, each byte of it
		for _, o := range []export.Options{{Values: true}, {Values: true, ASCII: true}} {
			got := write(t, export.JSON, o, l, l)
			lines := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
			if len(lines) != 2 || lines[0] != lines[1] {
				t.Fatalf("%d lines", len(lines))
			}
			var v struct {
				Object  struct{ ID string }
				Reason  string
				Changes []struct{ Field, Before, After string }
			}
			if err := json.Unmarshal([]byte(lines[0]), &v); err != nil {
				t.Fatal(err)
			}
			if v.Object.ID != valid(id) || v.Reason != valid(reason) || v.Changes[0].Field != valid(field) || v.Changes[0].Before != valid(value) || v.Changes[0].After != valid(id) {
				t.Errorf("%q read back as %+v", []string{id, reason, field, value}, v)
			}
			for _, r := range lines[0] {
				if r < ' ' || r == 0x7f || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0x2028 || r == 0xfeff || o.ASCII && r >= utf8.RuneSelf {
					t.Fatalf("%U stands bare", r)
				}
			}
			event := write(t, export.OCSF, o, l)
			conforms(t, []byte(strings.TrimSuffix(event, "\n")))
			o.Most = export.LeastMost
			for _, f := range []export.Format{export.JSON, export.OCSF} {
				bounded, err := export.Render(f, l, o)
				if err != nil || len(bounded) > o.Most {
					t.Fatalf("%s: %d bytes, %v", f, len(bounded), err)
				}
				if len(write(t, f, export.Options{Values: true, ASCII: o.ASCII}, l))-1 > o.Most != bytes.Contains(bounded, []byte(`"shortened":true`)) {
					t.Errorf("%s: shortened or not: %s", f, bounded)
				}
				if !bytes.Contains(bounded, []byte(`"garant.example/log/2/900"`)) {
					t.Errorf("the uid is gone from %s", bounded)
				}
			}
		}
		rows := parse(t, write(t, export.CSV, export.Options{Values: true}, l))
		if len(rows) != 2 || len(rows[1]) != len(export.Columns()) {
			t.Fatalf("%d rows", len(rows))
		}
		for _, cell := range rows[1] {
			first, _ := utf8.DecodeRuneInString(strings.TrimLeft(cell, " \u00a0"))
			if strings.ContainsRune("=+-@\t\r\n", first) {
				t.Errorf("%q is a formula", cell)
			}
			if strings.Contains(cell, "\x00") || !utf8.ValidString(cell) {
				t.Errorf("%q", cell)
			}
		}
	})
}

// TestWritersHoldOneEntry writes more than a writer may keep, to somebody who counts.
func TestWritersHoldOneEntry(t *testing.T) {
	for _, f := range export.Formats() {
		count := &counting{}
		w, err := export.New(f, count, export.Options{})
		if err != nil {
			t.Fatal(err)
		}
		total := 0
		for range 5000 {
			if err := w.Write(sample()); err != nil {
				t.Fatal(err)
			}
			total++
			if total == 2500 && count.bytes < 2000*200 {
				t.Errorf("%s: after %d entries only %d bytes came out", f, total, count.bytes)
			}
		}
		if allocated := testing.AllocsPerRun(10, func() { _ = w.Write(sample()) }); allocated > 300 {
			t.Errorf("%s: %f allocations an entry", f, allocated)
		}
		if err := w.Close(); err != nil || count.largest > 64<<10 {
			t.Errorf("%s: %v, %d bytes at once", f, err, count.largest)
		}
	}
}

type counting struct{ bytes, largest int }

func (c *counting) Write(p []byte) (int, error) {
	c.bytes, c.largest = c.bytes+len(p), max(c.largest, len(p))
	return len(p), nil
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestFailuresAreTold(t *testing.T) {
	for _, f := range export.Formats() {
		w, err := export.New(f, full{}, export.Options{})
		if err != nil {
			t.Fatal(err)
		}
		err = w.Write(sample())
		if closed := w.Close(); !errors.Is(errors.Join(err, closed), io.ErrShortWrite) {
			t.Errorf("%s: %v, %v", f, err, closed)
		}
	}
	if _, err := export.New("xlsx", io.Discard, export.Options{}); err == nil {
		t.Error("an unknown format")
	}
	unwritable := sample()
	unwritable.Entry.Detail = map[string]any{"f": func() {}}
	for _, f := range export.Formats() {
		w, _ := export.New(f, io.Discard, export.Options{})
		if err := w.Write(unwritable); err == nil || strings.Contains(err.Error(), "Jeanne") {
			t.Errorf("%s: %v", f, err)
		}
	}
}

func TestUIDs(t *testing.T) {
	a := sample()
	b := sample()
	b.Place.Log = "garant.example/log/3"
	if a.UID() == b.UID() {
		t.Error("two generations of a log gave one uid")
	}
	if fmt.Sprint(export.JSON.ContentType(), export.CSV.Extension(), export.OCSF.Extension(), export.JSON.Extension()) != "application/x-ndjson.csv.ocsfl.jsonl" {
		t.Error("names of formats")
	}
}
