package tenancy

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/errs"

	"github.com/garant-project/garant/tenant"
)

// A developer mints for a database of their own, and for none that an estate has in production.
func TestDevelopment(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	path := filepath.Join(t.TempDir(), "key")
	address := running.cluster.DSN("keeper", "shop")
	if _, err := MakeDevelopmentKey(ctx, path, address, w.estate); !errs.Is(err, errs.Denied) {
		t.Errorf("a database of production: %v", err)
	}
	if _, err := OpenDevelopmentKey(path); !errs.Is(err, errs.NotFound) {
		t.Errorf("a key of nothing: %v", err)
	}
	if _, err := MakeDevelopmentKey(ctx, path, address, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := MakeDevelopmentKey(ctx, path, address, nil); !errs.Is(err, errs.Conflict) {
		t.Errorf("over a file: %v", err)
	}
	if _, err := MakeDevelopmentKey(ctx, path+"2", address, nil); !errs.Is(err, errs.Conflict) {
		t.Errorf("beside a key: %v", err)
	}
	k, err := OpenDevelopmentKey(path)
	if err != nil {
		t.Fatal(err)
	}
	token, err := k.Mint(path, "uuid", w.a.String(), true, time.Hour, time.Now(), nil)
	if err != nil || token.Claims().Kind != tenant.Development || token.Claims().Access != tenant.Read {
		t.Fatal(err)
	}
	w.opens(Minted{Token: token}, 3)
	for name, err := range map[string]error{
		"for production":   second(k.Mint(path, "uuid", w.a.String(), true, time.Hour, time.Now(), w.estate)),
		"for a week":       second(k.Mint(path, "uuid", w.a.String(), true, 7*24*time.Hour, time.Now(), nil)),
		"another type":     second(k.Mint(path, "bigint", w.a.String(), true, time.Hour, time.Now(), nil)),
		"where none may":   second(k.Mint("/proc/nowhere/key", "uuid", w.a.String(), true, time.Hour, time.Now(), nil)),
		"no kind of thing": second(k.Mint(path, "", w.a.String(), true, time.Hour, time.Now(), nil)),
	} {
		if err == nil {
			t.Errorf("%s: minted", name)
		}
	}
	record, err := os.ReadFile(path + ".minted")
	if err != nil || strings.Count(string(record), "\n") != 1 || !strings.Contains(string(record), w.a.String()) || strings.Contains(string(record), token.Encode()[60:]) {
		t.Errorf("%s %v", record, err)
	}
	if err := os.Chmod(path, 0o644); err != nil { //nolint:gosec // what is refused
		t.Fatal(err)
	}
	if _, err := OpenDevelopmentKey(path); !errs.Is(err, errs.Invalid) {
		t.Errorf("for all to read: %v", err)
	}
	// Garant does not mint beside it.
	w.tend()
	if got := w.trouble(); got != ForeignKey {
		t.Errorf("seen: %q", got)
	}
}

func second[T any](_ T, err error) error { return err }
