package worm_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/garant-project/garant/internal/demo/servers"
	"github.com/garant-project/garant/internal/demo/servers/secondaccount"
	"github.com/garant-project/garant/internal/engine/auditlog/worm"
	"github.com/garant-project/garant/internal/engine/auditlog/worm/wormtest"
	"github.com/garant-project/garant/internal/errs"
)

func TestCutConnection(t *testing.T) {
	a := wormtest.Start(t)
	wire := a.NewWire()
	c := a.Config(a.Account.Writer())
	c.Endpoint, c.Compare = wire.Endpoint(), a.Verifier()
	w, v := wormtest.Open(t, c), a.Verifier()
	data := bytes.Repeat([]byte("segment "), 40_000)

	// In the middle of the object: nothing is there, and nothing is said to be.
	wire.CutRequests(100_000)
	wantID(t, w.Put(t.Context(), "seg/0001", data, time.Now()), errs.Unavailable, worm.IDUnreachable)
	if wire.Cuts() < 2 {
		t.Fatalf("%d connections were cut: it was not tried again", wire.Cuts())
	}
	if h, err := v.Versions(t.Context(), "seg/0001"); err != nil || len(h.Versions) != 0 {
		t.Fatalf("half an object: %+v, %v", h, err)
	}

	// It heals while we try: the call that began before ends well.
	cuts := wire.Cuts()
	go func() {
		for wire.Cuts() == cuts {
			time.Sleep(time.Millisecond)
		}
		wire.Mend()
	}()
	if err := w.Put(t.Context(), "seg/0001", data, time.Now()); err != nil {
		t.Fatal(err)
	}

	// After the object was stored and before its answer arrived: the next attempt of the same call finds it and compares.
	before := wire.Cuts()
	wire.CutAnswers(2)
	if err := w.Put(t.Context(), "seg/0002", data, time.Now()); err != nil {
		t.Fatal(err)
	}
	if n := wire.Cuts() - before; n != 2 {
		t.Fatalf("%d answers were cut", n)
	}
	for _, key := range []string{"seg/0001", "seg/0002"} {
		if o, err := v.GetFirst(t.Context(), key, int64(len(data))); err != nil || !bytes.Equal(o.Data, data) || len(o.History.Versions) != 1 {
			t.Fatalf("%s: %d bytes, %d versions, %v", key, len(o.Data), len(o.History.Versions), err)
		}
	}
}

func TestHangingStore(t *testing.T) {
	a := wormtest.Start(t)
	w, v := a.Writer(), a.Verifier()
	mustPut(t, w, "seg/0001", "first", time.Now())
	if err := a.Break(secondaccount.FaultHang); err != nil {
		t.Fatal(err)
	}
	for what, do := range map[string]func(context.Context) error{
		"put":  func(ctx context.Context) error { return w.Put(ctx, "seg/0002", []byte("second"), time.Now()) },
		"get":  func(ctx context.Context) error { _, err := v.GetFirst(ctx, "seg/0001", 10); return err },
		"list": func(ctx context.Context) error { _, _, err := v.Latest(ctx, "seg/"); return err },
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		start := time.Now()
		err := do(ctx)
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("%s: ended after %v; the deadline was 1.5 s", what, took)
		}
		wantID(t, err, errs.Unavailable, worm.IDTimeout)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v does not tell that the context ended", what, err)
		}
		cancel()
	}
	// Without a deadline of the caller, by its own.
	c := a.Config(a.Account.Writer())
	c.Timeout = time.Second
	start := time.Now()
	wantID(t, wormtest.Open(t, c).Put(t.Context(), "seg/0002", []byte("second"), time.Now()), errs.Unavailable, worm.IDTimeout)
	if took := time.Since(start); took > 2500*time.Millisecond {
		t.Errorf("ended after %v; its timeout is 1 s", took)
	}
	// A store that wakes up within the call's time is all right: what it took before is not put twice.
	go func() {
		time.Sleep(4 * time.Second)
		a.Mend()
	}()
	mustPut(t, w, "seg/0002", "second", time.Now())
	if h, err := v.Versions(t.Context(), "seg/0002"); err != nil || len(h.Versions) != 1 {
		t.Fatalf("%+v, %v", h, err)
	}
}

// Kill the store while it takes objects, again and again: what was acknowledged is there, whole and under lock.
func TestKilledStore(t *testing.T) {
	a := wormtest.Start(t)
	w, v := a.Writer(), a.Verifier()
	var mu sync.Mutex
	acknowledged := map[string]string{}
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for worker := range 2 {
		group.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				key := fmt.Sprintf("seg/%d%07d", worker, n)
				data := strings.Repeat(key, 500)
				if err := w.Put(ctx, key, []byte(data), time.Now()); err == nil {
					mu.Lock()
					acknowledged[key] = data
					mu.Unlock()
				}
			}
		})
	}
	for range 6 {
		time.Sleep(300 * time.Millisecond)
		a.Kill()
		if err := a.Account.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	group.Wait()
	if len(acknowledged) < 20 {
		t.Fatalf("only %d objects were acknowledged: this test sees nothing", len(acknowledged))
	}
	seen := 0
	for h, err := range v.Histories(t.Context(), "seg/", "") {
		if err != nil {
			t.Fatal(err)
		}
		if first, ok := h.First(); ok && first.Size == int64(len(acknowledged[h.Key])) {
			seen++
		}
	}
	if seen != len(acknowledged) {
		t.Fatalf("%d of %d acknowledged objects are there, whole", seen, len(acknowledged))
	}
	looks := 0
	for key, data := range acknowledged { // some of them, in no order
		if looks++; looks > 100 {
			break
		}
		o, err := v.GetFirst(t.Context(), key, 1<<20)
		if err != nil || string(o.Data) != data {
			t.Fatalf("%s was acknowledged: %d bytes, %v", key, len(o.Data), err)
		}
		if mode, until, err := v.Retention(t.Context(), key); err != nil || mode != worm.Compliance || until.Before(time.Now().Add(wormtest.Keep-time.Hour)) {
			t.Fatalf("%s was acknowledged: %q until %v, %v", key, mode, until, err)
		}
	}
	t.Logf("%d objects acknowledged", len(acknowledged))
}

func TestUnreachable(t *testing.T) {
	a := wormtest.Start(t)
	w := a.Writer()
	if err := a.Break(secondaccount.FaultDown); err != nil {
		t.Fatal(err)
	}
	wantID(t, w.Put(t.Context(), "seg/0001", nil, time.Now()), errs.Unavailable, worm.IDUnreachable)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wantID(t, w.Put(ctx, "seg/0001", nil, time.Now()), errs.Unavailable, worm.IDTimeout)
	if err := a.Mend(); err != nil {
		t.Fatal(err)
	}
	mustPut(t, w, "seg/0001", "first", time.Now())
	c := a.Config(a.Account.Writer())
	c.Endpoint = "https://no-such-host.invalid"
	wantID(t, wormtest.Open(t, c).Put(t.Context(), "seg/0001", nil, time.Now()), errs.Unavailable, worm.IDUnreachable)
	c.Endpoint = "https://169.254.169.254"
	c.Timeout = time.Second
	if err := wormtest.Open(t, c).Put(t.Context(), "seg/0001", nil, time.Now()); !errs.Is(err, errs.Invalid) && !errs.Is(err, errs.Unavailable) {
		t.Fatal(err)
	}
}

func TestTLS(t *testing.T) {
	ca, err := servers.NewCA("Example Trust", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	other, err := servers.NewCA("Another Trust", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	a := wormtest.StartWith(t, secondaccount.Config{CA: ca})
	with := func(change func(*worm.Config)) *worm.Store {
		c := a.Config(a.Account.Verifier())
		change(&c)
		return wormtest.Open(t, c)
	}
	if on, err := with(func(c *worm.Config) { c.CA = ca.PEM() }).LockEnabled(t.Context()); err != nil || !on {
		t.Fatal(on, err)
	}
	look := func(s *worm.Store) error { _, err := s.LockEnabled(t.Context()); return err }
	wantID(t, look(with(func(c *worm.Config) { c.CA = other.PEM() })), errs.Unavailable, worm.IDTLS)
	wantID(t, look(with(func(c *worm.Config) {})), errs.Unavailable, worm.IDTLS) // the system's authorities
	wantID(t, look(with(func(c *worm.Config) {                                   // the right authority, another name
		c.CA, c.Endpoint = ca.PEM(), strings.Replace(c.Endpoint, "127.0.0.1", "localhost", 1)
	})), errs.Unavailable, worm.IDTLS)
	plain := wormtest.Start(t)
	wantID(t, look(with(func(c *worm.Config) { c.Endpoint = "https://" + plain.Address() })), errs.Unavailable, worm.IDTLS)
	if err := look(with(func(c *worm.Config) { c.Endpoint = "http://" + a.Address() })); !errs.Is(err, errs.Unavailable) {
		t.Fatal(err)
	}
}

// A file system of 8 MB fills up under the store.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=8m,mode=711"); err != nil {
		if os.Geteuid() == 0 {
			t.Logf("as root: %v", err)
		}
		t.Skipf("a small file system cannot be mounted here, so that a full disk is not tried: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	a := wormtest.StartWith(t, secondaccount.Config{Dir: dir})
	w, v := a.Writer(), a.Verifier()
	data := bytes.Repeat([]byte("x"), 1<<20)
	stored := 0
	var err error
	for ; stored < 20; stored++ {
		if err = w.Put(t.Context(), fmt.Sprintf("seg/%04d", stored), data, time.Now()); err != nil {
			break
		}
	}
	wantID(t, err, errs.Unavailable, worm.IDFull)
	if stored < 2 {
		t.Fatalf("full after %d objects", stored)
	}
	if h, err := v.Versions(t.Context(), fmt.Sprintf("seg/%04d", stored)); err != nil || len(h.Versions) != 0 {
		t.Fatalf("the object that had no room: %+v, %v", h, err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT, "size=24m"); err != nil {
		t.Fatal(err)
	}
	for i := range stored + 1 { // the earlier ones are there, the last one finds its place
		key := fmt.Sprintf("seg/%04d", i)
		if err := w.Put(t.Context(), key, data, time.Now()); err != nil {
			t.Fatal(key, err)
		}
		if o, err := v.GetFirst(t.Context(), key, 1<<20); err != nil || !bytes.Equal(o.Data, data) || len(o.History.Versions) != 1 {
			t.Fatal(key, err)
		}
	}
}
