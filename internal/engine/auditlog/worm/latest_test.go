package worm_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/garant-project/garant/internal/demo/servers/secondaccount"
	"github.com/garant-project/garant/internal/engine/auditlog/worm"
	"github.com/garant-project/garant/internal/engine/auditlog/worm/wormtest"
)

// counted is a verifier whose requests are counted on their way.
func counted(t *testing.T, a *wormtest.Account) (*worm.Store, *atomic.Int64) {
	t.Helper()
	to, err := url.Parse(a.Endpoint())
	if err != nil {
		t.Fatal(err)
	}
	n := new(atomic.Int64)
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		n.Add(1)
		r.SetURL(to)
		r.Out.Host = r.In.Host // it is signed
	}}
	front := httptest.NewServer(proxy)
	t.Cleanup(front.Close)
	c := a.Config(a.Account.Verifier())
	c.Endpoint = front.URL
	return wormtest.Open(t, c), n
}

func putMany(t *testing.T, w *worm.Store, keys []string) {
	t.Helper()
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(8)
	for _, key := range keys {
		group.Go(func() error { return w.Put(ctx, key, []byte(key), time.Now()) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
}

func TestLatestOfMany(t *testing.T) {
	if testing.Short() {
		t.Skip("puts 20,000 objects")
	}
	dir := t.TempDir()
	a := wormtest.StartWith(t, secondaccount.Config{Dir: dir})
	const many = 20_000
	var keys []string
	for i := range many {
		keys = append(keys, fmt.Sprintf("seg/%012d.json", i))
	}
	// The ends are put. Between them, files are laid where versitygw keeps objects, which it lists like others: to put them
	// all takes a minute and shows nothing more.
	putMany(t, a.Writer(), keys[:500])
	for _, key := range keys[500 : many-500] {
		if err := os.WriteFile(filepath.Join(dir, "objects", a.Bucket(), "garant", key), []byte(key), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	putMany(t, a.Writer(), keys[many-500:])

	v, requests := counted(t, a)
	latest := func(known string, within int64) {
		t.Helper()
		requests.Store(0)
		start := time.Now()
		h, ok, err := v.LatestAfter(t.Context(), "seg/", known)
		if err != nil || !ok || h.Key != keys[many-1] || len(h.Versions) != 1 {
			t.Fatalf("latest %+v, %v, %v", h, ok, err)
		}
		if n := requests.Load(); n > within {
			t.Errorf("%d requests; want at most %d", n, within)
		}
		t.Logf("latest after %q: %d requests, %v", known, requests.Load(), time.Since(start).Round(time.Millisecond))
	}
	latest("", 14)
	latest(keys[many-500], 1)
	latest(keys[many/2], 12)
	requests.Store(0)
	n := 0
	for item, err := range v.List(t.Context(), "seg/", "") {
		if err != nil || item.Key != keys[n] {
			t.Fatal(n, item, err)
		}
		n++
	}
	if n != many || requests.Load() > many/1000+1 {
		t.Fatalf("%d objects listed with %d requests", n, requests.Load())
	}
	n = 0
	for h, err := range v.Histories(t.Context(), "seg/", keys[many/2-1]) {
		if err != nil || h.Key != keys[many/2+n] || len(h.Versions) != 1 {
			t.Fatal(n, h, err)
		}
		n++
	}
	if n != many/2 {
		t.Fatalf("%d histories of the second half", n)
	}
	if _, ok, err := v.LatestAfter(t.Context(), "seg/", keys[many-1]); ok || err != nil {
		t.Fatal("something after the last one", err)
	}
}

// Gaps, foreign names and doubled numbers do not deceive it.
func TestLatestOfStrangers(t *testing.T) {
	a := wormtest.Start(t)
	w, v := a.Writer(), a.Verifier()
	want := func(prefix, key string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		h, ok, err := v.Latest(ctx, prefix)
		if err != nil || ok != (key != "") || h.Key != key {
			t.Fatalf("latest of %s: %q, %v, %v; want %q", prefix, h.Key, ok, err, key)
		}
	}
	want("none/", "")
	putMany(t, w, []string{"one/000000000000"})
	want("one/", "one/000000000000")
	putMany(t, w, []string{"words/readme", "words/-x"})
	want("words/", "")

	var keys []string
	for i := range 2100 { // in three heaps with large gaps
		keys = append(keys, fmt.Sprintf("gaps/%012d", []int{7, 5_000_000, 999_999_990_000}[i%3]+i))
	}
	putMany(t, w, append(keys, "gaps/-before", "gaps/zzz-after"))
	want("gaps/", fmt.Sprintf("gaps/%012d", 999_999_990_000+2099))

	keys = nil
	for i := range 1500 { // all of one number, and a number of another width that a stranger put there
		keys = append(keys, fmt.Sprintf("same/%06d-%04d", 3, i))
	}
	putMany(t, w, keys)
	want("same/", "same/000003-1499")
	putMany(t, w, []string{"same/0000030"})
	want("same/", "same/0000030")
	putMany(t, w, []string{"same/999999"})
	want("same/", "same/999999")
}
