package subset

import (
	"flag"
	"testing"
)

var large = flag.Bool("large", false, "measure pulls of a large copy")

// TestSpeed tells how long pulls of a large copy take. It is run by name: go test -run TestSpeed -v -large.
func TestSpeed(t *testing.T) {
	if !*large {
		t.Skip("is run by hand, with -large")
	}
	w := newWorld(t, "")
	text := func(n byte) string { return `repeat(md5(n::text), ` + string('0'+n) + `)` }
	w.exec(`CREATE TABLE tenant (id integer PRIMARY KEY, label text);
CREATE TABLE customer (id bigint PRIMARY KEY, tenant_id integer NOT NULL REFERENCES tenant, name text, referred_by bigint REFERENCES customer);
CREATE TABLE product (id bigint PRIMARY KEY, label text, description text);
CREATE TABLE purchase (id bigint PRIMARY KEY, customer_id bigint NOT NULL REFERENCES customer, note text);
CREATE TABLE item (purchase_id bigint NOT NULL REFERENCES purchase, nr integer NOT NULL, product_id bigint NOT NULL REFERENCES product, note text, PRIMARY KEY (purchase_id, nr));
CREATE TABLE comment (id bigint PRIMARY KEY, subject_type text NOT NULL, subject_id bigint NOT NULL, said text);
CREATE TABLE event (id bigint PRIMARY KEY, said text);
INSERT INTO tenant SELECT n, 'tenant' FROM generate_series(1, 400) n;
INSERT INTO customer SELECT n, 1 + n % 400, ` + text(2) + `, CASE WHEN n % 10 = 0 THEN n - 1 END FROM generate_series(1, 200000) n;
INSERT INTO product SELECT n, ` + text(1) + `, ` + text(8) + ` FROM generate_series(1, 50000) n;
INSERT INTO purchase SELECT n, 1 + (n::bigint * 7919) % 200000, ` + text(3) + ` FROM generate_series(1, 600000) n;
INSERT INTO item SELECT n, i, 1 + (n::bigint * 31 + i * 977) % 50000, ` + text(2) + ` FROM generate_series(1, 600000) n, generate_series(1, 3) i;
INSERT INTO comment SELECT n, (ARRAY['Purchase', 'Product'])[1 + n % 2], 1 + n % 50000, ` + text(4) + ` FROM generate_series(1, 300000) n;
INSERT INTO event SELECT n, ` + text(4) + ` FROM generate_series(1, 600000) n;
CREATE INDEX ON purchase (customer_id);
ANALYZE;`)
	t.Logf("the copy has %d MB", ask[int64](w, w.conn, `SELECT pg_database_size(current_database()) / 1000000`))
	for _, x := range []struct {
		name string
		what Subset
	}{
		{"5 % of tenants", Subset{Kind: Percent, Percent: 5}},
		{"0.2 % of what leads", Subset{Kind: Percent, Percent: 0.2}},
		{"one tenant", Subset{Kind: Tenants, Tenants: []string{"7"}}},
		{"all", Subset{}},
	} {
		r := w.take(x.what)
		t.Logf("%s: %d of %d rows in %.1f s", x.name, r.Rows, r.Of, r.Seconds)
		for _, one := range r.Tables {
			t.Logf("  %-20s %8d %6.2f %% %s", one.Table, one.Rows, one.Share, one.How)
		}
	}
}
