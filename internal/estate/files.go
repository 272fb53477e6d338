package estate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/garant-project/garant/internal/errs"
)

// MaxFile is the greatest size, in bytes, of garant.yaml and of a file it names.
const MaxFile = 1 << 20

var (
	errTooBig     = errors.New("it is larger than 1 MiB")
	errNotRegular = errors.New("it is not a regular file")
)

// FileReader gives the content of the files that garant.yaml names by file:. The name is as
// written there.
type FileReader interface {
	ReadFile(name string) ([]byte, error)
}

// Dir reads files on disk; a relative name is resolved against the directory of garant.yaml.
type Dir string

// ReadFile reads a regular file of at most MaxFile bytes.
func (d Dir) ReadFile(name string) ([]byte, error) {
	content, _, err := readRegular(d.resolve(name))
	return content, err
}

func (d Dir) resolve(name string) string {
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(string(d), name)
}

// Files are contents by name: what a version keeps, and what it is read from again.
type Files map[string][]byte

// ReadFile gives a kept content.
func (f Files) ReadFile(name string) ([]byte, error) {
	content, ok := f[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return content, nil
}

// MarshalJSON writes contents as text: certificates stay readable in the database.
func (f Files) MarshalJSON() ([]byte, error) {
	text := make(map[string]string, len(f))
	for name, content := range f {
		text[name] = string(content)
	}
	return json.Marshal(text)
}

// UnmarshalJSON is the reverse of MarshalJSON.
func (f *Files) UnmarshalJSON(encoded []byte) error {
	var text map[string]string
	if err := json.Unmarshal(encoded, &text); err != nil {
		return err
	}
	*f = make(Files, len(text))
	for name, content := range text {
		(*f)[name] = []byte(content)
	}
	return nil
}

// ReadSource reads garant.yaml itself and returns the reader of the files beside it.
func ReadSource(path string) ([]byte, Dir, error) { return ReadFile(path, FileName) }

// ReadFile is ReadSource for a file that is called otherwise in messages.
func ReadFile(path, name string) ([]byte, Dir, error) {
	source, _, err := readRegular(path)
	if err != nil {
		return nil, "", unreadable(name, err)
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, "", unreadable(name, err)
	}
	return source, Dir(dir), nil
}

// readRegular reads a regular file without waiting for a writer (a pipe is refused) and
// returns its mode.
func readRegular(path string) ([]byte, fs.FileMode, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, errNotRegular
	}
	content, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err != nil {
		return nil, 0, err
	}
	if len(content) > MaxFile {
		return nil, 0, errTooBig
	}
	return content, info.Mode(), nil
}

// readFailure says why a file could not be read, without its path.
func readFailure(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "there is no such file"
	case errors.Is(err, fs.ErrPermission):
		return "this account may not read it"
	case errors.Is(err, errTooBig), errors.Is(err, errNotRegular):
		return err.Error()
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return fmt.Sprintf("the system says: %s", errno)
	}
	return "it cannot be read"
}

func unreadable(name string, err error) error {
	return errs.New(errs.Invalid, "estate.unreadable", name+" cannot be read: "+readFailure(err)+".").
		WithFix("Check the path, and that the account Garant runs as may read the file.")
}
