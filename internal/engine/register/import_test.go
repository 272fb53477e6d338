package register_test

import (
	"encoding/csv"
	"fmt"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/engine/register"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/web/console"
)

func (w *world) load(key, text string, dry bool) register.Report {
	w.t.Helper()
	return must[register.Report](w.t)(w.r.Import(w.ctx, w.lead, key, []byte(text), dry, w.now))
}

func (w *world) count(key string) int {
	w.t.Helper()
	return must[register.Listing](w.t)(w.r.List(w.ctx, w.lead, key, register.Query{State: register.Any}, w.now)).Total
}

// said are the faults of a report: "3 Série taken".
func said(r register.Report) []string {
	var out []string
	for _, f := range r.Faults {
		out = append(out, fmt.Sprintf("%d %s %s", f.Line, f.Column, strings.TrimPrefix(f.ID, "register.fault.")))
	}
	return out
}

func TestImportEncodings(t *testing.T) {
	text := "Numéro;Nature;Désignation;Remarque\r\nPC-1;ordinateur portable;Écran d’été;œuvre\r\n"
	latin := "Numéro;Nature;Désignation\nPC-1;ordinateur portable;Écran d'été\n"
	encode := func(e encoding.Encoding, s string) string { return must[string](t)(e.NewEncoder().String(s)) }
	for name, c := range map[string]struct {
		content, encoding, separator, says string
	}{
		"UTF-8":                {text, "UTF-8", ";", "Écran d’été"},
		"UTF-8 with a mark":    {"\ufeff" + text, "UTF-8", ";", "Écran d’été"},
		"UTF-16 little":        {encode(unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), text), "UTF-16 LE", ";", "Écran d’été"},
		"UTF-16 big":           {encode(unicode.UTF16(unicode.BigEndian, unicode.UseBOM), text), "UTF-16 BE", ";", "Écran d’été"},
		"Windows":              {encode(charmap.Windows1252, text), "Windows-1252", ";", "Écran d’été"},
		"Latin-1":              {encode(charmap.ISO8859_1, latin), "Latin-1", ";", "Écran d'été"},
		"tabs":                 {strings.ReplaceAll(text, ";", "\t"), "UTF-8", "\t", "Écran d’été"},
		"commas":               {strings.ReplaceAll(text, ";", ","), "UTF-8", ",", "Écran d’été"},
		"told by the file":     {"sep=,\n" + strings.ReplaceAll(text, ";", ","), "UTF-8", ",", "Écran d’été"},
		"in English, by key":   {"kind,Number,name\nlaptop,PC-1,x\n", "UTF-8", ",", "x"},
		"quoted over lines":    {"tag;kind;note\nPC-1;laptop;\"a \"\"b\"\";\nc\"\n", "UTF-8", ";", "a \"b\";\nc"},
		"empty lines and ends": {"tag;kind;name;;\n\n;;;;\nPC-1;laptop;x;;\n", "UTF-8", ";", "x"},
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t)
			r := w.load(register.Assets, c.content, false)
			if r.Encoding != c.encoding || r.Separator != c.separator || r.Imported != 1 || r.Bad != 0 {
				t.Fatalf("%+v", r)
			}
			l := must[register.Listing](t)(w.r.List(w.ctx, w.lead, register.Assets, register.Query{}, w.now))
			v := l.Entries[0].Values
			if v["tag"] != "PC-1" || v["kind"] != "laptop" || v["name"] != c.says && v["note"] != c.says {
				t.Errorf("%+v", v)
			}
		})
	}
}

func TestImportRefusesWhatIsNoCSV(t *testing.T) {
	w := open(t)
	for name, c := range map[string]struct{ content, id string }{
		"nothing":                {"", "register.import.empty"},
		"a mark only":            {"\ufeff", "register.import.empty"},
		"spaces":                 {" \r\n\r\n", "register.import.empty"},
		"a picture":              {"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "register.import.encoding"},
		"UTF-16 cut in a letter": {"\xff\xfet\x00a\x00g\x00;", "register.import.encoding"},
		"UTF-16 without a mark":  {"t\x00a\x00g\x00", "register.import.encoding"},
		"broken UTF-8, marked":   {"\xef\xbb\xbftag;kind\n\xff", "register.import.encoding"},
		"half a surrogate":       {"\xff\xfet\x00a\x00g\x00\x00\xd8\n\x00", "register.import.encoding"},
		"no code page":           {"tag;kind\nP\x81;laptop", "register.import.encoding"},
		"other columns":          {"a;b;c\n1;2;3", "register.import.header"},
		"a quotation mark":       {"tag;kind\nPC-1;\"laptop\nPC-2;laptop", "register.import.quotes"},
		"too large":              {strings.Repeat("a", register.MaxImport+1), "register.import.large"},
		"too long":               {"tag;kind\n" + strings.Repeat("x;laptop\n", 50_001), "register.import.long"},
	} {
		_, err := w.r.Import(w.ctx, w.lead, register.Assets, []byte(c.content), false, w.now)
		var known *errs.Error
		if !errs.Is(err, errs.Invalid) || !asError(err, &known) || known.ID != c.id {
			t.Errorf("%s: %v, want %s", name, err, c.id)
			continue
		}
		for _, lang := range []string{"fr", "en"} {
			if p := w.r.Words.For(lang, nil); !p.Has(c.id) || !p.Has(c.id+".fix") {
				t.Errorf("%s: no words for %s", lang, c.id)
			}
		}
	}
	if w.count(register.Assets) != 0 {
		t.Error("something was imported")
	}
	if _, err := w.r.Import(w.ctx, person(actor.ReadRegisters), register.Assets, []byte("tag;kind\nPC-1;laptop"), true, w.now); !errs.Is(err, errs.Denied) {
		t.Errorf("a reader imports: %v", err)
	}
}

func TestImportNamesEachBadLine(t *testing.T) {
	w := open(t)
	w.person("Ana", nil)
	w.add(register.Assets, register.Values{"tag": "PC-0", "kind": "laptop", "serial": "S0"})
	text := `Numéro;Nature;Responsable;Série;Chiffré;Acquis le;État
PC-1;laptop;ana@ardoise.example;S1;oui;2024-02-29;en service
PC-1;laptop;;S2;;;
PC-2;bateau;;;;;
PC-3;laptop;bob@ardoise.example;s1;peut-être;30/02/2024;publié
;laptop;;;;;
pc-0;laptop;;S0;;;
PC-4;laptop;;;;;;;trop
`
	text = strings.Replace(text, "Série", "Numéro de série", 1)
	want := []string{
		"3 Numéro twice", "4 Nature option",
		"5 Chiffré bool", "5 Acquis le date", "5 État no_such_state", "5 Responsable reference", "5 Numéro de série twice",
		"6 Numéro required", "7 Numéro taken", "7 Numéro de série taken", "8  cells",
	}
	for _, dry := range []bool{true, false} {
		r := w.load(register.Assets, text, dry)
		if r.Lines != 7 || r.Bad != 6 || r.Imported != 0 || strings.Join(said(r), "\n") != strings.Join(want, "\n") {
			t.Errorf("dry %t: %d lines, %d bad, %d imported\n%s", dry, r.Lines, r.Bad, r.Imported, strings.Join(said(r), "\n"))
		}
		for _, f := range r.Faults {
			if f.ID == "register.fault.twice" && f.Args["Line"] != 2 {
				t.Errorf("the first of two is on line %v", f.Args["Line"])
			}
			if f.ID == "register.fault.option" && f.Value != "bateau" {
				t.Errorf("the value is not shown: %+v", f)
			}
		}
	}
	if w.count(register.Assets) != 1 {
		t.Error("a file with wrong lines was imported in part")
	}
	r := w.load(register.Assets, "tag;kind;couleur;kind\nPC-9;laptop;x;laptop", false)
	if strings.Join(said(r), "\n") != "1 couleur unknown\n1 kind column_twice" || r.Imported != 0 || r.Bad == 0 {
		t.Errorf("%+v", r)
	}
	if r := w.load(register.Documents, "title;kind;state\nA;policy;published", false); strings.Join(said(r), "") != "2 state state_by_hand" {
		t.Errorf("%q", said(r))
	}
	// A dry run of a sound file says so and leaves nothing; then it is imported, with history.
	sound := "tag;kind;state\nPC-1;laptop;lent\n"
	if r := w.load(register.Assets, sound, true); r.Bad != 0 || r.Imported != 0 || w.count(register.Assets) != 1 {
		t.Errorf("%+v", r)
	}
	if r := w.load(register.Assets, sound, false); r.Imported != 1 || w.count(register.Assets) != 2 {
		t.Errorf("%+v", r)
	}
	if got := w.all("SELECT action || ' ' || changes::text FROM register.change WHERE action = 'imported'"); len(got) != 1 || !strings.Contains(got[0], "PC-1") {
		t.Errorf("%q", got)
	}
	if got := w.all("SELECT detail::text FROM audit.entry WHERE action = 'register.imported' AND outcome = 'permitted'"); len(got) != 1 || !strings.Contains(got[0], `"count":1`) {
		t.Errorf("%q", got)
	}
	l := must[register.Listing](t)(w.r.List(w.ctx, w.lead, register.Assets, register.Query{State: "lent"}, w.now))
	if l.Total != 1 {
		t.Error("the state was not taken over")
	}
}

// 500 persons come in sealed, and no formula goes out; what goes out comes in again.
func TestImportPersonsAndExport(t *testing.T) {
	w := open(t)
	var b strings.Builder
	b.WriteString("Nom;Adresse électronique;Statut;Arrivée\n")
	for i := range 500 {
		fmt.Fprintf(&b, "=cmd|'/C calc'!A%d;p%d@ardoise.example;employé;01/02/2024\n", i, i)
	}
	start := time.Now()
	if r := w.load(register.Persons, b.String(), false); r.Imported != 500 {
		t.Fatalf("%+v", r)
	}
	t.Logf("500 persons in %s", time.Since(start))
	if got := w.all("SELECT count(*)::text FROM register.entry WHERE sealed IS NOT NULL AND NOT fields ? 'name' AND search NOT LIKE '%cmd%'")[0]; got != "500" {
		t.Errorf("%s are sealed", got)
	}
	export := func(w *world, by actor.Actor) string {
		header, next, err := w.r.Export(w.ctx, by, register.Persons, register.Query{}, w.now)
		if err != nil {
			t.Fatal(err)
		}
		out := httptest.NewRecorder()
		if err := console.CSV(out, "persons.csv", header, next); err != nil {
			t.Fatal(err)
		}
		return out.Body.String()
	}
	text := export(w, w.lead)
	rows := must[[][]string](t)(csv.NewReader(strings.NewReader(text)).ReadAll())
	if len(rows) != 501 || rows[1][2] != "'=cmd|'/C calc'!A0" {
		t.Errorf("%d rows, the first %q", len(rows), rows[1])
	}
	if plain := export(w, w.op); strings.Contains(plain, "cmd") || strings.Contains(plain, "@") {
		t.Error("who may not read persons exports them")
	}
	again := open(t)
	if r := again.load(register.Persons, text, false); r.Imported != 500 {
		t.Fatalf("%+v", said(r))
	}
	strip := func(s string) string { // without ids
		var out []string
		for _, line := range strings.Split(s, "\r\n") {
			_, rest, _ := strings.Cut(line, ",")
			out = append(out, rest)
		}
		return strings.Join(out, "\n")
	}
	if got := export(again, again.lead); strip(got) != strip(text) {
		t.Error("what was exported and imported is not what it was")
	}
}

func TestExportNamesReferences(t *testing.T) {
	w := open(t)
	ana := w.person("Ana", nil)
	site := w.add(register.Sites, register.Values{"name": "Siège", "kind": "office"})
	w.add(register.Assets, register.Values{"tag": "PC-1", "kind": "laptop", "owner": ana.ID.String(), "site": site.ID.String()})
	for _, by := range []actor.Actor{w.lead, w.op} {
		header, next, err := w.r.Export(w.ctx, by, register.Assets, register.Query{}, w.now)
		if err != nil {
			t.Fatal(err)
		}
		rows := must[[][]string](t)(next())
		line := strings.Join(rows[0], ",")
		if !strings.Contains(line, "Siège") || strings.Contains(line, "ana@") != by.May(actor.ReadPersons) || len(rows[0]) != len(header) {
			t.Errorf("%s", line)
		}
	}
}

// 50 000 lines within ten seconds and a bounded memory.
func TestImportIsBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("50 000 lines")
	}
	w := open(t)
	w.person("Ana", nil)
	var b strings.Builder
	b.WriteString("tag;name;kind;owner;class;serial;note\n")
	for i := range 50_000 {
		fmt.Fprintf(&b, "PC-%05d;Poste n° %d;laptop;ana@ardoise.example;internal;SN%07d;%s\n", i, i, i, strings.Repeat("x", 100))
	}
	text := []byte(b.String())
	var before, after runtime.MemStats
	peak := uint64(0)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 100 {
			runtime.ReadMemStats(&after)
			peak = max(peak, after.HeapInuse)
			time.Sleep(50 * time.Millisecond)
		}
	}()
	runtime.GC()
	runtime.ReadMemStats(&before)
	for _, dry := range []bool{true, false} {
		start := time.Now()
		r := must[register.Report](t)(w.r.Import(w.ctx, w.lead, register.Assets, text, dry, w.now))
		took := time.Since(start)
		t.Logf("50 000 lines, dry %t: %s", dry, took)
		if r.Bad != 0 || r.Lines != 50_000 || took > time.Minute { // ten seconds are for a machine by itself
			t.Errorf("%+v in %s", said(r), took)
		}
	}
	<-done
	if used := (peak - min(peak, before.HeapInuse)) >> 20; used > 150 {
		t.Errorf("%d MB were in use", used)
	} else {
		t.Logf("%d MB were in use above the file's %d", used, len(text)>>20)
	}
	if w.count(register.Assets) != 50_000 {
		t.Error("not all came in")
	}
}

// A file of many columns is refused before each of its lines takes as much memory as all of them, and before each of
// its columns is looked for.
func TestImportWide(t *testing.T) {
	w := open(t)
	for what, text := range map[string]string{
		"columns without a name": "tag;kind" + strings.Repeat(";", 100_000) + "\n" + strings.Repeat("a;laptop\n", 2000),
		"columns of no register": "tag;kind" + strings.Repeat(";é", 200_000) + "\n",
		"the same column":        strings.Repeat("tag;", 200_000) + "\n",
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		_, err := w.r.Import(w.ctx, w.lead, register.Assets, []byte(text), true, w.now)
		runtime.ReadMemStats(&after)
		if used, took := (after.TotalAlloc-before.TotalAlloc)>>20, time.Since(start); !errs.Is(err, errs.Invalid) || used > 100 || took > 5*time.Second {
			t.Errorf("%s: %v, %d MB in %s", what, err, used, took)
		}
	}
}

func FuzzImport(f *testing.F) {
	for _, s := range []string{"tag;kind\nPC-1;laptop\n", "\xff\xfet\x00a\x00g\x00", "sep=,\ntag,kind\n\"a\"\"", "\ufefftag\tkind\n=1\t-2\n", "tag;kind\r\n\"a\nb\";x;y;z\n"} {
		f.Add([]byte(s))
	}
	w := open(f)
	f.Fuzz(func(t *testing.T, content []byte) {
		r, err := w.r.Import(w.ctx, w.lead, register.Assets, content, true, w.now)
		if err != nil && !errs.Is(err, errs.Invalid) {
			t.Fatalf("neither a report nor invalid: %v", err)
		}
		if r.Imported != 0 {
			t.Fatal("a dry run imported something")
		}
	})
}
