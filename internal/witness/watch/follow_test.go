package watch

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/audit/trees"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
)

const logOrigin = "trust.ardoise.example/log"

// history is a log in memory, of which any size can be shown.
type history struct {
	lines  []string
	hashes []tlog.Hash // as tlog stores them
}

func (h *history) add(lines ...string) {
	for _, line := range lines {
		stored, err := tlog.StoredHashes(int64(len(h.lines)), []byte(line), h)
		if err != nil {
			panic(err)
		}
		h.lines, h.hashes = append(h.lines, line), append(h.hashes, stored...)
	}
}

func (h *history) grow(of string, many int) {
	for range many {
		h.add(fmt.Sprintf("garant/tree v1\n%s %d\n", of, len(h.lines)))
	}
}

// ReadHashes implements tlog.HashReader.
func (h *history) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		out[i] = h.hashes[index]
	}
	return out, nil
}

func (h *history) root(size int64) tlog.Hash {
	root, err := tlog.TreeHash(size, h)
	if err != nil {
		panic(err)
	}
	return root
}

func (h *history) branch() *history {
	return &history{slices.Clone(h.lines), slices.Clone(h.hashes)}
}

// front serves a history as a C2SP tlog-tiles log, at a size, signed with a key.
type front struct {
	mu      sync.Mutex
	log     *history
	size    int64
	origin  string
	seed    byte
	status  int
	spoilt  bool   // hashes that are not those of the head
	instead string // of a checkpoint
	url     string
}

func newFront(t testing.TB) *front {
	t.Helper()
	f := &front{log: &history{}, origin: logOrigin, seed: 1}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	f.url = server.URL + "/log"
	return f
}

func keyOf(origin string, seed byte) (private, public string) {
	private, public, err := merkle.NewKey(origin, bytes.Repeat([]byte{seed}, 32))
	if err != nil {
		panic(err)
	}
	return private, public
}

// show has it serve a history from now on, in full.
func (f *front) show(h *history) { f.set(func() { f.log, f.size = h, int64(len(h.lines)) }) }

func (f *front) set(change func()) { f.mu.Lock(); defer f.mu.Unlock(); change() }

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.status != 0 {
		w.WriteHeader(f.status)
		return
	}
	path := strings.TrimPrefix(r.URL.Path, "/log")
	if path == "/checkpoint" && f.instead != "" {
		_, _ = w.Write([]byte(f.instead))
		return
	}
	if path == "/checkpoint" {
		private, _ := keyOf(f.origin, f.seed)
		signer, err := note.NewSigner(private)
		if err != nil {
			panic(err)
		}
		signed, err := merkle.Sign(merkle.Checkpoint{Origin: f.origin, Size: f.size, Root: f.log.root(f.size)}, signer)
		if err != nil {
			panic(err)
		}
		_, _ = w.Write([]byte(signed))
		return
	}
	for level := range 4 {
		for n := int64(0); n<<(8*(level+1)) < f.size; n++ {
			wide := min(f.size>>(8*level)-n*256, 256)
			if wide > 0 && trees.TilePath(level, n, int(wide)) == path {
				data, err := tlog.ReadTileData(tlog.Tile{H: 8, L: level, N: n, W: int(wide)}, f.log)
				if err != nil {
					panic(err)
				}
				if f.spoilt {
					data[0] ^= 1
				}
				_, _ = w.Write(data)
				return
			}
		}
	}
	if wide := min(f.size, 256); trees.TilePath(-1, 0, int(wide)) == path {
		for _, line := range f.log.lines[:wide] {
			_, _ = w.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(line))), line...)) //nolint:gosec // short
		}
		return
	}
	w.WriteHeader(http.StatusNotFound)
}

func logYAML(f *front) string {
	_, public := keyOf(f.origin, f.seed)
	return "log: {url: '" + f.url + "', key: '" + public + "', cosigner: file:cosigner.key, name: witness.example/vigie}\n"
}

// newFollower is a witness that follows a log of so many lines.
func newFollower(t testing.TB, lines int) (*bench, *front, *history) {
	t.Helper()
	f := newFront(t)
	h := &history{}
	h.grow("company", lines)
	f.show(h)
	return newBench(t, logYAML(f)), f, h
}

// cosigned verifies everything that Garant was sent, and lists the sizes that were cosigned.
func (b *bench) cosigned(t testing.TB, h *history) (sizes []int64) {
	t.Helper()
	vkey, err := CosignerKey(b.File.Log.Cosigner.Path(), b.File.Log.Name)
	if err != nil {
		t.Fatal(err)
	}
	return cosignedSizes(t, b.garant, vkey, h)
}

func cosignedSizes(t testing.TB, g *garant, vkey string, h *history) (sizes []int64) {
	t.Helper()
	key, err := merkle.NewWitness(vkey)
	if err != nil {
		t.Fatal(err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, s := range g.shown {
		if s.Cosignature == "" {
			continue
		}
		text, _, err := merkle.SplitNote(s.Checkpoint)
		if err != nil {
			t.Fatal(err)
		}
		c, err := merkle.ParseCheckpoint(text)
		if err != nil {
			t.Fatal(err)
		}
		at, err := key.Cosigned(text, s.Cosignature)
		if err != nil || time.Since(at).Abs() > time.Minute {
			t.Errorf("%v %v", at, err)
		}
		if c.Size > int64(len(h.lines)) || h.root(c.Size) != c.Root {
			t.Errorf("cosigned at %d what the log does not hold", c.Size)
		}
		sizes = append(sizes, c.Size)
	}
	return sizes
}

func TestCosigns(t *testing.T) {
	b, f, h := newFollower(t, 3)
	if r := b.round(t); len(r.Alarms) != 0 || r.Log == nil || r.Log.Size != 3 || !r.Log.Sent || r.Log.Line == "" || r.Log.Origin != logOrigin {
		t.Fatalf("%+v", r)
	}
	if r := b.round(t); len(r.Alarms) != 0 || r.Log.Line != "" || !r.Log.Sent {
		t.Errorf("the same head was cosigned again: %+v", r.Log)
	}
	for _, more := range []int{1, 252, 1, 300, 70_000} { // over the edges of tiles of each level
		h.grow("company", more)
		f.show(h)
		if r := b.round(t); len(r.Alarms) != 0 || r.Log == nil || r.Log.Size != int64(len(h.lines)) || !r.Log.Sent {
			t.Errorf("%d more: %+v %+v", more, r.Alarms, r.Log)
		}
		b.open(t, b.File)
	}
	if sizes := b.cosigned(t, h); !slices.Equal(sizes, []int64{3, 4, 256, 257, 557, 70_557}) {
		t.Errorf("%v", sizes)
	}
}

// TestCosignatureNotTaken: what Garant does not take is sent again, and alarmed of as statements are.
func TestCosignatureNotTaken(t *testing.T) {
	b, f, h := newFollower(t, 3)
	b.garant.turns = http.StatusConflict
	if r := b.round(t); len(r.Alarms) != 0 || r.Log.Sent || r.Log.Line == "" {
		t.Errorf("%+v", r)
	}
	if r := b.round(t); kinds(r.Alarms) != Deliver || r.Log.Line == "" {
		t.Errorf("%+v", r)
	}
	b.garant.turns = 0
	h.grow("company", 2)
	f.show(h)
	if r := b.round(t); kinds(r.Alarms) != Deliver+" over" || !r.Log.Sent {
		t.Errorf("%+v", r)
	}
	if sizes := b.cosigned(t, h); !slices.Equal(sizes, []int64{3, 3, 5}) {
		t.Errorf("%v", sizes)
	}
}

// TestTheLogIsNotAsItWas: each fault is alarmed of once, over a restart too; nothing is cosigned until the log is as it was.
func TestTheLogIsNotAsItWas(t *testing.T) {
	for what, c := range map[string]struct {
		doBreak func(f *front, h *history)
		mend    func(f *front)
		kind    string
		text    string
	}{
		"another history of the same size": {func(f *front, h *history) {
			g := h.branch()
			g.lines, g.hashes = g.lines[:299], g.hashes[:tlog.StoredHashCount(299)]
			g.grow("tenant", 1)
			f.show(g)
		}, nil, Fork, "montre une autre histoire"},
		"a history that grew otherwise": {func(f *front, _ *history) {
			g := &history{}
			g.grow("tenant", 900)
			f.show(g)
		}, nil, Fork, "une autre histoire"},
		"one leaf rewritten": {func(f *front, h *history) {
			g := &history{}
			lines := slices.Clone(h.lines)
			lines[7] = "garant/tree v1\nforged\n"
			g.add(lines...)
			g.grow("company", 5)
			f.show(g)
		}, nil, Fork, "une autre histoire"},
		"fewer leaves":     {func(f *front, _ *history) { f.set(func() { f.size = 200 }) }, nil, Rollback, "montre moins"},
		"another key":      {func(f *front, _ *history) { f.set(func() { f.seed = 2 }) }, func(f *front) { f.seed = 1 }, LogWrong, "autre clé"},
		"another origin":   {func(f *front, _ *history) { f.set(func() { f.origin = "x.example/log" }) }, func(f *front) { f.origin = logOrigin }, LogWrong, "autre nom"},
		"a new generation": {func(f *front, _ *history) { f.set(func() { f.origin = logOrigin + "/2" }) }, func(f *front) { f.origin = logOrigin }, LogRestored, "a recommencé"},
		"hashes of something else": {func(f *front, h *history) {
			h.grow("company", 3)
			f.show(h)
			f.set(func() { f.spoilt = true })
		}, func(f *front) { f.spoilt = false }, LogWrong, "empreintes"},
	} {
		t.Run(what, func(t *testing.T) {
			b, f, h := newFollower(t, 300)
			b.File.Language = "fr"
			b.round(t)
			was := len(b.cosigned(t, h))
			c.doBreak(f, h)
			r := b.round(t)
			if kinds(r.Alarms) != c.kind || !strings.Contains(r.Alarms[0].Text, c.text) || r.Log != nil {
				t.Errorf("%s: %+v %+v", kinds(r.Alarms), r.Alarms, r.Log)
			}
			if c.kind == Fork {
				if len(r.Alarms[0].Proof) != 2 || r.Alarms[0].Proof[0] == r.Alarms[0].Proof[1] {
					t.Errorf("no proof: %q", r.Alarms[0].Proof)
				}
				if shown := b.garant.shown; len(shown) < 2 || shown[len(shown)-1].Cosignature != "" || shown[len(shown)-1].Checkpoint != r.Alarms[0].Proof[1] {
					t.Error("Garant was not shown the proof")
				}
				mails, _ := filepath.Glob(filepath.Join(b.dir, "*fork.eml"))
				if len(mails) != 1 {
					t.Fatal(mails)
				}
				if mail, err := os.ReadFile(mails[0]); err != nil || strings.Count(string(mail), logOrigin) < 2 {
					t.Errorf("the mail has no proof: %s", mail)
				}
			}
			b.open(t, b.File)
			if r := b.round(t); len(r.Alarms) != 0 || r.Log != nil {
				t.Errorf("a second alarm: %+v %+v", r.Alarms, r.Log)
			}
			f.set(func() { f.status = 503 })
			for range 3 { // blindness does not end it
				if r := b.round(t); slices.ContainsFunc(r.Alarms, func(a Alarm) bool { return a.Over }) {
					t.Errorf("%+v", r.Alarms)
				}
			}
			f.set(func() {
				f.status = 0
				if c.mend != nil {
					c.mend(f)
				}
			})
			if now := len(b.cosigned(t, h)); now != was {
				t.Error("something was cosigned")
			}
			f.show(h)
			r = b.round(t)
			if !strings.Contains(kinds(r.Alarms), c.kind+" over") || r.Log == nil {
				t.Errorf("mended: %s %+v", kinds(r.Alarms), r.Log)
			}
			h.grow("company", 1)
			f.show(h)
			if r := b.round(t); r.Log == nil || r.Log.Line == "" {
				t.Errorf("it does not go on: %+v", r)
			}
		})
	}
}

func TestLogSilent(t *testing.T) {
	b, f, h := newFollower(t, 3)
	b.round(t)
	b.Now = func() time.Time { return time.Now().Add(6 * time.Minute) }
	r := b.round(t)
	if !strings.Contains(kinds(r.Alarms), LogSilent) || r.Log == nil || r.Log.Line != "" {
		t.Errorf("no growth: %s %+v", kinds(r.Alarms), r.Log)
	}
	if r := b.round(t); strings.Contains(kinds(r.Alarms), LogSilent) {
		t.Errorf("a second alarm: %s", kinds(r.Alarms))
	}
	h.grow("company", 1)
	f.show(h)
	if r := b.round(t); !strings.Contains(kinds(r.Alarms), LogSilent+" over") || r.Log.Size != 4 {
		t.Errorf("it grows: %s", kinds(r.Alarms))
	}
	b.Now = func() time.Time { return time.Now().Add(-24 * time.Hour) } // a clock that was set back
	if r := b.round(t); strings.Contains(kinds(r.Alarms), LogSilent) {
		t.Errorf("%s", kinds(r.Alarms))
	}
	b.Now = time.Now
	for what, doBreak := range map[string]func(){
		"an error":      func() { f.status = 500 },
		"no checkpoint": func() { f.instead = "<html>\n\nnothing\n" },
	} {
		b.open(t, b.File)
		b.round(t)
		f.set(doBreak)
		if r := b.round(t); strings.Contains(kinds(r.Alarms), LogSilent) {
			t.Errorf("%s, one miss: %s", what, kinds(r.Alarms))
		}
		if r := b.round(t); !strings.Contains(kinds(r.Alarms), LogSilent) {
			t.Errorf("%s, two misses: %s", what, kinds(r.Alarms))
		}
		f.set(func() { f.status, f.instead = 0, "" })
		if r := b.round(t); !strings.Contains(kinds(r.Alarms), LogSilent+" over") {
			t.Errorf("%s, mended: %s", what, kinds(r.Alarms))
		}
	}
}

// TestNewGeneration: a log that begins anew is cosigned when its key was pinned, and says first what it goes on from.
func TestNewGeneration(t *testing.T) {
	b, f, h := newFollower(t, 20)
	b.round(t)
	root := h.root(20)
	line := func(size int, root tlog.Hash) string {
		return fmt.Sprintf("garant/restored v1\n%s %d %s\nthe disk failed\n", logOrigin, size, root)
	}
	begin := func(first string) *history {
		g := &history{}
		g.add(first)
		g.grow("company", 300)
		f.show(g)
		f.set(func() { f.origin, f.seed = logOrigin+"/2", 3 })
		return g
	}
	begin(line(20, root))
	if r := b.round(t); kinds(r.Alarms) != LogRestored {
		t.Fatalf("%+v", r.Alarms)
	}
	_, b.File.Log.Key = keyOf(logOrigin+"/2", 3)
	begin("garant/time v1\n2026-11-27T18:20:00Z\n")
	if r := b.round(t); kinds(r.Alarms) != LogWrong || r.Log != nil {
		t.Errorf("it says nothing of what was before: %+v", r)
	}
	other := &history{}
	other.grow("x", 20)
	begin(line(20, other.root(20)))
	if r := b.round(t); kinds(r.Alarms) != Fork || r.Log != nil {
		t.Errorf("it goes on from another history: %+v", r)
	}
	b.open(t, b.File)
	begin(line(15, h.root(15)))
	r := b.round(t)
	if r.Log == nil || r.Log.Hidden != 5 || r.Log.Line == "" || r.Log.Origin != logOrigin+"/2" {
		t.Errorf("%+v %+v", r.Log, r.Alarms)
	}
	if got := kinds(r.Alarms); got != "fork over, log_restored over, log_wrong over" {
		t.Error(got)
	}
	// The earlier generation is remembered.
	f.set(func() { f.origin, f.seed = logOrigin, 1 })
	f.show(other)
	_, b.File.Log.Key = keyOf(logOrigin, 1)
	if r := b.round(t); kinds(r.Alarms) != Fork {
		t.Errorf("%+v", r)
	}
}

// TestMemory: a witness that forgot, or that another process works beside, cosigns nothing.
func TestMemory(t *testing.T) {
	b, f, h := newFollower(t, 3)
	b.round(t)
	path := b.File.State + ".log"
	kept, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	h.grow("company", 1)
	f.show(h)
	for what, spoil := range map[string]func() error{
		"lost":    func() error { return os.Remove(path) },
		"cut off": func() error { return os.WriteFile(path, kept[:len(kept)/2], 0o600) },
		"emptied": func() error { return os.WriteFile(path, []byte(`{"logs":null}`), 0o600) },
		"no size": func() error {
			return os.WriteFile(path, bytes.ReplaceAll(kept, []byte(`"size":3`), []byte(`"size":0`)), 0o600)
		},
	} {
		b.open(t, b.File)
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		if r, err := b.Round(context.Background()); !errs.Is(err, errs.Invalid) || r.Log != nil || !r.Sent {
			t.Errorf("%s: %v %+v", what, err, r)
		}
		if err := os.WriteFile(path, kept, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if sizes := b.cosigned(t, h); !slices.Equal(sizes, []int64{3}) {
		t.Errorf("%v", sizes)
	}
	// With another key it may begin anew.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(b.File.Log.Cosigner.Path()); err != nil {
		t.Fatal(err)
	}
	b.open(t, b.File)
	if r := b.round(t); r.Log == nil || !r.Log.Sent {
		t.Errorf("%+v", r)
	}

	lock, err := os.OpenFile(path+".lock", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := lockIn(lock, 0); err != nil {
		t.Fatal(err)
	}
	second, err := os.OpenFile(path+".lock", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if err := lockIn(second, 0); err == nil {
		t.Error("two have the lock")
	}
	h.grow("company", 1)
	f.show(h)
	done := make(chan Report)
	go func() { r, _ := b.Round(context.Background()); done <- r }()
	select {
	case r := <-done:
		t.Errorf("it worked without the lock: %+v", r.Log)
	case <-time.After(500 * time.Millisecond):
	}
	_ = lock.Close()
	if r := <-done; r.Log == nil || r.Log.Size != 5 {
		t.Errorf("%+v", r)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
}

// TestKilled shows a witness two histories of one log in turn and kills its process with SIGKILL at every step, at random: whatever arrives with
// its name is of one history.
func TestKilled(t *testing.T) {
	if dir := os.Getenv("WITNESS_TEST_DIR"); dir != "" {
		oneRound(t, dir, os.Getenv("WITNESS_TEST_KILL"))
		return
	}
	f := newFront(t)
	common := &history{}
	common.grow("company", 250)
	a, b := common.branch(), common.branch()
	f.show(a)
	bench := newBench(t, logYAML(f))
	vkey, err := CosignerKey(bench.File.Log.Cosigner.Path(), bench.File.Log.Name)
	if err != nil {
		t.Fatal(err)
	}
	source, err := json.Marshal(map[string]any{"annex": bench.garant.url, "log": logYAML(f)})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bench.dir, "how.json"), source, 0o600); err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1)) //nolint:gosec // a schedule of a test
	steps := []string{"", "verified", "kept", "signed", "sent"}
	killed := 0
	for i := range 25 {
		a.grow("a", 1+random.IntN(20))
		b.grow("b", 1+random.IntN(20))
		step := steps[i%len(steps)]
		if step == "" || random.IntN(2) == 0 { // what it saw first is there at least each time that it is left in peace
			f.show(a)
		} else {
			f.show(b)
		}
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$") //nolint:gosec // itself
		cmd.Env = append(os.Environ(), "WITNESS_TEST_DIR="+bench.dir, "WITNESS_TEST_KILL="+step)
		out, err := cmd.CombinedOutput()
		if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			killed++
		} else if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	sizes := cosignedSizes(t, bench.garant, vkey, a) // the first that it saw
	if len(sizes) < 3 || killed < 3 || !slices.IsSorted(sizes) {
		t.Errorf("%d killed, cosigned %v", killed, sizes)
	}
}

// oneRound is the process that is killed.
func oneRound(t *testing.T, dir, kill string) {
	var how struct{ Annex, Log string }
	b, err := os.ReadFile(filepath.Join(dir, "how.json"))
	if err != nil || json.Unmarshal(b, &how) != nil {
		t.Fatal(err)
	}
	t.Setenv("WITNESS_TEST_TOKEN", "token-of-the-interface")
	file, err := estate.ParseWitness([]byte("name: vigie\ncompany: Ardoise SRL\nkey: file:witness.key\nannex: {url: '"+how.Annex+"'}\ngarant: {url: '"+how.Annex+"', token: env:WITNESS_TEST_TOKEN}\n"+
		"alarm: {outbox: '"+dir+"', mail: security@ardoise.example}\n"+how.Log), estate.Dir(dir))
	if err != nil {
		t.Fatal(err)
	}
	key, err := LoadKey(file.Key.Path())
	if err != nil {
		t.Fatal(err)
	}
	cosigner, err := LoadCosigner(file.Log.Cosigner.Path(), file.Log.Name, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	w, err := Open(Config{File: file, Key: key, Cosigner: cosigner, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	w.interrupt = func(step string) error {
		if step == kill {
			return syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
		return nil
	}
	if _, err := w.Round(context.Background()); err != nil {
		t.Fatal(err)
	}
}
