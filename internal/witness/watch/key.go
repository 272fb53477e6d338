package watch

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/errs"
)

const keyBlock = "PRIVATE KEY"

// MakeKey makes a private key in a new file that only its owner may read (PKCS #8, PEM). It is Conflict when there is a
// file already.
func MakeKey(path string) (ed25519.PublicKey, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, errs.New(errs.Conflict, "witness.key_exists", "There is a key already, which was left as it is.").
			WithFix("Remove it first if it is to be replaced; Garant takes nothing signed with another than the declared key.")
	}
	if err != nil {
		return nil, errs.New(errs.Unavailable, "witness.key", "The key cannot be written.").WithFix("Choose a directory that this account may write to.").Wrap(err)
	}
	err = pem.Encode(f, &pem.Block{Type: keyBlock, Bytes: der})
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, errs.New(errs.Unavailable, "witness.key", "The key cannot be written.").Wrap(err)
	}
	return public, nil
}

// MakeCosigner makes the key with which a witness cosigns the audit log, as MakeKey does, and returns its public part as a C2SP vkey of that name.
//
// It is not the key of statements. Both formats keep their signatures apart, so that one key would do; but this one is pinned by
// customers for years, and the other is replaced between two administrators within a day; and C2SP asks for a key of its own.
func MakeCosigner(path, name string) (vkey string, err error) {
	if !merkle.ValidName(name) {
		return "", errs.New(errs.Invalid, "witness.cosigner_name", "This cannot be the name of a key.").WithFix("Give one without spaces and plus signs, best an address such as witness.example/vigie.")
	}
	if _, err := MakeKey(path); err != nil {
		return "", err
	}
	return CosignerKey(path, name)
}

// CosignerKey reads the public part of a key that MakeCosigner made.
func CosignerKey(path, name string) (vkey string, err error) {
	c, err := LoadCosigner(path, name, time.Now)
	if err != nil {
		return "", err
	}
	return c.Witness().String(), nil
}

// LoadCosigner reads a key that MakeCosigner made.
func LoadCosigner(path, name string, now func() time.Time) (*merkle.Cosigner, error) {
	key, err := LoadKey(path)
	if err != nil {
		return nil, err
	}
	private, _, err := merkle.NewWitnessKey(name, key.Seed())
	if err != nil {
		return nil, err
	}
	return merkle.NewCosigner(private, now)
}

// LoadKey reads the private key. A file that others may read or write is refused.
func LoadKey(path string) (ed25519.PrivateKey, error) {
	bad := func(text, fix string) (ed25519.PrivateKey, error) {
		return nil, errs.New(errs.Invalid, "witness.key", "The key of the witness cannot be used: "+text+".").WithFix(fix)
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return bad("there is no such file", "Make one with garant witness init.")
	case err != nil || !info.Mode().IsRegular() || info.Size() > 1<<16:
		return bad("it is not a file that can be read", "Name under key in witness.yaml the file that garant witness init made.")
	case info.Mode().Perm()&0o077 != 0:
		return bad("others on this machine may read or write it", "Run chmod 600 on it, and make another key if others have been on the machine.")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return bad("this account may not read it", "Run the witness as the account that owns it.")
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != keyBlock {
		return bad("it holds no private key", "Name under key in witness.yaml the file that garant witness init made.")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	private, ok := key.(ed25519.PrivateKey)
	if err != nil || !ok {
		return bad("it holds a key of another kind", "Make one with garant witness init.")
	}
	return private, nil
}
