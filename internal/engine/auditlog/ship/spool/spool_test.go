package spool

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const asVictim = "GARANT_TEST_SPOOL"

// TestMain makes the test binary be a process that spools until it is killed, when the environment asks for it.
func TestMain(m *testing.M) {
	if dir := os.Getenv(asVictim); dir != "" {
		victim(dir)
	}
	os.Exit(m.Run())
}

// victim appends lines, the first of them the one after the last that the spool took, says which are accepted, and delivers some.
func victim(dir string) {
	s, err := Open(dir, 1<<20, time.Now)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var next int
	_, _ = fmt.Sscan(os.Args[1], &next)
	r := rand.New(rand.NewPCG(uint64(next), uint64(os.Getpid())))
	for ; ; next++ {
		if _, err := s.Append(record(next)); errors.Is(err, ErrFull) {
			next--
		} else if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		} else {
			fmt.Printf("accepted %d\n", next)
		}
		if r.IntN(3) == 0 {
			list, err := s.Next(10, 1<<16)
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			for _, one := range list {
				fmt.Printf("delivered %s\n", one.ID)
			}
			if err := s.Commit(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
		}
	}
}

func record(i int) Record {
	return Record{ID: fmt.Sprint("line-", i), Body: fmt.Appendf(nil, `{"message":"%d %s"}`, i, strings.Repeat("x", i*37%900))}
}

func open(t testing.TB, dir string, limit int64) *Spool {
	t.Helper()
	s, err := Open(dir, limit, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func fill(t testing.TB, s *Spool, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		if n, err := s.Append(record(i)); n != 1 || err != nil {
			t.Fatalf("line %d: %d %v", i, n, err)
		}
	}
}

func drain(t testing.TB, s *Spool) []string {
	t.Helper()
	var ids []string
	for {
		list, err := s.Next(7, 4000)
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 0 {
			return ids
		}
		for _, r := range list {
			var i int
			if _, err := fmt.Sscanf(r.ID, "line-%d", &i); err != nil || string(r.Body) != string(record(i).Body) {
				t.Fatalf("%s holds another line", r.ID)
			}
			ids = append(ids, r.ID)
		}
	}
}

func want(t testing.TB, ids []string, from, to int) {
	t.Helper()
	if len(ids) != to-from {
		t.Fatalf("%d lines, want %d", len(ids), to-from)
	}
	for i, id := range ids {
		if id != fmt.Sprint("line-", from+i) {
			t.Fatalf("at %d: %s, want line-%d", i, id, from+i)
		}
	}
}

func TestOrderAndReopening(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, 1<<20)
	fill(t, s, 0, 500)
	want(t, drain(t, s), 0, 500)
	s.Close() // nothing was committed
	s = open(t, dir, 1<<20)
	fill(t, s, 500, 900)
	if list, err := s.Next(600, 1<<30); err != nil || len(list) != 600 {
		t.Fatal(len(list), err)
	}
	if err := s.Commit(); err != nil {
		t.Fatal(err)
	}
	want(t, drain(t, s), 600, 900)
	s.Close()
	s = open(t, dir, 1<<20)
	want(t, drain(t, s), 600, 900)
	if err := s.Commit(); err != nil {
		t.Fatal(err)
	}
	if n := s.Waiting(); n != 0 {
		t.Errorf("%d bytes wait", n)
	}
	s.Close()
	s = open(t, dir, 1<<20)
	want(t, drain(t, s), 900, 900)
}

func TestLocked(t *testing.T) {
	dir := t.TempDir()
	if Used(dir) {
		t.Error("used before it was opened")
	}
	s := open(t, dir, 1<<20)
	if _, err := Open(dir, 1<<20, time.Now); !errors.Is(err, ErrLocked) {
		t.Errorf("a second process: %v", err)
	}
	if !Used(dir) {
		t.Error("not used while open")
	}
	s.Close()
	if Used(dir) {
		t.Error("used after it was closed")
	}
}

// At the limit the oldest lines are kept; when they are delivered there is room again, all of it.
func TestFull(t *testing.T) {
	s := open(t, t.TempDir(), 256<<10)
	next, read := 0, 0
	for round := range 20 {
		for {
			n, err := s.Append(record(next))
			if errors.Is(err, ErrFull) && n == 0 {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			next++
		}
		if next-read < 200 {
			t.Fatalf("round %d: room for %d lines only", round, next-read)
		}
		if used, err := os.ReadDir(s.dir); err != nil || size(t, s.dir) > 256<<10+8<<10 {
			t.Fatalf("%d bytes on disk in %d files, %v", size(t, s.dir), len(used), err)
		}
		want(t, drain(t, s), read, next)
		read = next
		if err := s.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := s.Append(record(next), Record{ID: "big", Body: make([]byte, MaxRecord)}, record(next+1)); n != 1 || !errors.Is(err, ErrTooBig) {
		t.Errorf("a line that is too big: %d %v", n, err)
	}
}

func size(t testing.TB, dir string) (sum int64) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			sum += info.Size()
		}
	}
	return sum
}

// A tail that was cut off at any byte loses the line that it is in, and no other.
func TestTorn(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, 1<<20)
	fill(t, s, 0, 5)
	s.Close()
	path := s.path(1)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	ends := []int64{0}
	for i := range 5 {
		ends = append(ends, ends[i]+record(i).size())
	}
	for cut := range len(whole) {
		for _, zeros := range []int{0, 20} { // a file system may have made the file longer first
			if err := os.WriteFile(path, append(whole[:cut:cut], make([]byte, zeros)...), 0o600); err != nil {
				t.Fatal(err)
			}
			kept := 0
			for kept+1 < len(ends) && ends[kept+1] <= int64(cut) {
				kept++
			}
			s := open(t, dir, 1<<20)
			fill(t, s, kept, kept+1)
			want(t, drain(t, s), 0, kept+1)
			if int64(cut) == ends[kept] && s.State().Damaged != 0 {
				t.Errorf("cut at %d: said to be damaged", cut)
			}
			s.Close()
			_ = os.Remove(filepath.Join(dir, stateFile))
		}
	}
}

// What the disk gives back changed is noticed, counted and kept aside, and what comes after it in other segments is read.
func TestDamaged(t *testing.T) {
	for _, when := range []string{"closed", "open"} {
		t.Run(when, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir, 1<<20) // segments of 64 KiB
			fill(t, s, 0, 400)
			if when == "closed" {
				s.Close()
			}
			f, err := os.OpenFile(s.path(2), os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteAt([]byte("?"), 20); err != nil {
				t.Fatal(err)
			}
			_ = f.Close()
			if when == "closed" {
				s = open(t, dir, 1<<20)
			}
			ids := drain(t, s)
			if len(ids) < 150 || len(ids) >= 400 || ids[len(ids)-1] != "line-399" {
				t.Errorf("%d lines, the last %s", len(ids), ids[len(ids)-1])
			}
			if s.State().Damaged != 1 {
				t.Errorf("%+v", s.State())
			}
			if _, err := os.Stat(s.path(2) + damagedSuffix); err != nil {
				t.Error(err)
			}
			if err := s.Commit(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestDiskFull writes until the system refuses: what was accepted is there, what was refused is not, and when there is room again it goes on.
func TestDiskFull(t *testing.T) {
	signal.Ignore(syscall.SIGXFSZ)
	dir := t.TempDir()
	s := open(t, dir, 1<<30) // segments of 64 MiB
	fill(t, s, 0, 20)
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	next := 20
	limit := was
	limit.Cur = uint64(size(t, dir)) + 5000
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	var err error
	for range 1000 {
		if _, err = s.Append(record(next)); err != nil {
			break
		}
		next++
	}
	if restored := unix.Setrlimit(unix.RLIMIT_FSIZE, &was); restored != nil {
		t.Fatal(restored)
	}
	if !errors.Is(err, ErrFull) || next < 22 {
		t.Fatalf("after %d lines: %v", next, err)
	}
	fill(t, s, next, next+50)
	want(t, drain(t, s), 0, next+50)
	s.Close()
	s = open(t, dir, 1<<30)
	want(t, drain(t, s), 0, next+50)
}

func TestState(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, 1<<20)
	at := time.Now().UTC().Truncate(time.Second)
	s.Note(func(st *State) { st.Dropped += 3; st.DroppedAt = at })
	s.SetAside(record(1), "mapper_parsing_exception")
	if st, err := ReadState(dir); err != nil || st.Dropped != 3 || !st.DroppedAt.Equal(at) || st.Refused != 1 {
		t.Errorf("%+v %v", st, err)
	}
	aside, err := os.ReadFile(filepath.Join(dir, "refused.ndjson"))
	if err != nil || !strings.Contains(string(aside), `"_id":"line-1","why":"mapper_parsing_exception","line":{"message"`) {
		t.Errorf("%s %v", aside, err)
	}
	for i := range 2000 {
		s.SetAside(record(i), "x")
	}
	if got := size(t, dir); got > 200<<10 {
		t.Errorf("%d bytes set aside", got)
	}
	if _, err := Open(filepath.Join(dir, stateFile), 1, time.Now); err == nil || strings.Contains(err.Error(), dir) {
		t.Errorf("a file for a directory: %v", err)
	}
}

// TestKilled kills a process that spools and delivers, at random moments: what it said was accepted is delivered, in order, and again only when the kill came
// between delivery and commit.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(7, uint64(time.Now().UnixNano())))
	accepted := 0 // lines below it were accepted
	delivered := map[string]int{}
	for round := range 25 {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		cmd := exec.CommandContext(ctx, os.Args[0], fmt.Sprint(accepted))
		cmd.Env = append(os.Environ(), asVictim+"="+dir)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		stop := 1 + r.IntN(60)
		for n := 0; lines.Scan(); n++ {
			var i int
			if _, err := fmt.Sscanf(lines.Text(), "accepted %d", &i); err == nil {
				accepted = max(accepted, i+1)
			} else {
				delivered[strings.TrimPrefix(lines.Text(), "delivered ")]++
			}
			if n == stop {
				time.Sleep(time.Duration(r.IntN(3000)) * time.Microsecond)
				_ = cmd.Process.Kill()
			}
		}
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait()
		cancel()
		if t.Failed() {
			t.Fatalf("round %d", round)
		}
	}
	s := open(t, dir, 1<<20)
	for {
		list, err := s.Next(100, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 0 {
			break
		}
		for _, one := range list {
			delivered[one.ID]++
		}
	}
	for i := range accepted {
		if delivered[fmt.Sprint("line-", i)] == 0 {
			t.Errorf("line %d was accepted and never delivered", i)
		}
	}
	if accepted < 50 {
		t.Errorf("only %d lines: nothing is shown", accepted)
	}
	if s.State().Damaged != 0 {
		t.Errorf("%+v", s.State())
	}
}

// FuzzOpen opens whatever stands on the disk: no panic, and what is read has its checksum.
func FuzzOpen(f *testing.F) {
	f.Add([]byte("\x05\x00\x00\x00abcd"), []byte(`{"segment":1,"offset":3}`))
	f.Add([]byte{}, []byte(`{"segment":-1,"offset":-3}`))
	f.Fuzz(func(t *testing.T, content, cursor []byte) {
		dir := t.TempDir()
		if err := errors.Join(os.WriteFile(filepath.Join(dir, "0000000000000001.seg"), content, 0o600), os.WriteFile(filepath.Join(dir, cursorFile), cursor, 0o600)); err != nil {
			t.Fatal(err)
		}
		s, err := Open(dir, 1<<20, time.Now)
		if err != nil {
			return
		}
		defer s.Close()
		for {
			list, err := s.Next(10, 1000)
			if err != nil || len(list) == 0 {
				break
			}
		}
		if _, err := s.Append(record(1)); err != nil {
			t.Fatal(err)
		}
		if list, err := s.Next(10, 1000); err != nil || len(list) != 1 {
			t.Fatalf("%d %v", len(list), err)
		}
	})
}
