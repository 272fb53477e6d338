package crypt

import (
	"context"

	"github.com/garant-project/garant/internal/errs"
)

// Provider wraps data keys under a key that stays outside of the database.
type Provider interface {
	// Name tells this provider's key from any other: it is stored with what the key wrapped, and
	// must stay the same as long as the key can unwrap it ("keyfile:0198…").
	Name() string
	// Wrap encrypts a data key and binds it to aad.
	Wrap(ctx context.Context, dek, aad []byte) ([]byte, error)
	// Unwrap reverses Wrap; it fails when anything of wrapped or aad differs. An error of kind
	// errs.Unavailable says that the provider could not be asked, any other that it refused.
	Unwrap(ctx context.Context, wrapped, aad []byte) ([]byte, error)
}

// wrapping lets Tink write and read keysets through a provider. Tink flattens the errors of
// what it calls, so the last one is kept here.
type wrapping struct {
	p   Provider
	err error
}

func (w *wrapping) EncryptWithContext(ctx context.Context, plaintext, aad []byte) ([]byte, error) {
	out, err := w.p.Wrap(ctx, plaintext, aad)
	w.err = err
	return out, err
}

func (w *wrapping) DecryptWithContext(ctx context.Context, ciphertext, aad []byte) ([]byte, error) {
	out, err := w.p.Unwrap(ctx, ciphertext, aad)
	w.err = err
	return out, err
}

func errDestroyed() *errs.Error {
	return errs.New(errs.NotFound, "crypt.destroyed", "The key of this data was destroyed: it cannot be read any more.").
		WithFix("This is how data is erased. If it was not meant, restore the database from a backup made before.")
}

func errUnreadable() *errs.Error {
	return errs.New(errs.Internal, "crypt.unreadable", "A sealed value does not open: it was changed, or it belongs to something else.").
		WithFix("Restore it from a backup, and find out who can write to the database.")
}

func errKeyUnreadable() *errs.Error {
	return errs.New(errs.Internal, "crypt.key_unreadable", "A data key does not unwrap: its row was changed, or moved to another subject.").
		WithFix("Restore the table crypt.key from a backup, and find out who can write to the database.")
}

func errOtherProvider() *errs.Error {
	return errs.New(errs.Unavailable, "crypt.other_key", "The data in this database was sealed under another key than the one Garant was given.").
		WithFix("Give Garant the key file (or key) that belongs to this database; nothing can be read without it.")
}
