package discover_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/garant-project/garant/internal/discover"
	"github.com/garant-project/garant/internal/errs"
)

// holds says what lies in a directory.
func holds(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestWriteLeavesAllOrNothing(t *testing.T) {
	dir := t.TempDir()
	path, kept := filepath.Join(dir, "garant.yaml"), filepath.Join(dir, "url")
	databases := []discover.Database{{URL: "postgres://u:hunter2@h/x", Reference: "file:" + kept}, {URL: "postgres://u@h/y", Reference: "file:/given/already"}}

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := discover.Write(ended, path, []byte("x"), databases, kept); !errs.Is(err, errs.Unavailable) || len(holds(t, dir)) > 0 {
		t.Errorf("stopped: %v, %v", err, holds(t, dir))
	}
	if err := discover.Write(t.Context(), path, []byte("one"), databases, kept); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{path: 0o640, kept: 0o600} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
	if content, _ := os.ReadFile(kept); string(content) != "postgres://u:hunter2@h/x\n" {
		t.Errorf("%q", content)
	}
	// Nothing is replaced, and what was made on the way goes again.
	other := filepath.Join(dir, "other")
	err := discover.Write(t.Context(), path, []byte("two"), []discover.Database{{URL: "u", Reference: "file:" + other}}, other)
	if !errs.Is(err, errs.Conflict) || len(holds(t, dir)) != 2 {
		t.Errorf("%v, %v", err, holds(t, dir))
	}
	if content, _ := os.ReadFile(path); string(content) != "one" {
		t.Errorf("it was replaced by %q", content)
	}
	if err := discover.Write(t.Context(), filepath.Join(dir, "no", "garant.yaml"), []byte("x"), nil); !errs.Is(err, errs.Invalid) {
		t.Errorf("%v", err)
	}
	if os.Geteuid() != 0 { // root may write anywhere
		closed := t.TempDir()
		if err := os.Chmod(closed, 0o500); err != nil { //nolint:gosec // that is what is tried
			t.Fatal(err)
		}
		if err := discover.Write(t.Context(), filepath.Join(closed, "garant.yaml"), []byte("x"), nil); !errs.Is(err, errs.Invalid) {
			t.Errorf("%v", err)
		}
	}
}

func TestPlace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "garant.yaml")
	for _, want := range []string{path, path + ".new"} {
		got, err := discover.Place(path)
		if err != nil || got != want {
			t.Fatalf("%s, %v; want %s", got, err, want)
		}
		if err := os.Symlink("nowhere", got); err != nil { // a link that leads nowhere is there too
			t.Fatal(err)
		}
	}
	if _, err := discover.Place(path); !errs.Is(err, errs.Conflict) {
		t.Errorf("%v", err)
	}
}
