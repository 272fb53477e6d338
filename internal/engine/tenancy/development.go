package tenancy

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/token"
	"github.com/garant-project/garant/tenant"
)

// MaxDevelopmentLife is the longest life of a token that a developer mints.
const MaxDevelopmentLife = 24 * time.Hour

// developmentKeyID is the id of a developer's key: at the other end from those of Garant's.
const developmentKeyID = 200

// developmentFile is a developer's key as it stands in a file.
type developmentFile struct {
	ID       byte   `json:"id"`
	Audience string `json:"audience"`
	Secret   string `json:"secret"`
	System   string `json:"system"` // of the database that it is for
	Database string `json:"database"`
}

// DevelopmentKey is a developer's own key, for a database of their own.
type DevelopmentKey struct {
	key              tenant.Key
	system, database string
}

// OpenDevelopmentKey reads a key that [MakeDevelopmentKey] wrote. Others on the machine may not be able to read it.
func OpenDevelopmentKey(path string) (*DevelopmentKey, error) {
	fix := "Make one with garant token mint --development --key FILE --install URL."
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, errs.New(errs.NotFound, "tenancy.development_key", "There is no such key file.").WithFix(fix)
	}
	if err != nil || !info.Mode().IsRegular() || info.Size() > 4096 {
		return nil, errs.New(errs.Invalid, "tenancy.development_key", "The key file cannot be read.").WithFix(fix)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, errs.New(errs.Invalid, "tenancy.development_key", "Others on this machine may read or write the key file.").WithFix("Run chmod 600 on it, or make another.")
	}
	content, err := os.ReadFile(path) //nolint:gosec // the developer names it
	if err != nil {
		return nil, errs.New(errs.Invalid, "tenancy.development_key", "The key file cannot be read.").WithFix(fix)
	}
	var f developmentFile
	invalid := errs.New(errs.Invalid, "tenancy.development_key", "The file holds no key for development.").WithFix(fix)
	if json.Unmarshal(content, &f) != nil || f.System == "" || f.Database == "" {
		return nil, invalid
	}
	audience, err1 := hex.DecodeString(f.Audience)
	secret, err2 := hex.DecodeString(f.Secret)
	if err1 != nil || err2 != nil || len(audience) != 16 || len(secret) != 32 {
		return nil, invalid
	}
	return &DevelopmentKey{tenant.Key{ID: f.ID, Audience: tenant.Audience(audience), Secret: [32]byte(secret)}, f.System, f.Database}, nil
}

// production refuses a database that an estate declares as one of production; declared may be nil.
func production(system, database string, declared *estate.Estate) error {
	if declared == nil {
		return nil
	}
	for _, d := range declared.Databases {
		if d.System == system && d.Database == database && d.Environment == estate.Production {
			return errs.New(errs.Denied, "tenancy.development_production", "The estate declares this database as one of production: no developer’s key opens it.").
				WithFix("Use a database of your own, such as a copy without customers.")
		}
	}
	return nil
}

// MakeDevelopmentKey puts a new key into a developer's own database, and into a file that is made for
// it. address leads there as a member of garant_keeper or a superuser. It refuses a database that declared
// has as one of production, and one that has a key already: whoever put that in guards it.
func MakeDevelopmentKey(ctx context.Context, path, address string, declared *estate.Estate) (*DevelopmentKey, error) {
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		return nil, errs.New(errs.Conflict, "tenancy.development_key", "The key file is there already.").WithFix("Use it without --install, or name another file.")
	}
	cfg, err := pgx.ParseConfig(address)
	if err != nil {
		return nil, errs.New(errs.Invalid, "tenancy.address", "This is not an address of PostgreSQL.").WithFix("Write postgres://USER@HOST:PORT/DATABASE.")
	}
	cfg.ConnectTimeout = 5 * time.Second
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	k := &DevelopmentKey{key: tenant.Key{ID: developmentKeyID, Audience: token.Audience(uuid.New(), uuid.New())}}
	if err := conn.QueryRow(ctx, `SELECT system_identifier::text, current_database()::text FROM pg_catalog.pg_control_system()`).Scan(&k.system, &k.database); err != nil {
		return nil, pg.Wrap(err)
	}
	if err := production(k.system, k.database, declared); err != nil {
		return nil, err
	}
	installed, err := token.Look(ctx, conn)
	if err != nil {
		return nil, err
	}
	if !installed.Here() {
		return nil, errs.New(errs.NotFound, "tenancy.absent", "This database has no schema garant.").WithFix("Put it under guard first: garant isolation plan, then apply.")
	}
	keys, err := token.Keys(ctx, conn)
	if err != nil {
		return nil, err
	}
	if len(keys) > 0 {
		return nil, errs.New(errs.Conflict, "tenancy.development_keyed", "This database has a key already: whoever put it in guards it.").
			WithFix("Use a database of your own. If this is a copy of one that is guarded, empty garant.key there as garant_sec, or drop and install schema garant anew.")
	}
	if _, err := rand.Read(k.key.Secret[:]); err != nil {
		return nil, err
	}
	content, err := json.Marshal(developmentFile{k.key.ID, hex.EncodeToString(k.key.Audience[:]), hex.EncodeToString(k.key.Secret[:]), k.system, k.database})
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(path, append(content, '\n'), 0o600); err != nil {
		return nil, errs.New(errs.Invalid, "tenancy.development_key", "The key file cannot be written.").WithFix("Name a file in a directory of yours.")
	}
	if err := token.InstallKey(ctx, conn, k.key, nil); err != nil {
		_ = os.Remove(path)
		return nil, err
	}
	return k, nil
}

// Mint makes a token for a tenant, and writes beside the key file that it did, before it returns
// it. declared may be nil; a database that it has as one of production is refused.
func (k *DevelopmentKey) Mint(path, typ, of string, readOnly bool, life time.Duration, now time.Time, declared *estate.Estate) (tenant.Token, error) {
	if err := production(k.system, k.database, declared); err != nil {
		return tenant.Token{}, err
	}
	if life < time.Minute || life > MaxDevelopmentLife {
		return tenant.Token{}, errs.New(errs.Invalid, "tenancy.development_life", "A token for development lives between a minute and a day.").WithFix("Choose --lifetime in between.")
	}
	id, err := tenant.ParseID(typ, of)
	if err != nil {
		return tenant.Token{}, errs.New(errs.Invalid, "tenancy.tenant", fmt.Sprintf("This is not the key of a tenant: here, one is a %s.", typ)).WithFix("Write it as the database prints it, and its --type: uuid, bigint or text.")
	}
	c := tenant.Claims{Tenant: id, Session: uuid.New(), Kind: tenant.Development, Access: tenant.Write, Expires: now.Add(life)}
	if readOnly {
		c.Access = tenant.Read
	}
	t, err := k.key.Mint(c)
	if err != nil {
		return tenant.Token{}, errs.New(errs.Internal, "tenancy.mint", "A token could not be made.").Wrap(err)
	}
	line, err := json.Marshal(map[string]any{"at": now.UTC().Format(time.RFC3339), "database": k.database, "tenant": id.String(), "session": uuid.UUID(c.Session).String(), "access": string(rune(c.Access)), "expires": c.Expires.UTC().Format(time.RFC3339)})
	if err != nil {
		return tenant.Token{}, err
	}
	record, err := os.OpenFile(filepath.Clean(path)+".minted", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = record.Write(append(line, '\n'))
		err = errors.Join(err, record.Close())
	}
	if err != nil {
		return tenant.Token{}, errs.New(errs.Invalid, "tenancy.development_record", "What is minted cannot be written down beside the key file, so nothing was minted.").WithFix("Let the directory of the key file be writable.")
	}
	return t, nil
}
