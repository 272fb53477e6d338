package ship

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/engine/auditlog/ship/shiptest"
	"github.com/garant-project/garant/internal/engine/auditlog/ship/spool"
	"github.com/garant-project/garant/internal/estate"
)

const asShipper = "GARANT_TEST_SHIPPER"

// TestMain makes the test binary be a process that ships until it is killed, when the environment asks for it.
func TestMain(m *testing.M) {
	if dir := os.Getenv(asShipper); dir != "" {
		victim(dir)
	}
	os.Exit(m.Run())
}

// victim ships what the estate in its directory says, and logs a line of its own now and then.
func victim(dir string) {
	source, err := os.ReadFile(dir + "/garant.yaml")
	if err != nil {
		panic(err)
	}
	e, err := estate.Parse(source, estate.Files{})
	if err != nil {
		panic(err)
	}
	tap := NewTap(slog.DiscardHandler)
	s := New(Deps{DataDir: dir, Tap: tap, Log: slog.New(slog.DiscardHandler), Now: time.Now, Estate: func(context.Context) (*estate.Estate, error) { return e, nil }})
	s.pace = pace{gather: 10 * time.Millisecond, bulk: time.Second, first: time.Millisecond, longest: 20 * time.Millisecond, look: time.Second, settle: 30 * time.Millisecond}
	go func() {
		for i := 0; ; i++ {
			slog.New(own{tap}).Info(fmt.Sprintf("own %d %d", os.Getpid(), i))
			time.Sleep(time.Millisecond)
		}
	}()
	_ = s.Run(context.Background())
}

// own is a tap whose lines go nowhere else: slog.DiscardHandler is never enabled.
type own struct{ *Tap }

func (own) Enabled(context.Context, slog.Level) bool { return true }

// TestKilled ships a file that is rotated and truncated by a process that is killed at random moments, into a cluster that refuses, cuts connections
// and forgets to answer. Every line is in the index, once.
func TestKilled(t *testing.T) {
	cluster := shiptest.Start(t)
	dir := t.TempDir()
	write := func(name, text string, flags int) {
		t.Helper()
		f, err := os.OpenFile(dir+"/"+name, os.O_CREATE|os.O_WRONLY|flags, 0o600)
		if err == nil {
			_, err = f.WriteString(text)
			_ = f.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("SHIP_PASSWORD", "x")
	write("garant.yaml", fmt.Sprintf(`company: {name: A, country: BE, languages: [fr], time_zone: UTC, contact: a@b.example}
logs:
  - name: worker
    kind: application
    search: {url: '%[1]s', index: logs-worker, user: a, password: env:SHIP_PASSWORD}
    canary: {shipper: true}
    ship: {from: %[2]s/worker.log, into: logs-worker, spool_mib: 1}
  - name: own
    kind: application
    search: {url: '%[1]s', index: logs-own, user: a, password: env:SHIP_PASSWORD}
    canary: {shipper: true}
    ship: {from: garant, into: logs-own, spool_mib: 1}
`, cluster.URL, dir), os.O_TRUNC)
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 3))
	t.Logf("seed %d", seed)
	ship := func() *exec.Cmd {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), asShipper+"="+dir)
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill() })
		return cmd
	}
	kill := func(cmd *exec.Cmd) {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	write("worker.log", "", os.O_APPEND)
	count := 0
	add := func(n int) {
		var b strings.Builder
		for range n {
			fmt.Fprintf(&b, "{\"message\":\"line %d\",\"padding\":\"%s\"}\n", count, strings.Repeat("p", r.IntN(900)))
			count++
		}
		write("worker.log", b.String(), os.O_APPEND)
	}
	first := ship()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) { // what was rotated away before anybody ever followed is not asked for
		found, _ := filepath.Glob(dir + "/ship/worker/position-*")
		if slices.ContainsFunc(found, func(name string) bool { return !strings.HasSuffix(name, ".new") }) {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the shipper never began")
		}
	}
	kill(first)
	for range 30 {
		f := shiptest.Faults{BulkCut: 0.3, ItemBusy: 0.2, BulkBusy: r.IntN(4)}
		switch r.IntN(8) {
		case 0:
			f = shiptest.Faults{BulkDenied: true} // the spool fills
		case 1:
			f = shiptest.Faults{BulkHang: true}
		case 2:
			f = shiptest.Faults{Short: true, MaxRequest: 20000}
		case 3:
			f = shiptest.Faults{MaxRequest: 20000, BulkCut: 0.3}
		case 4, 5:
			f = shiptest.Faults{BulkCut: 0.2}
		}
		cluster.Set(f)
		cmd := ship()
		for range 1 + r.IntN(4) {
			add(r.IntN(120))
			time.Sleep(time.Duration(r.IntN(60)) * time.Millisecond)
			if r.IntN(5) == 0 {
				for i := 60; i > 0; i-- {
					_ = os.Rename(fmt.Sprintf("%s/worker.log.%d", dir, i), fmt.Sprintf("%s/worker.log.%d", dir, i+1))
				}
				if err := os.Rename(dir+"/worker.log", dir+"/worker.log.1"); err != nil {
					t.Fatal(err)
				}
				write("worker.log", "", os.O_APPEND)
				time.Sleep(5 * time.Millisecond)
			}
		}
		time.Sleep(time.Duration(r.IntN(150)) * time.Millisecond)
		kill(cmd)
	}
	cluster.Set(shiptest.Faults{})
	cmd := ship()
	defer kill(cmd)
	var docs, again int
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		all, sent := cluster.Documents("logs-worker")
		if docs, again = len(all), sent; docs >= count {
			break
		}
	}
	time.Sleep(300 * time.Millisecond) // for one too many
	w := &world{TB: t, cluster: cluster}
	said := w.messages("logs-worker")
	for i := range count {
		if n := said[fmt.Sprint("line ", i)]; n != 1 {
			t.Errorf("line %d is in the index %d times", i, n)
		}
	}
	if len(said) != count {
		t.Errorf("%d lines in the index, %d were written", len(said), count)
	}
	if again == 0 {
		t.Error("nothing was ever sent twice: nothing is shown")
	}
	if st, err := spool.ReadState(dir + "/ship/worker"); err != nil || st != (spool.State{}) {
		t.Errorf("%+v %v", st, err)
	}
	mine := w.messages("logs-own")
	for line, n := range mine {
		if n != 1 {
			t.Errorf("%q is in the index %d times", line, n)
		}
	}
	if len(mine) < 100 {
		t.Errorf("%d lines of its own", len(mine))
	}
	t.Logf("%d lines, %d sent again, %d own lines", count, again, len(mine))
}
