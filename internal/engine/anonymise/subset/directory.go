package subset

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/garant-project/garant/internal/errs"
)

// freeDirectory makes sure that the directory may be written.
func (p *pull) freeDirectory() error {
	p.o.Directory = filepath.Clean(p.o.Directory)
	st, err := os.Lstat(p.o.Directory)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return errs.New(errs.Invalid, "anonymise.directory", "The directory cannot be looked at.").WithFix("Name one that you may write.").Wrap(err)
	case !st.IsDir():
		return errs.New(errs.Conflict, "anonymise.directory", "There is a file of this name, where the directory should be.").WithFix("Name another directory.")
	}
	entries, err := os.ReadDir(p.o.Directory)
	if err != nil {
		return errs.New(errs.Invalid, "anonymise.directory", "The directory cannot be read.").WithFix("Name one that you may write.").Wrap(err)
	}
	if len(entries) == 0 {
		return nil
	}
	if _, err := os.Stat(filepath.Join(p.o.Directory, "toc.dat")); err != nil {
		return errs.New(errs.Conflict, "anonymise.directory", "The directory holds something else than a dump.").WithFix("Name another one.")
	}
	if !p.o.Replace {
		return errs.New(errs.Conflict, "anonymise.directory", "The directory holds a dump.").WithFix("Say --replace to have it replaced, or name another one.")
	}
	return nil
}

// readable makes sure that pg_dump will be able to read the database: row-level security may bind its owner too.
func (p *pull) readable(ctx context.Context) error {
	if p.o.Directory == "" {
		return nil
	}
	var forced, passes bool
	if err := p.snapshot.Tx().QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_class WHERE relrowsecurity AND relforcerowsecurity AND relnamespace <> 'pg_catalog'::regnamespace)`).Scan(&forced); err != nil {
		return p.source.Failed("Reading the catalogue", err)
	}
	if err := p.place.keeper.QueryRow(ctx, `SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user`).Scan(&passes); err != nil {
		return p.place.server.Failed("Asking what the role may do", err)
	}
	if forced && !passes {
		return errs.New(errs.Denied, "anonymise.directory", "Row-level security of the copy binds the owner of tables too, and would keep pg_dump from reading them.").
			WithFix("Take a role with BYPASSRLS for --to, or write the directory without --to.")
	}
	return nil
}

// write has pg_dump write the database to a directory beside the one that is wanted.
func (p *pull) write(ctx context.Context) (err error) {
	if p.part, err = newScratch(p.o.Directory+".part-", p.place.id); err != nil {
		return err
	}
	return p.programs.PgDump(ctx, p.place.server, p.place.database, "--format=directory", "--jobs="+strconv.Itoa(p.o.Workers), "--no-owner", "--no-privileges", "--file="+p.dump())
}

func (p *pull) dump() string { return filepath.Join(p.part.path, "dump") }

// placeDirectory gives the directory its name.
func (p *pull) placeDirectory() error {
	if p.o.Directory == "" {
		return nil
	}
	old := filepath.Join(p.part.path, "before") // goes with it
	err := os.Rename(p.o.Directory, old)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return errs.New(errs.Unavailable, "anonymise.directory", "What the directory holds cannot be moved away.").WithFix("See that you may write to the directory above it.").Wrap(err)
	}
	if err := os.Rename(p.dump(), p.o.Directory); err != nil {
		_ = os.Rename(old, p.o.Directory)
		return errs.New(errs.Unavailable, "anonymise.directory", "The directory cannot be given its name.").WithFix("See that you may write to the directory above it.").Wrap(err)
	}
	return nil
}
