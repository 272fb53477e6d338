package tenancy

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/engine/tenancy/move"
	"github.com/garant-project/garant/internal/pg/cluster"
	"github.com/garant-project/garant/internal/web/browsertest"
	"github.com/garant-project/garant/internal/web/ui"
)

// axe finds nothing to say, in either theme, on a wide window and on a phone; and no page is wider
// than its window (WCAG 2.2, 1.4.10).
func TestAccessibility(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser")
	}
	w := newWorld(t)
	w.tend()
	h := w.house()
	garant := w.connect(cluster.SuperUser, w.name)
	exec(t, garant, `UPDATE tenancy.key SET made_at = made_at - interval '91 days', installed_at = installed_at - interval '91 days'`)
	w.tend()
	for range 3 {
		w.mustLogin(w.a)
	}
	ended := w.mustLogin(w.b)
	exec(t, garant, `INSERT INTO tenancy.minting (id, at, database, place, key_id, kind, tenant_type, tenant, session, access, expires_at, subject, actor_kind, actor_id)
SELECT gen_random_uuid(), m.at - make_interval(days => n), m.database, m.place, m.key_id, m.kind, m.tenant_type, m.tenant, gen_random_uuid(), m.access, m.expires_at - make_interval(days => n), m.subject, m.actor_kind, m.actor_id
FROM tenancy.minting AS m, generate_series(1, 28) AS n, generate_series(0, (n * 7 + ascii(m.tenant)) % 9) AS k WHERE n % 7 > 1`)
	if _, err := w.tenancy.Revoke(context.Background(), w.anna, ended.Token.Claims().Session, "", "a lost laptop"); err != nil {
		t.Fatal(err)
	}
	job := must(w.tenancy.AskJob(context.Background(), w.bob, w.ask(nil)))
	anyone := must(w.tenancy.AskJob(context.Background(), w.bob, w.ask(func(a *Ask) { a.Name, a.Tenants, a.AnyTenant, a.Write = "migration", nil, true, true })))
	if err := w.tenancy.AcceptJob(context.Background(), w.anna, job, false); err != nil {
		t.Fatal(err)
	}
	_, _ = w.tenancy.Mint(context.Background(), w.app, Request{Database: "shop", IDToken: "a.b.c"})
	_, _ = w.serve(w.b, true)

	now := w.now()
	gone := w.moving(w.a, move.Proved, func(p *move.Progress) {
		p.SwitchedAt, p.Pause = &now, 834*time.Millisecond
		p.Proof = []move.Sum{{Table: "shop.item", Rows: 1_988_505, High: "-123456789012345678901", Low: "98765432109876543210"}, {Table: `"Odd Schema"."T.x"`, Rows: 1_988_454, High: "723456789012345678901", Low: "-18765432109876543210"}}
	})
	failed := w.moving(w.b, move.Copied, func(p *move.Progress) {
		p.Failure = "The target has no space left on its disk. Make room there, then run the move again: it goes on where it stood."
	})

	mux := http.NewServeMux()
	mux.Handle("/static/", ui.Static())
	mux.HandleFunc("/", func(rw http.ResponseWriter, r *http.Request) {
		r.Host = "admin.localhost" // the browser came by an address
		h.site.ServeHTTP(rw, r)
	})
	browsertest.Open(t, mux).Accessible(map[string]string{
		"databases": Path, "database": Path + "/shop", "ask": Path + "/shop/jobs/new", "job": Path + "/shop/jobs/" + job.String(), "moves": MovesPath, "move": MovesPath + "/" + gone.String(), "failed": MovesPath + "/" + failed.String(), "decide": Path + "/shop/jobs/" + anyone.String(),
	}, browsertest.Looks()...)
}
