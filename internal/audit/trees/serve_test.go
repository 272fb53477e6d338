package trees_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/audit/trees"
	"github.com/garant-project/garant/internal/pg"
)

// follower is a client of another house that follows a log.
type follower struct {
	t       *testing.T
	client  *torchwood.Client
	fetcher *torchwood.TileFetcher
	policy  torchwood.Policy
	at      torchwood.Checkpoint
	seen    int64
}

func follow(t *testing.T, url string, policy torchwood.Policy) *follower {
	t.Helper()
	fetcher, err := torchwood.NewTileFetcher(url)
	if err != nil {
		t.Fatal(err)
	}
	client, err := torchwood.NewClient(fetcher)
	if err != nil {
		t.Fatal(err)
	}
	return &follower{t: t, client: client, fetcher: fetcher, policy: policy}
}

// catchUp takes the new checkpoint, proves that it goes on from the last one, and reads what is new.
func (f *follower) catchUp() {
	f.t.Helper()
	ctx := context.Background()
	signed, err := f.fetcher.ReadEndpoint(ctx, "checkpoint")
	if err != nil {
		f.t.Fatal(err)
	}
	c, _, err := torchwood.VerifyCheckpoint(signed, f.policy)
	if err != nil {
		f.t.Fatalf("%v\n%s", err, signed)
	}
	hashes := torchwood.TileHashReaderWithContext(ctx, c.Tree, f.fetcher)
	if f.at.N > 0 {
		p, err := tlog.ProveTree(c.N, f.at.N, hashes)
		if err != nil {
			f.t.Fatal(err)
		}
		if err := tlog.CheckTree(p, c.N, c.Hash, f.at.N, f.at.Hash); err != nil {
			f.t.Fatalf("%d does not go on from %d: %v", c.N, f.at.N, err)
		}
	}
	for index := range f.client.AllEntries(ctx, c.Tree, f.seen) {
		if index != f.seen {
			f.t.Fatalf("entry %d after %d", index, f.seen)
		}
		f.seen++
	}
	if err := f.client.Err(); err != nil || f.seen != c.N {
		f.t.Fatalf("%d of %d entries: %v", f.seen, c.N, err)
	}
	for _, index := range []int64{0, c.N / 2, c.N - 1} {
		entry, p, err := f.client.Entry(ctx, c.Tree, index)
		if err != nil {
			f.t.Fatal(err)
		}
		if err := tlog.CheckRecord(p, c.N, c.Hash, index, tlog.RecordHash(entry)); err != nil {
			f.t.Fatal(err)
		}
	}
	f.at = c
}

func TestATorchwoodClientFollows(t *testing.T) {
	l := newLogs(t)
	l.write(acme, 1)
	l.sequence()
	l.cosign()
	name := trees.TenantTree(acme)
	signer, tenantKey, _ := signerOf(t, origin+"/"+name, 4)
	root := httptest.NewServer(trees.Handler(trees.Serving{On: l.db.Pool(pg.Public), Generation: 1, Tree: trees.Root}))
	t.Cleanup(root.Close)
	tenant := httptest.NewServer(trees.Handler(trees.Serving{On: l.pool, Generation: 1, Tree: name, Signer: signer}))
	t.Cleanup(tenant.Close)
	logKey, err := note.NewVerifier(l.key)
	if err != nil {
		t.Fatal(err)
	}
	witness, err := torchwood.NewCosignatureVerifier(l.wkey)
	if err != nil {
		t.Fatal(err)
	}
	ofRoot := follow(t, root.URL, torchwood.ThresholdPolicy(3, torchwood.OriginPolicy(origin), torchwood.SingleVerifierPolicy(logKey), torchwood.SingleVerifierPolicy(witness)))
	ofTenant := follow(t, tenant.URL, torchwood.ThresholdPolicy(2, torchwood.OriginPolicy(origin+"/"+name), torchwood.SingleVerifierPolicy(tenantKey)))
	for _, more := range []int{0, 1, 5, 249, 1, 1, 300, 2} { // over the ends of tiles
		l.write(acme, more)
		l.write(other, 1)
		for range more / 2 { // the root log grows as well
			l.rootLine(merkle.TimeLine(time.Now()), nil)
		}
		l.sequence()
		l.cosign()
		ofRoot.catchUp()
		ofTenant.catchUp()
	}
	if ofTenant.seen != 560 || ofRoot.seen < 256 {
		t.Errorf("%d and %d leaves", ofTenant.seen, ofRoot.seen)
	}
	// One hash is changed in the database: the client finds that the tiles are not those of the checkpoint.
	l.exec("UPDATE audit.leaf SET hash = sha256('x') WHERE tree = $1 AND index = 559", l.ids[name])
	if _, err := tlog.ProveTree(ofTenant.at.N, 1, torchwood.TileHashReaderWithContext(t.Context(), ofTenant.at.Tree, ofTenant.fetcher)); err == nil {
		t.Error("a changed hash is taken for the tree's")
	}
}

func TestServed(t *testing.T) {
	l := newLogs(t)
	l.write(acme, 300)
	l.sequence()
	name := trees.TenantTree(acme)
	serve := func(s trees.Serving) func(path, accept string) *http.Response {
		h := trees.Handler(s)
		return func(path, accept string) *http.Response {
			r := httptest.NewRequest(http.MethodGet, path, nil)
			if accept != "" {
				r.Header.Set("Accept-Encoding", accept)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			return w.Result()
		}
	}
	tenant := serve(trees.Serving{On: l.pool, Generation: 1, Tree: name})
	root := serve(trees.Serving{On: l.db.Pool(pg.Public), Generation: 1, Tree: trees.Root})
	for _, c := range []struct {
		get               func(string, string) *http.Response
		path              string
		status, length    int
		kind, cacheHas    string
		cacheHasNot, gzip string
	}{
		{root, "/checkpoint", 200, -1, "text/plain; charset=utf-8", "no-cache", "max-age", ""},
		{root, "/tile/0/000.p/1", 200, 32, "application/octet-stream", "public", "private", ""},
		{root, "/tile/entries/000.p/1", 200, -1, "application/octet-stream", "public", "private", "gzip"},
		{tenant, "/tile/0/000", 200, 8192, "application/octet-stream", "private, max-age=31536000, immutable", "public", "gzip"},
		{tenant, "/tile/0/000.p/255", 200, 255 * 32, "application/octet-stream", "private, max-age=3600", "public", ""},
		{tenant, "/tile/0/001.p/44", 200, 44 * 32, "application/octet-stream", "private", "public", ""},
		{tenant, "/tile/0/001.p/7", 200, 7 * 32, "application/octet-stream", "private", "public", ""},
		{tenant, "/tile/1/000.p/1", 200, 32, "application/octet-stream", "private", "public", ""},
		{tenant, "/tile/entries/000", 200, -1, "application/octet-stream", "no-store", "public", "gzip"},
		{tenant, "/tile/entries/001.p/44", 200, -1, "application/octet-stream", "no-store", "public", "identity"},
		{tenant, "/tile/0/001", 404, -1, "", "no-store", "immutable", ""},
		{tenant, "/tile/0/001.p/45", 404, -1, "", "no-store", "immutable", ""},
		{tenant, "/tile/1/000.p/2", 404, -1, "", "no-store", "immutable", ""},
		{tenant, "/tile/2/000.p/1", 404, -1, "", "no-store", "immutable", ""},
		{tenant, "/tile/63/000", 404, -1, "", "no-store", "immutable", ""},
		{tenant, "/checkpoint", 404, -1, "", "no-store", "immutable", ""},
		{tenant, "/other", 404, -1, "", "", "immutable", ""},
	} {
		res := c.get(c.path, c.gzip)
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		cache := res.Header.Get("Cache-Control")
		if res.StatusCode != c.status || c.length >= 0 && len(body) != c.length || c.kind != "" && res.Header.Get("Content-Type") != c.kind ||
			!strings.Contains(cache, c.cacheHas) || strings.Contains(cache, c.cacheHasNot) {
			t.Errorf("%s: %d, %d bytes, %v\n%.200s", c.path, res.StatusCode, len(body), res.Header, body)
		}
		if packed := res.Header.Get("Content-Encoding") == "gzip"; packed != (c.gzip == "gzip" && strings.HasPrefix(c.path, "/tile/entries/000") && len(c.path) == len("/tile/entries/000")) {
			t.Errorf("%s: packed %v", c.path, packed)
		}
	}
	for _, bad := range []string{
		"/tile/", "/tile/0", "/tile/0/", "/tile/00/000", "/tile/0/00", "/tile/0/0000", "/tile/0/x000/000", "/tile/0/000.p", "/tile/0/000.p/", "/tile/0/000.p/0", "/tile/0/000.p/256", "/tile/0/000.p/01",
		"/tile/0/000.p/+1", "/tile/-1/000", "/tile/64/000", "/tile/0/x001", "/tile/0/001/002", "/tile/data/000", "/tile/0/+01", "/tile/0/-01", "/tile/8/0/000", "/tile/0/" + strings.Repeat("x999/", 9) + "999",
		"/tile/0/x999/x999/x999/x999/x999/x999/999", "/tile/entries/000.p/1/2", "/tile/0/0x1",
	} {
		if res := tenant(bad, ""); res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", bad, res.StatusCode)
		}
	}
	r := httptest.NewRequest(http.MethodPost, "/checkpoint", nil)
	w := httptest.NewRecorder()
	trees.Handler(trees.Serving{On: l.pool, Generation: 1, Tree: trees.Root}).ServeHTTP(w, r)
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", w.Code)
	}
	if res := serve(trees.Serving{On: l.pool, Tree: trees.Root})("/checkpoint", ""); res.StatusCode != http.StatusInternalServerError {
		t.Errorf("of no generation: %d", res.StatusCode)
	}

	l.exec("DELETE FROM audit.entry WHERE id = (SELECT entry FROM audit.leaf WHERE index = 3 AND tree = $1)", l.ids[name])
	var told error
	deleted := serve(trees.Serving{On: l.pool, Generation: 1, Tree: name, Keys: l.box, Failed: func(_ *http.Request, err error) { told = err }})
	if res := deleted("/tile/entries/000", ""); res.StatusCode != http.StatusInternalServerError || told == nil {
		t.Errorf("a deleted entry: %d, told %v", res.StatusCode, told)
	}
	l.drops(4, false)
	if res := deleted("/tile/entries/000", ""); res.StatusCode != http.StatusInternalServerError {
		t.Errorf("one that is said to have been dropped, by nobody: %d", res.StatusCode)
	}
	l.exec("DELETE FROM audit.dropped")
	l.drops(4, true)
	if res := deleted("/tile/entries/000", ""); res.StatusCode != http.StatusGone {
		t.Errorf("a dropped entry: %d", res.StatusCode)
	}
	if res := deleted("/tile/0/000", ""); res.StatusCode != http.StatusOK {
		t.Errorf("its hashes: %d", res.StatusCode)
	}
}

func TestPathsAreThoseOfTorchwood(t *testing.T) {
	for _, n := range []int64{0, 1, 999, 1000, 1234067, 123456789012} {
		for _, wide := range []int{1, 255, 256} {
			for _, level := range []int{0, 1, 7, 63} {
				if got, want := trees.TilePath(level, n, wide), "/"+torchwood.TilePath(tlog.Tile{H: 8, L: level, N: n, W: wide}); got != want {
					t.Errorf("%s for %s", got, want)
				}
			}
			if got, want := trees.TilePath(-1, n, wide), "/"+torchwood.TilePath(tlog.Tile{H: 8, L: -1, N: n, W: wide}); got != want {
				t.Errorf("%s for %s", got, want)
			}
		}
	}
}
