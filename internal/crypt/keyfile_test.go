package crypt_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/crypt/crypttest"
	"github.com/garant-project/garant/internal/errs"
)

func provider(t testing.TB, path string, create bool) crypt.Provider {
	t.Helper()
	p, err := crypt.KeyfileProvider(path, create)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestKeyfileConforms(t *testing.T) {
	dir := t.TempDir()
	crypttest.Run(t,
		func(t testing.TB) crypt.Provider { return provider(t, filepath.Join(dir, "one"), true) },
		func(t testing.TB) crypt.Provider { return provider(t, filepath.Join(dir, "two"), true) })
}

func wantID(t *testing.T, err error, id string) {
	t.Helper()
	var e *errs.Error
	if !errors.As(err, &e) || e.ID != id {
		t.Errorf("error %v, want %s", err, id)
		return
	}
	if e.Fix == "" && !strings.HasPrefix(id, "crypt.subject") {
		t.Errorf("%s says no next step", id)
	}
}

func TestKeyfileIsRefused(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good")
	provider(t, good, true)
	content, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(good)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("made with mode %v, %v", info.Mode(), err)
	}
	write := func(name string, content []byte, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	foreign := write("foreign", content, 0o600)
	if os.Geteuid() == 0 {
		if err := os.Chown(foreign, 12345, -1); err != nil {
			t.Fatal(err)
		}
	}
	cut := content[:len(content)/2]
	noKeys := bytes.Replace(content, []byte(`"keyset":`), []byte(`"other":`), 1)
	for path, id := range map[string]string{
		filepath.Join(dir, "absent"):                            "crypt.key_file_missing",
		write("group", content, 0o640):                          "crypt.key_file_mode",
		write("world", content, 0o604):                          "crypt.key_file_mode",
		write("cut", cut, 0o600):                                "crypt.key_file_broken",
		write("empty", nil, 0o600):                              "crypt.key_file_broken",
		write("huge", bytes.Repeat([]byte(" "), 70<<10), 0o600): "crypt.key_file_broken",
		write("nokeys", noKeys, 0o600):                          "crypt.key_file_broken",
		write("kind", bytes.Replace(content, []byte("file 1"), []byte("file 9"), 1), 0o600): "crypt.key_file_broken",
		dir: "crypt.key_file",
	} {
		for _, create := range []bool{false, true} {
			if create && id == "crypt.key_file_missing" {
				continue
			}
			_, err := crypt.KeyfileProvider(path, create)
			wantID(t, err, id)
			if err != nil && strings.Contains(err.Error(), dir) {
				t.Errorf("the error shows a path: %v", err)
			}
		}
	}
	if os.Geteuid() == 0 {
		_, err := crypt.KeyfileProvider(foreign, true)
		wantID(t, err, "crypt.key_file_owner")
	}
	if after, err := os.ReadFile(good); err != nil || !bytes.Equal(after, content) {
		t.Error("the key file was written to")
	}
	if _, err := crypt.KeyfileProvider(filepath.Join(dir, "no", "such", "directory"), true); err == nil {
		t.Error("made a key file in a directory that does not exist")
	}
	provider(t, write("readonly", content, 0o400), false)
}

// Two servers that start at once on a new data directory must end up with one key.
func TestKeyfileMadeOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	names := make([]string, 16)
	var wg sync.WaitGroup
	for i := range names {
		wg.Go(func() {
			p, err := crypt.KeyfileProvider(path, true)
			if err != nil {
				t.Error(err)
				return
			}
			names[i] = p.Name()
		})
	}
	wg.Wait()
	for _, n := range names {
		if n != names[0] {
			t.Fatalf("several keys were made: %v", names)
		}
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".key-*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
