package discover

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/garant-project/garant/internal/errs"
)

// Modes of what is written: the estate names hosts and roles, a URL holds a password.
const (
	estateMode = 0o640
	secretMode = 0o600
)

// Place says where a new file goes: at path, or at path with ".new" behind it when there is
// something at path already. Where both are taken it is errs.Conflict.
func Place(path string) (string, error) {
	for _, place := range []string{path, path + ".new"} {
		_, err := os.Lstat(place)
		if errors.Is(err, fs.ErrNotExist) {
			return place, nil
		}
		if err != nil {
			return "", cannotWrite(err)
		}
	}
	name := filepath.Base(path)
	return "", errs.New(errs.Conflict, "discover.taken", name+" and "+name+".new are there already, and neither is replaced.").
		WithFix("Move one of them away, or name another file with --out.")
}

// Write writes garant.yaml to path, and the URL of each database that has a file named in files,
// by its reference ("file:/PATH"). A file that exists is never replaced (errs.Conflict). When
// anything fails, or ctx ends, nothing new is left.
func Write(ctx context.Context, path string, source []byte, databases []Database, files ...string) (err error) {
	var made []string
	defer func() {
		if err != nil {
			for _, m := range made {
				_ = os.Remove(m)
			}
		}
	}()
	for _, d := range databases {
		file, ok := strings.CutPrefix(d.Reference, "file:")
		if !ok || !slices.Contains(files, file) {
			continue
		}
		if err := create(ctx, file, []byte(d.URL+"\n"), secretMode); err != nil {
			return err
		}
		made = append(made, file)
	}
	return create(ctx, path, source, estateMode)
}

// create makes a file appear at path, whole, unless there is something.
func create(ctx context.Context, path string, content []byte, mode fs.FileMode) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".garant-init-*") // 0600
	if err != nil {
		return cannotWrite(err)
	}
	defer func() {
		_ = f.Close()
		_ = os.Remove(f.Name())
	}()
	if _, err = f.Write(content); err == nil {
		if err = f.Chmod(mode); err == nil {
			err = f.Sync()
		}
	}
	if err != nil {
		return cannotWrite(err)
	}
	if ctx.Err() != nil {
		return stopped(ctx.Err())
	}
	switch err = os.Link(f.Name(), path); { // a rename would replace what is there
	case errors.Is(err, fs.ErrExist):
		return taken(path)
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.ENOTSUP), errors.Is(err, syscall.ENOSYS): // a file system without links
		err = claim(f.Name(), path)
	}
	if errors.Is(err, fs.ErrExist) {
		return taken(path)
	}
	if err != nil {
		return cannotWrite(err)
	}
	if d, err := os.Open(dir); err == nil { // the name lasts too
		_ = d.Sync()
		_ = d.Close()
	}
	return nil
}

// claim takes the name with an empty file, which the whole one then replaces.
func claim(from, path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, secretMode)
	if err != nil {
		return err
	}
	_ = f.Close()
	if err := os.Rename(from, path); err != nil {
		_ = os.Remove(path)
		return err
	}
	return nil
}

func taken(path string) error {
	return errs.New(errs.Conflict, "discover.taken", filepath.Base(path)+" is there already, and is not replaced.").
		WithFix("Move it away, or name another file.")
}

func cannotWrite(err error) error {
	text := "The file cannot be written."
	switch {
	case errors.Is(err, fs.ErrNotExist):
		text = "The directory for the file does not exist."
	case errors.Is(err, fs.ErrPermission):
		text = "This account may not write the file there."
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		text = "There is no room for the file."
	}
	return errs.New(errs.Invalid, "discover.write", text).WithFix("Name another place with --out.")
}
