package run

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

// Databases of the target's cluster: NAME is served, NAME_previous was before it, NAME_run_ID is in the making, NAME_old_ID is about to go.
var (
	stableName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,39}$`)
	idForm     = `[0-9a-f]{12}`
)

func checkName(name string) error {
	if !stableName.MatchString(name) || strings.HasPrefix(name, "pg_") || strings.HasSuffix(name, "_previous") ||
		regexp.MustCompile(`_(run|old)_`+idForm+`$`).MatchString(name) || name == "postgres" || name == "template0" || name == "template1" {
		return errs.New(errs.Invalid, "anonymise.name", fmt.Sprintf("%q cannot be the name of a copy.", name)).WithFix("Use up to 40 small letters, digits and underscores, a letter first, such as shop_dev.")
	}
	return nil
}

// provenance is what a database of ours says of itself, in its comment.
type provenance struct {
	Garant     string       `json:"garant"` // "copy"
	Run        string       `json:"run"`
	Name       string       `json:"name"`
	Origin     string       `json:"origin"`
	Began      time.Time    `json:"began"` // of the snapshot, which is how old the data are
	Ended      time.Time    `json:"ended,omitzero"`
	Published  time.Time    `json:"published,omitzero"`
	Returned   time.Time    `json:"returned,omitzero"` // when it was gone back to
	Plan       string       `json:"plan,omitempty"`
	Source     SourceReport `json:"source,omitzero"`
	Anonymised bool         `json:"anonymised,omitempty"`
	Proofs     *Proofs      `json:"proofs,omitempty"`
	Proof      string       `json:"proof,omitempty"`
}

// Proofs counts what a run looked at before it said that a copy is proven.
type Proofs struct {
	Tables      int   `json:"tables"`
	Rows        int64 `json:"rows"`
	Objects     int   `json:"objects"` // of the schema
	ForeignKeys int   `json:"foreign_keys"`
	Scanned     int64 `json:"scanned"`  // values
	Entries     int   `json:"entries"`  // of the set that they were held against
	Canaries    int   `json:"canaries"` // planted
	Found       int   `json:"found"`    // of these
	Persons     int   `json:"persons"`  // tables in which re-identification was measured
	Linkable    int   `json:"linkable"` // columns
}

func (p provenance) comment(database string) string {
	b, _ := json.Marshal(p) // strings and a time
	return `COMMENT ON DATABASE ` + pgx.Identifier{database}.Sanitize() + ` IS '` + strings.ReplaceAll(string(b), `'`, `''`) + `'`
}

func readProvenance(comment *string) (provenance, bool) {
	var p provenance
	if comment == nil || json.Unmarshal([]byte(*comment), &p) != nil || p.Garant != "copy" {
		return provenance{}, false
	}
	return p, true
}

func newID() string {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// Locks in the target's maintenance database. That of a run is held as long as its process lives; that of a name, while it is switched.
const (
	lockRun    = `hashtextextended('garant anonymise run ' || $1, 0)`
	lockSwitch = `hashtextextended('garant anonymise name ' || $1, 0)`
)

// staging is the database in which a copy is made.
type staging struct {
	server   *server
	keeper   *pgx.Conn // in the maintenance database, holding the run's lock
	database string
	id       string
	made     provenance // as long as nothing is proven
}

// owner is the role to which all belongs in a copy, and nothing elsewhere. The copier is a member of it, by having made the database, and nobody else can be. Code of developers runs as the owner: in
// triggers where a foreign key cascades, in functions of the source with the rights of who made them.
const owner = "pg_database_owner"

// newStaging makes an empty database like the source's, which nobody but its owner may enter.
func newStaging(ctx context.Context, target *server, name string, source *pgx.Conn, r *Report) (*staging, error) {
	s := &staging{server: target, id: newID()}
	s.database = name + "_run_" + s.id
	s.made = provenance{Garant: "copy", Run: s.id, Name: name, Origin: r.Origin, Began: r.Began, Plan: r.Plan, Source: r.Source}
	empty, err := emptyLike(ctx, source, s.database)
	if err != nil {
		return nil, failed(atSource, "Reading the database's locale", err)
	}
	if s.keeper, err = target.connect(ctx, ""); err != nil {
		return nil, err
	}
	if _, err = s.keeper.Exec(ctx, `SELECT pg_advisory_lock(`+lockRun+`)`, s.id); err == nil {
		quoted := pgx.Identifier{s.database}.Sanitize()
		for _, sql := range []string{empty, `REVOKE ALL ON DATABASE ` + quoted + ` FROM PUBLIC`, `GRANT CREATE ON DATABASE ` + quoted + ` TO ` + owner, s.made.comment(s.database)} {
			if _, err = s.keeper.Exec(ctx, sql); err != nil {
				break
			}
		}
	}
	if err != nil {
		s.drop()
		return nil, failed(atTarget, "Making the database of the copy", err)
	}
	return s, nil
}

// emptyLike writes how an empty database is made that sorts as the one that source is in.
func emptyLike(ctx context.Context, source pg.Querier, name string) (string, error) {
	var collate, ctype, provider string
	var locale *string
	if err := source.QueryRow(ctx, `SELECT datcollate, datctype, datlocprovider::text, to_jsonb(d)->>'daticulocale' FROM pg_database d WHERE datname = current_database()`).Scan(&collate, &ctype, &provider, &locale); err != nil {
		return "", err
	}
	sql := `CREATE DATABASE ` + pgx.Identifier{name}.Sanitize() + ` TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE ` + literal(collate) + ` LC_CTYPE ` + literal(ctype)
	if provider == "i" && locale != nil {
		sql += ` LOCALE_PROVIDER icu ICU_LOCALE ` + literal(*locale)
	}
	return sql, nil
}

func literal(s string) string { return `'` + strings.ReplaceAll(s, `'`, `''`) + `'` }

// drop takes the database away, also when the run was broken off or its connection is gone.
func (s *staging) drop() {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	sql := `DROP DATABASE IF EXISTS ` + pgx.Identifier{s.database}.Sanitize() + ` WITH (FORCE)`
	_, err := s.keeper.Exec(ctx, sql)
	for tries := 0; err != nil && tries < 5 && ctx.Err() == nil; tries++ { // a full disk takes a moment to have room again, and so does a server to come back
		var conn *pgx.Conn
		if conn, err = s.server.connect(ctx, ""); err == nil {
			_, err = conn.Exec(ctx, sql)
			hangUp(conn)
		}
		if err != nil {
			select {
			case <-ctx.Done(): // Clean does it
			case <-time.After(500 * time.Millisecond):
			}
		}
	}
	hangUp(s.keeper)
}

// leave ends the run and keeps the database, which is proven.
func (s *staging) leave(ctx context.Context, p provenance) error {
	return s.note(ctx, "Recording the proof", p)
}
