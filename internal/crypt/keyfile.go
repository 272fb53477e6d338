package crypt

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/uuid"
	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

const (
	keyfileKind = "garant key file 1"
	keyfileMax  = 64 << 10 // bytes; a keyset of many keys has a few thousand
)

// keyfile is what the file holds. ID does not depend on the keys, so that keys can be added.
type keyfile struct {
	Kind   string          `json:"kind"`
	ID     string          `json:"id"`
	Keyset json.RawMessage `json:"keyset"` // Tink's JSON
}

type keyfileProvider struct {
	name string
	aead tink.AEAD
}

// OpenKeyfile returns the provider of a database whose keys are wrapped under a file. The file
// is made when it is missing and the database holds no key yet; while it holds some, a missing
// file is an error, because a new one could read none of them.
func OpenKeyfile(ctx context.Context, q pg.Querier, path string) (Provider, error) {
	var used bool
	if err := q.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM crypt.key)").Scan(&used); err != nil {
		return nil, pg.Wrap(err)
	}
	return KeyfileProvider(path, !used)
}

// KeyfileProvider reads a key file, which must belong to the account that runs Garant and be
// closed to every other (0600 or 0400). A file that is missing is made when create is set; a file
// that is there is never written to. Callers that have a database use OpenKeyfile, which knows
// when a new file would be a mistake.
func KeyfileProvider(path string, create bool) (Provider, error) {
	content, err := readKeyfile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if !create {
			return nil, errs.New(errs.Unavailable, "crypt.key_file_missing", "The key file is missing, and the database holds data that only it can open.").
				WithFix("Restore it from the place where you keep its copy; nothing can be read without it.")
		}
		if err := createKeyfile(path); err != nil {
			return nil, err
		}
		content, err = readKeyfile(path)
	}
	if err != nil {
		return nil, err
	}
	return parseKeyfile(content)
}

func (p *keyfileProvider) Name() string { return p.name }

func (p *keyfileProvider) Wrap(_ context.Context, dek, aad []byte) ([]byte, error) {
	return p.aead.Encrypt(dek, aad)
}

func (p *keyfileProvider) Unwrap(_ context.Context, wrapped, aad []byte) ([]byte, error) {
	return p.aead.Decrypt(wrapped, aad)
}

// readKeyfile judges the file that it has open, not a name that may be swapped meanwhile.
func readKeyfile(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the administrator names it
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fs.ErrNotExist
	}
	if err != nil {
		return nil, keyfileFault("The key file cannot be opened.").Wrap(cause(err))
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, keyfileFault("The key file cannot be examined.").Wrap(cause(err))
	}
	if !info.Mode().IsRegular() {
		return nil, keyfileFault("What stands in the key file's place is not a file.")
	}
	if err := private(info); err != nil {
		return nil, err
	}
	content, err := io.ReadAll(io.LimitReader(f, keyfileMax+1))
	if err != nil {
		return nil, keyfileFault("The key file cannot be read.").Wrap(cause(err))
	}
	if len(content) > keyfileMax {
		return nil, errKeyfileBroken()
	}
	return content, nil
}

func parseKeyfile(content []byte) (Provider, error) {
	var file keyfile
	if err := json.Unmarshal(content, &file); err != nil || file.Kind != keyfileKind || uuid.Validate(file.ID) != nil {
		return nil, errKeyfileBroken()
	}
	h, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(file.Keyset)))
	if err != nil {
		return nil, errKeyfileBroken()
	}
	primitive, err := aead.New(h)
	if err != nil {
		return nil, errKeyfileBroken()
	}
	return &keyfileProvider{name: "keyfile:" + file.ID, aead: primitive}, nil
}

// createKeyfile writes a new key under a temporary name, makes it durable, and links it to its
// name, which fails when somebody else was first: a key file is never replaced.
func createKeyfile(path string) (err error) {
	fault := func(err error) error { return keyfileFault("The key file cannot be made.").Wrap(cause(err)) }
	h, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return fault(err)
	}
	var keys bytes.Buffer
	if err := insecurecleartextkeyset.Write(h, keyset.NewJSONWriter(&keys)); err != nil {
		return fault(err)
	}
	id, err := uuid.NewRandom()
	if err != nil {
		return fault(err)
	}
	content, err := json.MarshalIndent(keyfile{keyfileKind, id.String(), keys.Bytes()}, "", "\t")
	if err != nil {
		return fault(err)
	}
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, ".key-*") // 0600
	if err != nil {
		return fault(err)
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	_, err = tmp.Write(append(content, '\n'))
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return fault(err)
	}
	if err := os.Link(tmp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return fault(err)
	}
	d, err := os.Open(dir) //nolint:gosec // the administrator names it
	if err != nil {
		return fault(err)
	}
	defer func() { _ = d.Close() }()
	if err := d.Sync(); err != nil {
		return fault(err)
	}
	return nil
}

func keyfileFault(text string) *errs.Error {
	return errs.New(errs.Unavailable, "crypt.key_file", text).WithFix("Look at the file and its directory; the log has the system's reason.")
}

func errKeyfileBroken() error {
	return errs.New(errs.Unavailable, "crypt.key_file_broken", "The key file is damaged or is not a key file of Garant.").
		WithFix("Restore it from the place where you keep its copy; nothing can be read without it.")
}

// cause leaves out the path of a file error.
func cause(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	var linkErr *os.LinkError
	if errors.As(err, &linkErr) {
		return linkErr.Err
	}
	return err
}
