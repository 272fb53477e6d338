package tail

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// world is a log file, who writes it and who follows it.
type world struct {
	*testing.T
	dir   string
	clock time.Time
	tail  *Tail
	f     *os.File
	got   map[string]string // by ID
	order []string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, dir: t.TempDir(), clock: time.Now(), got: map[string]string{}}
	w.reopen()
	w.follow()
	t.Cleanup(func() { w.tail.Close() })
	return w
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) reopen() {
	w.Helper()
	f, err := os.OpenFile(w.path("app.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	w.must(err)
	w.f = f
}

func (w *world) follow() {
	w.Helper()
	t, err := Open(w.path("app.log"), w.path("position"), func() time.Time { return w.clock })
	w.must(err)
	w.tail = t
}

func (w *world) write(s string) {
	w.Helper()
	_, err := w.f.WriteString(s)
	w.must(err)
}

// read reads until nothing is new; keep says whether the position is kept.
func (w *world) read(keep bool) {
	w.Helper()
	for quiet := 0; quiet < 4; {
		lines, err := w.tail.Read(1 << 10)
		w.must(err)
		for _, l := range lines {
			if was, twice := w.got[l.ID]; twice && was != string(l.Text) {
				w.Errorf("one ID for %q and %q", was, l.Text)
			} else if !twice {
				w.order = append(w.order, string(l.Text))
			}
			w.got[l.ID] = string(l.Text)
		}
		if keep {
			w.must(w.tail.Commit())
		}
		if quiet++; len(lines) > 0 {
			quiet = 0
		}
		w.clock = w.clock.Add(DefaultSettle)
	}
}

func (w *world) want(lines ...string) {
	w.Helper()
	brief := func(list []string) (short []string) {
		for _, s := range list {
			short = append(short, fmt.Sprintf("%.40s (%d)", s, len(s)))
		}
		return short
	}
	if !slices.Equal(w.order, lines) {
		w.Fatalf("\n got %q\nwant %q", brief(w.order), brief(lines))
	}
}

func (w *world) rotate() {
	w.Helper()
	for i := 8; i > 0; i-- {
		_ = os.Rename(w.path(fmt.Sprintf("app.log.%d", i)), w.path(fmt.Sprintf("app.log.%d", i+1)))
	}
	w.must(os.Rename(w.path("app.log"), w.path("app.log.1")))
}

func (w *world) copyTruncate() {
	w.Helper()
	content, err := os.ReadFile(w.path("app.log"))
	w.must(err)
	w.must(os.WriteFile(w.path("app.log.1"), content, 0o600))
	w.must(w.f.Truncate(0))
}

func TestPartialLine(t *testing.T) {
	w := newWorld(t)
	w.write("one\ntw")
	w.read(true)
	w.want("one")
	w.write("o\r\n\n  \nthree\n")
	w.read(true)
	w.want("one", "two", "three")
}

func TestRotation(t *testing.T) {
	w := newWorld(t)
	w.write("one\n")
	w.read(true)
	w.rotate()
	w.write("two\n") // the writer has not noticed
	w.read(true)
	w.reopen()
	w.write("three\n")
	w.read(true)
	w.want("one", "two", "three")
	w.write("fo")
	w.rotate() // in the middle of a line that nobody ends
	w.reopen()
	w.write("five\n")
	w.read(true)
	w.want("one", "two", "three", "fo", "five")
}

// Several rotations while nothing is read, because the spool is full.
func TestRotatedOften(t *testing.T) {
	w := newWorld(t)
	w.write("one\n")
	w.read(true)
	want := []string{"one"}
	for i := range 4 {
		line := fmt.Sprintf("more %d", i)
		w.write(line + "\n")
		want = append(want, line)
		w.rotate()
		w.reopen()
		time.Sleep(5 * time.Millisecond) // times of files have a grain
	}
	w.write("last\n")
	w.read(true)
	w.want(append(want, "last")...)
	if n := w.tail.Missed(); n != 0 {
		t.Errorf("%d missed", n)
	}
}

func TestTruncation(t *testing.T) {
	for _, again := range []string{"x\n", "one\n", strings.Repeat("a longer line than before\n", 3)} {
		w := newWorld(t)
		w.write("one\ntwo\n")
		w.read(true)
		w.write("three\n") // not read before it is truncated
		w.copyTruncate()
		w.write(again)
		w.read(true)
		w.want(append([]string{"one", "two", "three"}, strings.Split(strings.TrimSpace(again), "\n")...)...)
	}
}

// The same words at the same place of another life of the file are another line.
func TestSameWords(t *testing.T) {
	w := newWorld(t)
	for range 3 {
		w.write("started\n")
		w.read(true)
		w.must(w.f.Truncate(0))
		w.read(true)
	}
	w.want("started", "started", "started")
	if len(w.got) != 3 {
		t.Errorf("%d IDs", len(w.got))
	}
}

// Rotation while nobody follows.
func TestAway(t *testing.T) {
	away := func(do func(w *world), want ...string) func(*testing.T) {
		return func(t *testing.T) {
			w := newWorld(t)
			w.write("one\ntwo\n")
			w.read(true)
			w.tail.Close()
			do(w)
			w.follow()
			w.read(true)
			w.want(append([]string{"one", "two"}, want...)...)
		}
	}
	t.Run("added to", away(func(w *world) { w.write("three\n") }, "three"))
	t.Run("renamed", away(func(w *world) { w.write("three\n"); w.rotate(); w.reopen(); w.write("four\n") }, "three", "four"))
	t.Run("renamed twice", away(func(w *world) {
		w.write("three\n")
		w.rotate()
		w.reopen()
		time.Sleep(5 * time.Millisecond)
		w.write("four\n")
		w.rotate()
		w.reopen()
		w.write("five\n")
	}, "three", "four", "five"))
	t.Run("copied and truncated", away(func(w *world) { w.write("three\n"); w.copyTruncate(); w.write("four\n") }, "three", "four"))
	t.Run("gone", func(t *testing.T) {
		w := newWorld(t)
		w.write("one\n")
		w.read(true)
		w.tail.Close()
		w.write("two\n")
		w.must(os.Remove(w.path("app.log")))
		w.reopen()
		w.write("three\n")
		w.follow()
		w.read(true)
		w.want("one", "three")
		if n := w.tail.Missed(); n != 1 {
			t.Errorf("%d missed, want 1", n)
		}
	})
	t.Run("a position that cannot be read", func(t *testing.T) {
		w := newWorld(t)
		w.write("one\n")
		w.read(true)
		w.must(os.WriteFile(w.path("position"), []byte("{"), 0o600))
		w.follow()
		w.read(true)
		w.want("one", "one")
		if n := w.tail.Missed(); n != 1 {
			t.Errorf("%d missed, want 1", n)
		}
	})
}

func TestLongLine(t *testing.T) {
	w := newWorld(t)
	long := strings.Repeat("x", 3*MaxLine)
	w.write("one\n" + long)
	w.read(true)
	w.tail.Close()
	w.follow() // in the middle of it
	w.write(long + "\nthree\n")
	w.read(true)
	w.want("one", long[:MaxLine], "three")
}

func TestNotThere(t *testing.T) {
	tail, err := Open(filepath.Join(t.TempDir(), "none"), filepath.Join(t.TempDir(), "position"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if lines, err := tail.Read(1000); err != nil || lines != nil {
		t.Errorf("%v %v", lines, err)
	}
	dir := t.TempDir()
	if tail, err = Open(dir, filepath.Join(t.TempDir(), "position"), time.Now); err != nil {
		t.Fatal(err)
	}
	if _, err := tail.Read(1000); err == nil || strings.Contains(err.Error(), dir) {
		t.Errorf("a directory: %v", err)
	}
}

// TestKilledAnywhere plays schedules of writing, rotating, truncating by copy and dying with or without having kept the position: every line is read,
// and read again only under its ID.
func TestKilledAnywhere(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		w := newWorld(t)
		written := map[string]bool{}
		w.read(true) // what was rotated away before anybody ever followed is not asked for
		for i := range 60 {
			switch r.IntN(8) {
			case 0, 1, 2, 3:
				line := fmt.Sprintf("seed %d line %d %s", seed, i, strings.Repeat("y", r.IntN(600)))
				written[line] = true
				w.write(line + "\n")
			case 4:
				w.read(r.IntN(2) == 0)
			case 5: // killed
				if r.IntN(2) == 0 {
					w.read(false)
				}
				w.tail.Close()
				w.follow()
			case 6:
				w.rotate()
				w.reopen()
				time.Sleep(2 * time.Millisecond)
			case 7:
				w.read(true)
			}
		}
		w.read(true)
		texts := map[string]int{}
		for _, text := range w.got {
			texts[text]++
		}
		for line := range written {
			if texts[line] != 1 {
				t.Fatalf("seed %d: %q has %d IDs; read %d of %d", seed, line[:20], texts[line], len(texts), len(written))
			}
		}
		if len(texts) != len(written) {
			t.Fatalf("seed %d: invented: %v", seed, slices.Collect(maps.Keys(texts)))
		}
	}
}
