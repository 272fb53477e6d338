package crypt

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/prf"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

// indexSubject is the subject whose key makes blind indexes. No value is sealed under it, and it
// cannot be forgotten: every look-up would come back empty.
const indexSubject = "index"

// remembered is how many unwrapped keys a Box holds in memory.
const remembered = 2048

// Querier is a pool, a connection or a transaction that may read and add keys.
type Querier interface {
	pg.Querier
	pg.Execer
}

// Box seals and opens values. It is safe for use by many goroutines.
type Box struct {
	p     Provider
	keys  *cache
	index *prf.Set
}

// NewBox makes a box on a database; it makes the key of blind indexes on first use. It fails
// when the database holds keys of another provider.
func NewBox(ctx context.Context, q Querier, p Provider) (*Box, error) {
	b := &Box{p: p, keys: newCache(remembered)}
	var others int64
	if err := q.QueryRow(ctx, "SELECT count(*) FROM crypt.key WHERE provider <> $1", p.Name()).Scan(&others); err != nil {
		return nil, pg.Wrap(err)
	}
	if others > 0 {
		return nil, errOtherProvider().With("Keys", others)
	}
	h, err := b.key(ctx, q, indexSubject)
	if err != nil {
		return nil, err
	}
	if b.index, err = prf.NewPRFSet(h); err != nil {
		return nil, errKeyUnreadable().Wrap(errors.New("not a key of blind indexes"))
	}
	return b, nil
}

// Sealed is a value as it is stored.
type Sealed struct {
	Subject string
	Field   string
	Value   []byte
}

// Seal encrypts a value under its subject's key, which it makes on first use. The key is part of
// the transaction when q is one.
func (b *Box) Seal(ctx context.Context, q Querier, subject, field string, plaintext []byte) ([]byte, error) {
	if subject == "" || subject == indexSubject || field == "" {
		return nil, errs.New(errs.Internal, "crypt.subject", "A value cannot be sealed without a subject and a field of its own.")
	}
	primitive, err := b.aead(ctx, q, subject)
	if err != nil {
		return nil, err
	}
	out, err := primitive.Encrypt(plaintext, associated(subject, field))
	if err != nil {
		return nil, errs.New(errs.Internal, "crypt.seal", "A value could not be sealed.")
	}
	return out, nil
}

// Open decrypts a value that was sealed for the same subject and field. The errors: crypt.destroyed
// (errs.NotFound) when the key is gone, crypt.unreadable when the value was changed or belongs
// elsewhere, crypt.other_key when another provider wrapped its key.
func (b *Box) Open(ctx context.Context, q pg.Querier, subject, field string, sealed []byte) ([]byte, error) {
	out, err := b.OpenAll(ctx, q, []Sealed{{subject, field, sealed}})
	if err != nil {
		return nil, err
	}
	return out[0].Plaintext, out[0].Err
}

// Opened is the outcome for one value.
type Opened struct {
	Plaintext []byte
	Err       error
}

// OpenAll opens many values with one question to the database. A value that does not open has
// its own error; the rest is not held up.
func (b *Box) OpenAll(ctx context.Context, q pg.Querier, values []Sealed) ([]Opened, error) {
	subjects := make([]string, 0, len(values))
	seen := map[string]bool{}
	for _, v := range values {
		if !seen[v.Subject] && v.Subject != indexSubject {
			seen[v.Subject] = true
			subjects = append(subjects, v.Subject)
		}
	}
	if len(values) == 0 {
		return nil, nil
	}
	rows, err := q.Query(ctx, "SELECT subject, wrapped, provider FROM crypt.key WHERE subject = ANY ($1)", subjects)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	stored, err := pgx.CollectRows(rows, pgx.RowToStructByPos[storedKey])
	if err != nil {
		return nil, pg.Wrap(err)
	}
	type outcome struct {
		primitive tink.AEAD
		err       error
	}
	keys := map[string]outcome{}
	for _, k := range stored {
		primitive, err := b.unwrapAEAD(ctx, k)
		keys[k.Subject] = outcome{primitive, err}
	}
	out := make([]Opened, len(values))
	for i, v := range values {
		key, ok := keys[v.Subject]
		switch {
		case !ok:
			out[i].Err = errDestroyed()
		case key.err != nil:
			out[i].Err = key.err
		default:
			plain, err := key.primitive.Decrypt(v.Value, associated(v.Subject, v.Field))
			if err != nil {
				out[i].Err = errUnreadable()
				continue
			}
			out[i].Plaintext = plain
		}
	}
	return out, nil
}

// Index returns 32 bytes that are the same for the same purpose and value, and say nothing else
// to who does not hold the key.
func (b *Box) Index(purpose string, value []byte) []byte {
	out, err := b.index.ComputePrimaryPRF(associated(purpose, string(value)), 32)
	if err != nil {
		// 32 bytes are within every limit of the key type: only a broken build gets here.
		panic("crypt: " + err.Error())
	}
	return out
}

// Forget destroys the key of a subject, in the transaction that erases: nothing sealed under it
// opens any more, on any server, once tx commits. It reports whether there was a key.
func (b *Box) Forget(ctx context.Context, tx pgx.Tx, subject string) (bool, error) {
	if subject == indexSubject {
		return false, errs.New(errs.Internal, "crypt.subject", "The key of the indexes cannot be forgotten.")
	}
	var wrapped []byte
	var provider string
	err := tx.QueryRow(ctx, "DELETE FROM crypt.key WHERE subject = $1 RETURNING wrapped, provider", subject).Scan(&wrapped, &provider)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, pg.Wrap(err)
	}
	b.keys.drop(cacheID(storedKey{subject, wrapped, provider}))
	return true, nil
}

type storedKey struct {
	Subject  string
	Wrapped  []byte
	Provider string
}

func (b *Box) aead(ctx context.Context, q Querier, subject string) (tink.AEAD, error) {
	k, err := b.stored(ctx, q, subject)
	if err != nil {
		return nil, err
	}
	return b.unwrapAEAD(ctx, k)
}

func (b *Box) key(ctx context.Context, q Querier, subject string) (*keyset.Handle, error) {
	k, err := b.stored(ctx, q, subject)
	if err != nil {
		return nil, err
	}
	return b.unwrap(ctx, k)
}

// stored reads the wrapped key of a subject and makes it when it is absent. Two that make one at
// the same moment both use the one that was stored first.
func (b *Box) stored(ctx context.Context, q Querier, subject string) (storedKey, error) {
	k := storedKey{Subject: subject}
	for range 2 {
		err := q.QueryRow(ctx, "SELECT wrapped, provider FROM crypt.key WHERE subject = $1", subject).Scan(&k.Wrapped, &k.Provider)
		if err == nil {
			return k, nil
		}
		if !errors.Is(err, pgx.ErrNoRows) {
			return k, pg.Wrap(err)
		}
		wrapped, err := b.make(ctx, subject)
		if err != nil {
			return k, err
		}
		if _, err := q.Exec(ctx, `INSERT INTO crypt.key (subject, wrapped, provider) VALUES ($1, $2, $3)
ON CONFLICT (subject) DO NOTHING`, subject, wrapped, b.p.Name()); err != nil {
			return k, pg.Wrap(err)
		}
	}
	return k, errDestroyed()
}

func (b *Box) make(ctx context.Context, subject string) ([]byte, error) {
	template := aead.AES256GCMKeyTemplate()
	if subject == indexSubject {
		template = prf.HKDFSHA256PRFKeyTemplate()
	}
	failed := errs.New(errs.Internal, "crypt.make", "A data key could not be made.")
	h, err := keyset.NewHandle(template)
	if err != nil {
		return nil, failed.Wrap(err)
	}
	var buf bytes.Buffer
	w := &wrapping{p: b.p}
	if err := h.WriteWithContext(ctx, keyset.NewBinaryWriter(&buf), w, []byte(subject)); err != nil {
		if w.err != nil {
			return nil, known(w.err, failed)
		}
		return nil, failed.Wrap(err)
	}
	return buf.Bytes(), nil
}

func (b *Box) unwrap(ctx context.Context, k storedKey) (*keyset.Handle, error) {
	if k.Provider != b.p.Name() {
		return nil, errOtherProvider()
	}
	w := &wrapping{p: b.p}
	h, err := keyset.ReadWithContext(ctx, keyset.NewBinaryReader(bytes.NewReader(k.Wrapped)), w, []byte(k.Subject))
	if err != nil {
		if w.err != nil && errs.Is(w.err, errs.Unavailable) {
			return nil, w.err
		}
		return nil, errKeyUnreadable()
	}
	return h, nil
}

func (b *Box) unwrapAEAD(ctx context.Context, k storedKey) (tink.AEAD, error) {
	id := cacheID(k)
	if primitive, ok := b.keys.get(id); ok {
		return primitive, nil
	}
	h, err := b.unwrap(ctx, k)
	if err != nil {
		return nil, err
	}
	primitive, err := aead.New(h)
	if err != nil {
		return nil, errKeyUnreadable()
	}
	b.keys.put(id, primitive)
	return primitive, nil
}

// cacheID binds the subject into the digest: the same wrapped bytes under another subject's name
// must meet the provider's refusal, not the cache.
func cacheID(k storedKey) [32]byte {
	return sha256.Sum256(append(associated(k.Subject, k.Provider), k.Wrapped...))
}

// known keeps an error that has words of its own, and gives others the words of fallback.
func known(err error, fallback *errs.Error) error {
	var e *errs.Error
	if errors.As(err, &e) {
		return err
	}
	return fallback.Wrap(err)
}

// associated joins two texts so that no other pair gives the same bytes.
func associated(a, b string) []byte {
	out := binary.BigEndian.AppendUint32(nil, uint32(len(a))) //nolint:gosec // names are short
	out = append(out, a...)
	return append(out, b...)
}
