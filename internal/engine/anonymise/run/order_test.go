package run

import (
	"slices"
	"strings"
	"testing"

	"github.com/garant-project/garant/internal/engine/anonymise/catalog"
)

// TestRangesAreReadOnce reads every page of a piece once, however it is cut.
func TestRangesAreReadOnce(t *testing.T) {
	for _, u := range []unit{
		{from: 0, to: 0, pages: 0}, {from: 0, to: 0, pages: 255}, {from: 0, to: 0, pages: 1000}, {from: 8192, to: 16384, pages: 20000}, {from: 16384, to: 0, pages: 20000}, {from: 16384, to: 0, pages: 16385},
	} {
		u.source = catalog.Name{Schema: "s", Table: "t"}
		wheres := strings.Split(u.rows("x", newOrder()), " UNION ALL ")
		for i := range wheres {
			wheres[i] = strings.TrimPrefix(wheres[i], `SELECT x FROM ONLY "s"."t"`)
		}
		end := u.to
		if end == 0 {
			end = u.pages
		}
		var want []string
		size := rangePages(end - u.from)
		for from := u.from; len(want) == 0 || from+size <= end; from += size {
			want = append(want, (&unit{from: from, to: from + size}).where())
		}
		last := &want[len(want)-1]
		if len(want) == 1 {
			*last = u.where()
		} else if u.to == 0 {
			*last, _, _ = strings.Cut(*last, " AND ")
		}
		if len(want) > 6 && slices.Equal(want, wheres) {
			t.Errorf("%+v: in order", u)
		}
		slices.Sort(wheres)
		slices.Sort(want)
		if !slices.Equal(want, wheres) {
			t.Errorf("%+v: %q, want %q", u, wheres, want)
		}
	}
}

func TestRowsComeInAnotherOrder(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	w := newWorld(t, 12)
	w.exec(`CREATE TABLE shop.big (id int, filler text); INSERT INTO shop.big SELECT n, repeat('x', 200 + n % 7) FROM generate_series(1, 60000) n`)
	w.plan = w.proposed()
	w.published()
	if got := ask[string](w, `SELECT count(*) || ' ' || sum(id) || ' ' || sum(length(filler)) FROM shop.big`); got != "60000 1800030000 12179997" {
		t.Errorf("the copy has %s", got)
	}
	if n := ask[int64](w, `SELECT count(*) FROM (SELECT id, lag(id) OVER (ORDER BY ctid) AS before FROM shop.big) x WHERE id = before + 1`); n > 600 {
		t.Errorf("%d of 60000 rows come behind the one before", n)
	}
	// Of each thousand rows in order of the copy, the middle of those of the source: of fourteen ranges some are out of line.
	if n := ask[int64](w, `SELECT count(*) FROM (SELECT k, m, lag(m) OVER (ORDER BY k) AS before FROM (SELECT n / 1000 AS k, percentile_disc(0.5) WITHIN GROUP (ORDER BY id) AS m FROM
(SELECT id, row_number() OVER (ORDER BY ctid) AS n FROM shop.big) x GROUP BY 1) y) z WHERE m < before`); n < 2 {
		t.Errorf("%d ranges come out of the source's order", n)
	}
}
