package directorytest

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/directory"
	"github.com/garant-project/garant/internal/pg"
)

// Open returns the directory of a database of the test's own, under the usual policy, and the box
// that seals what is personal in it.
func Open(t testing.TB, db *pg.DB) (*directory.Directory, *crypt.Box) {
	t.Helper()
	ctx := context.Background()
	provider, err := crypt.OpenKeyfile(ctx, db.Pool(pg.Staff), filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	box, err := crypt.NewBox(ctx, db.Pool(pg.Staff), provider)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := directory.New(directory.Config{Staff: db.Pool(pg.Staff), Login: db.Pool(pg.Login), Box: box, Policy: directory.DefaultPolicy()})
	if err != nil {
		t.Fatal(err)
	}
	return dir, box
}
