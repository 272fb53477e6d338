package document

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

// piece is how much is sealed and stored at a time.
const piece = 1 << 20

// Owner is what a document belongs to: a kind ("attestation", "register.supplier") and an id
// within it.
type Owner struct{ Kind, ID string }

// Info is a document without its content.
type Info struct {
	ID      uuid.UUID
	Owner   Owner
	Name    string // empty when it was erased or does not open
	Type    string // media type, by the content
	Size    int64
	SHA256  string // hex
	AddedAt time.Time
	AddedBy string // id of the actor
	// Erased tells that the key was destroyed: name and content are gone for good.
	Erased bool
	// Unreadable tells that the name does not open though its key is there.
	Unreadable bool
}

// Store keeps documents, as garant_staff.
type Store struct {
	db  *pg.DB
	box *crypt.Box
}

// New makes a store.
func New(db *pg.DB, box *crypt.Box) *Store { return &Store{db: db, box: box} }

func subject(id uuid.UUID) string { return "document:" + id.String() }

func object(id uuid.UUID) audit.Object { return audit.Object{Kind: "document", ID: id.String()} }

func pieceField(n, of int) string { return fmt.Sprintf("piece %d of %d", n, of) }

// Put keeps a document for its owner, in the transaction of whatever it is added to, with its
// entry in the audit record. That by may add to this owner is the caller's to check.
func (s *Store) Put(ctx context.Context, tx pgx.Tx, by actor.Actor, owner Owner, u *Upload) (Info, error) {
	if owner.Kind == "" || owner.ID == "" || u == nil || len(u.content) == 0 {
		return Info{}, errs.New(errs.Internal, "document.owner", "A document without an owner or without content cannot be kept.")
	}
	info := Info{ID: uuid.Must(uuid.NewV7()), Owner: owner, Name: u.Name, Type: u.Type, Size: u.Size(), SHA256: u.SHA256, AddedBy: by.ID}
	name, err := s.box.Seal(ctx, tx, subject(info.ID), "name", []byte(u.Name))
	if err != nil {
		return Info{}, err
	}
	pieces := (len(u.content) + piece - 1) / piece
	err = tx.QueryRow(ctx, `INSERT INTO document.document (id, owner_kind, owner_id, name, type, size, sha256, pieces, added_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING added_at`,
		info.ID, owner.Kind, owner.ID, name, info.Type, info.Size, info.SHA256, pieces, by.ID).Scan(&info.AddedAt)
	if err != nil {
		return Info{}, pg.Wrap(err)
	}
	for n := range pieces {
		sealed, err := s.box.Seal(ctx, tx, subject(info.ID), pieceField(n, pieces), u.content[n*piece:min((n+1)*piece, len(u.content))])
		if err != nil {
			return Info{}, err
		}
		if _, err := tx.Exec(ctx, "INSERT INTO document.piece (document_id, n, value) VALUES ($1, $2, $3)", info.ID, n, sealed); err != nil {
			return Info{}, pg.Wrap(err)
		}
	}
	err = audit.Record(ctx, tx, by, "document.added", object(info.ID),
		map[string]any{"owner": owner.Kind, "owner_id": owner.ID, "type": info.Type, "bytes": info.Size, "sha256": info.SHA256})
	return info, err
}

const columns = `d.id, d.owner_kind, d.owner_id, d.name, d.type, d.size, d.sha256, d.added_at, d.added_by`

// List returns the documents of an owner, the first added first.
func (s *Store) List(ctx context.Context, on pg.Querier, owner Owner) ([]Info, error) {
	all, err := s.ListAll(ctx, on, owner.Kind, owner.ID)
	return all[owner.ID], err
}

// ListAll returns the documents of many owners of a kind, by owner's id, with one question.
func (s *Store) ListAll(ctx context.Context, on pg.Querier, kind string, ids ...string) (map[string][]Info, error) {
	rows, err := on.Query(ctx, `SELECT `+columns+` FROM document.document d WHERE d.owner_kind = $1 AND d.owner_id = ANY ($2) ORDER BY d.id`, kind, ids)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := s.collect(ctx, on, rows)
	if err != nil {
		return nil, err
	}
	out := map[string][]Info{}
	for _, info := range list {
		out[info.Owner.ID] = append(out[info.Owner.ID], info)
	}
	return out, nil
}

func (s *Store) collect(ctx context.Context, on pg.Querier, rows pgx.Rows) ([]Info, error) {
	var names []crypt.Sealed
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (i Info, err error) {
		var name []byte
		err = row.Scan(&i.ID, &i.Owner.Kind, &i.Owner.ID, &name, &i.Type, &i.Size, &i.SHA256, &i.AddedAt, &i.AddedBy)
		names = append(names, crypt.Sealed{Subject: subject(i.ID), Field: "name", Value: name})
		return i, err
	})
	if err != nil {
		return nil, pg.Wrap(err)
	}
	opened, err := s.box.OpenAll(ctx, on, names)
	if err != nil {
		return nil, err
	}
	for i := range list {
		list[i].Name = string(opened[i].Plaintext)
		list[i].Erased = errs.Is(opened[i].Err, errs.NotFound)
		list[i].Unreadable = opened[i].Err != nil && !list[i].Erased
	}
	return list, nil
}

// Open returns a document of an owner with its content, and records that by read it. That by may
// read from this owner is the caller's to check. The errors: document.none (errs.NotFound) when
// the owner has no such document, document.erased (errs.NotFound) when its key was destroyed,
// document.damaged (errs.Internal) when it is not what was kept.
func (s *Store) Open(ctx context.Context, by actor.Actor, owner Owner, id uuid.UUID) (info Info, content []byte, err error) {
	err = pg.InTx(ctx, s.db.Pool(pg.Staff), func(tx pgx.Tx) error {
		if info, content, err = s.read(ctx, tx, owner, id); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, "document.read", object(id), map[string]any{"owner": owner.Kind, "owner_id": owner.ID})
	})
	if err != nil {
		return Info{}, nil, err
	}
	return info, content, nil
}

func (s *Store) read(ctx context.Context, tx pgx.Tx, owner Owner, id uuid.UUID) (Info, []byte, error) {
	rows, err := tx.Query(ctx, `SELECT `+columns+` FROM document.document d WHERE d.id = $1 AND d.owner_kind = $2 AND d.owner_id = $3`, id, owner.Kind, owner.ID)
	if err != nil {
		return Info{}, nil, err
	}
	list, err := s.collect(ctx, tx, rows)
	switch {
	case err != nil:
		return Info{}, nil, err
	case len(list) == 0:
		return Info{}, nil, errNone()
	case list[0].Erased:
		return Info{}, nil, errs.New(errs.NotFound, "document.erased", "This document was erased: nobody can read it any more.")
	}
	rows, err = tx.Query(ctx, "SELECT p.value, d.pieces FROM document.piece p JOIN document.document d ON d.id = p.document_id WHERE p.document_id = $1 ORDER BY p.n", id)
	if err != nil {
		return Info{}, nil, err
	}
	var sealed []crypt.Sealed
	var value []byte
	var pieces int
	_, err = pgx.ForEachRow(rows, []any{&value, &pieces}, func() error {
		sealed = append(sealed, crypt.Sealed{Subject: subject(id), Field: pieceField(len(sealed), pieces), Value: value})
		value = nil
		return nil
	})
	if err != nil {
		return Info{}, nil, err
	}
	opened, err := s.box.OpenAll(ctx, tx, sealed)
	if err != nil {
		return Info{}, nil, err
	}
	content := make([]byte, 0, min(list[0].Size, MaxSize))
	for _, o := range opened {
		if o.Err != nil {
			return Info{}, nil, errDamaged(o.Err)
		}
		content = append(content, o.Plaintext...)
	}
	if sum := sha256.Sum256(content); len(sealed) != pieces || hex.EncodeToString(sum[:]) != list[0].SHA256 {
		return Info{}, nil, errDamaged(nil)
	}
	return list[0], content, nil
}

func errNone() error {
	return errs.New(errs.NotFound, "document.none", "There is no such document.").WithFix("Look for it where it was added.")
}

func errDamaged(cause error) error {
	if errs.Is(cause, errs.Unavailable) {
		return cause
	}
	return errs.New(errs.Internal, "document.damaged", "This document is no longer what was kept.").
		WithFix("Restore it from a backup, or ask for it anew.").Wrap(cause)
}

// Forget erases a document of an owner by destroying its key, in the transaction that erases.
// That by may is the caller's to check. The error is document.none (errs.NotFound) when the owner
// has no such document; erasing twice is no error.
func (s *Store) Forget(ctx context.Context, tx pgx.Tx, by actor.Actor, owner Owner, id uuid.UUID) error {
	var there bool
	err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM document.document WHERE id = $1 AND owner_kind = $2 AND owner_id = $3)", id, owner.Kind, owner.ID).Scan(&there)
	if err != nil {
		return pg.Wrap(err)
	}
	if !there {
		return errNone()
	}
	gone, err := s.box.Forget(ctx, tx, subject(id))
	if err != nil || !gone {
		return err
	}
	return audit.Record(ctx, tx, by, "document.erased", object(id), map[string]any{"owner": owner.Kind, "owner_id": owner.ID})
}

// Serve sends a document as an attachment: saved, not shown, and, where a browser shows it all
// the same, in a sandbox that runs and loads nothing.
func Serve(w http.ResponseWriter, info Info, content []byte) {
	h := w.Header()
	h.Set("Content-Type", info.Type)
	h.Set("Content-Length", strconv.Itoa(len(content)))
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": info.Name}))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'; frame-ancestors 'none'")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(content) // a reader who went away is nobody to tell
}
