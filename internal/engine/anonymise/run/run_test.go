package run

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// grep finds what of the source's values stands in a text, by other means than the product's: plain letters, and digits only.
func grep(text string, values []string) (found []string) {
	text = strings.ToLower(fold(text))
	digits := strings.Map(func(r rune) rune {
		if r == ' ' || r == '.' || r == '-' || r == '/' {
			return -1
		}
		return r
	}, text)
	for _, v := range values {
		v = strings.ToLower(fold(v))
		if strings.Contains(text, v) || strings.Contains(digits, strings.ReplaceAll(v, " ", "")) {
			found = append(found, v)
		}
	}
	return found
}

func TestCopyIsWholeAndHoldsNobody(t *testing.T) {
	w := newWorld(t, 300)
	if missing := len(w.values) - len(grep(dumped(t, production, w.database), w.values)); missing > len(w.values)/8 {
		t.Fatalf("the scanner of the test does not see %d of %d values in the source", missing, len(w.values))
	}
	r, err := w.copy()
	w.must(err)
	if !r.Passed() {
		t.Fatalf("not proven:\n%s", strings.Join(r.Problems, "\n"))
	}
	w.only(r.Database)
	w.publish(r)
	w.only(w.name)
	if found := grep(dumped(t, developers, w.name), w.values); len(found) > 0 {
		t.Errorf("the copy holds %d values of the source, such as %q", len(found), found[0])
	}
	for sql, want := range map[string]int64{
		`SELECT count(*) FROM shop.customer`: 300,
		`SELECT count(*) FROM shop.item`:     600,
		`SELECT count(*) FROM shop.event`:    300,
		`SELECT count(*) FROM shop.session`:  0,
		`SELECT count(*) FROM shop.nothing`:  1,
		`SELECT count(*) FROM shop.customer c JOIN shop.item i ON i.id = c.favourite AND i.customer_id = c.id`:                                              300,
		`SELECT count(*) FROM shop.customer WHERE initials = upper(left(given_name, 1) || left(family_name, 1))`:                                            300,
		`SELECT count(*) FROM shop.customer WHERE email = profile->'contact'->>'email' AND email = other_emails[1]`:                                         300,
		`SELECT count(*) FROM shop.customer WHERE position(email in note) > 0 AND position(E'\t' in note) > 0`:                                              300,
		`SELECT count(*) FROM shop.customer c JOIN shop.event e ON CASE WHEN e.payload::text LIKE '%u0000%' THEN false ELSE e.payload->>'by' = c.email END`: 299,
		`SELECT count(*) FROM shop.spent`:                300,
		`SELECT count(*) FROM shop.most WHERE total > 0`: 1,
		`SELECT count(*) FROM shop."Odd ""Name" WHERE ("select" = 1 AND "a b" = E'tab\there' AND "é" = E'line\nbreak \\ and \\N') OR ("select" = 2 AND "a b" IS NULL AND "é" = '') OR ("select" = 3 AND "a b" = '\N' AND "é" = E'\b\f\v\r')`: 3,
		`SELECT count(*) FROM pg_namespace WHERE nspname IN ('garant', 'garant_move')`:                                            0,
		`SELECT count(*) FROM pg_trigger WHERE tgname = 'garant_move_kept'`:                                                       0,
		`SELECT count(*) FROM shop.guarded`:                                                                                       1,
		`SELECT count(*) FROM pg_publication`:                                                                                     0,
		`SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND convalidated AND connamespace = 'shop'::regnamespace`:         int64(r.Schema.ForeignKeys),
		`SELECT count(*) FROM shop.customer WHERE tableoid = 'shop.customer'::regclass AND created < now() - interval '1 minute'`: 300, // the trigger did not run
	} {
		if got := ask[int64](w, sql); got != want {
			t.Errorf("%s: %d, want %d", sql, got, want)
		}
	}
	if got := ask[string](w, `INSERT INTO shop.customer (given_name, family_name, email) VALUES ('a', 'b', 'c@d') RETURNING 'made'`); got != "made" {
		t.Error("the copy cannot be worked in")
	}
	scanned, err := Scan(t.Context(), w.scanOptions())
	w.must(err)
	if !scanned.Passed() {
		t.Errorf("a scan of the copy does not agree: %v", scanned.Problems)
	}
	text, err := json.Marshal(r)
	w.must(err)
	if found := grep(string(text), w.values); len(found) > 0 {
		t.Errorf("the report holds values of the source: %q", found)
	}
	if !bytes.Contains(text, []byte(`"snapshot_seconds"`)) || r.SnapshotSeconds <= 0 || r.SnapshotSeconds > r.Seconds {
		t.Errorf("the snapshot was held %v of %v s", r.SnapshotSeconds, r.Seconds)
	}
}

// TestScanFindsWhatSomebodyPutThere scans a copy into which somebody brought a value of the source.
func TestScanFindsWhatSomebodyPutThere(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	w := newWorld(t, 12)
	w.published()
	var iban string
	w.must(w.source.QueryRow(t.Context(), `SELECT iban FROM shop.customer LIMIT 1`).Scan(&iban))
	w.must(execute(developers.DSN("dev", w.name), `CREATE TABLE shop.mine AS SELECT 'from production: `+iban+`' AS t; GRANT SELECT ON shop.mine TO copier`))
	r, err := Scan(t.Context(), w.scanOptions())
	w.must(err)
	if r.Passed() || len(r.Problems) != 1 || !strings.Contains(r.Problems[0], "shop.mine.t") || strings.Contains(r.Problems[0], iban) {
		t.Errorf("found %q", r.Problems)
	}
}

func (w *world) scanOptions() Options {
	o := w.options()
	o.Target = developers.DSN("copier", w.name)
	return o
}
