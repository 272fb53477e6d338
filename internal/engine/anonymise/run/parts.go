package run

import (
	"context"
	"io"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

// The parts of a run that package subset makes a developer's database with.

// Server is a server, and how it is reached.
type Server struct{ s *server }

// ReadFrom returns a server for reading: nothing can be changed through it, and where row-level security would hide rows reading is an error. word is what errors call it.
func ReadFrom(address, word string) (*Server, error) { return newNamed(atSource, address, word) }

// WriteTo returns a server for making databases.
func WriteTo(address, word string) (*Server, error) { return newNamed(atTarget, address, word) }

func newNamed(at end, address, word string) (*Server, error) {
	s, err := newServer(at, address)
	if err != nil {
		return nil, err
	}
	s.at = end(word)
	return &Server{s}, nil
}

// Database is the one that the address names.
func (s *Server) Database() string { return s.s.config.Database }

// Connect opens a connection to a database; empty: the one of the address.
func (s *Server) Connect(ctx context.Context, database string) (*pgx.Conn, error) {
	return s.s.connect(ctx, database)
}

// Failed says what went wrong there with what, without anything that the server may have quoted.
func (s *Server) Failed(what string, err error) error { return failed(s.s.at, what, err) }

// HangUp closes a connection without waiting for a server that may be gone.
func HangUp(conn *pgx.Conn) { hangUp(conn) }

// System is the number of the cluster; replicas have that of their primary.
func System(ctx context.Context, conn *pgx.Conn) (int64, error) { return system(ctx, conn) }

// Snapshot is what a database held at one moment.
type Snapshot struct{ s *snapshot }

// TakeSnapshot takes one, and holds it until Release.
func (s *Server) TakeSnapshot(ctx context.Context) (*Snapshot, error) {
	snap, err := takeSnapshot(ctx, s.s)
	if err != nil {
		return nil, err
	}
	return &Snapshot{snap}, nil
}

// Tx is the transaction that holds the snapshot.
func (s *Snapshot) Tx() pgx.Tx { return s.s.tx }

// Release lets the snapshot go.
func (s *Snapshot) Release() { s.s.release() }

// Join begins a transaction that sees the snapshot, until its connection ends.
func (s *Snapshot) Join(ctx context.Context, conn *pgx.Conn) error {
	if _, err := conn.Exec(ctx, `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY`); err != nil {
		return err
	}
	return pg.JoinSnapshot(ctx, conn, s.s.name)
}

// Programs are pg_dump and pg_restore.
type Programs struct{ p programs }

// FindPrograms takes those in dir or, when it is empty, the newest on the machine.
func FindPrograms(ctx context.Context, dir string) (Programs, error) {
	p, err := findPrograms(ctx, dir)
	return Programs{p}, err
}

// Schema is what pg_dump says of a schema, in a file without a name.
type Schema struct{ d *schemaDump }

// Dump reads the schema under a snapshot.
func (p Programs) Dump(ctx context.Context, from *Server, s *Snapshot) (*Schema, error) {
	d, err := p.p.dump(ctx, from.s, s.s.name)
	if err != nil {
		return nil, err
	}
	return &Schema{d}, nil
}

// Restore brings a section of it, pre-data or post-data, into a database, but for the switches of row-level security.
func (s *Schema) Restore(ctx context.Context, to *Server, database, section string, jobs int) error {
	return s.d.restore(ctx, to.s, database, section, jobs)
}

// Guard switches row-level security on.
func (s *Schema) Guard(ctx context.Context, to *Server, database string) error {
	return s.d.guard(ctx, to.s, database)
}

// Close lets the file go.
func (s *Schema) Close() { s.d.close() }

// PgDump runs pg_dump on a database.
func (p Programs) PgDump(ctx context.Context, of *Server, database string, args ...string) error {
	address, password := of.s.program(database)
	return p.p.run(ctx, of.s.at, password, "pg_dump", io.Discard, nil, append(args, "--dbname="+address)...)
}

// Complete computes what comes of the rows: materialised views and statistics.
func Complete(ctx context.Context, conn *pgx.Conn) error {
	if err := refresh(ctx, conn); err != nil {
		return err
	}
	_, err := conn.Exec(ctx, `ANALYZE`)
	return err
}

// Differences compares the schemas of two databases, and says in which objects the second one is not as the first.
func Differences(ctx context.Context, first pgx.Tx, second *pgx.Conn) ([]string, error) {
	want, err := describe(ctx, first)
	if err != nil {
		return nil, err
	}
	have, err := describe(ctx, second)
	if err != nil {
		return nil, err
	}
	problems, _ := differences(want, have, false, major(first.Conn()) != major(second))
	return problems, nil
}

// SwitchNames renames databases in one transaction, and ends the sessions at those in busy that are in the way.
func SwitchNames(ctx context.Context, at *Server, conn *pgx.Conn, steps, busy []string) error {
	return switchNames(ctx, at.s, conn, steps, busy)
}

// EmptyLike writes how an empty database is made that sorts as the one that tx is in.
func EmptyLike(ctx context.Context, tx pgx.Tx, name string) (string, error) {
	return emptyLike(ctx, tx, name)
}

// CopyOf says of the database of a transaction which copy it is; an error unless it is one that was proven and is served, now or before.
func CopyOf(ctx context.Context, tx pgx.Tx) (Copied, error) {
	var c Copied
	var comment *string
	if err := tx.QueryRow(ctx, `SELECT datname, shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()`).Scan(&c.Database, &comment); err != nil {
		return c, err
	}
	p, ok := readProvenance(comment)
	switch c.Run, c.Began, c.Proof = p.Run, p.Began, p.Proof; {
	case ok && p.Proof != "" && c.Database == p.Name:
		c.State = Served
	case ok && p.Proof != "" && c.Database == p.Name+"_previous":
		c.State = Previous
	default:
		return c, errs.New(errs.Denied, "anonymise.no_copy", "This database is not a copy that garant anonymise run has proven and published.").
			WithFix("Name the copy by the name under which it is served: of nothing else is it known that nobody is in it.")
	}
	return c, nil
}

// At is the same server with another database as the one that is meant where none is named.
func (s *Server) At(database string) *Server {
	other := *s.s
	other.config = s.s.config.Copy()
	other.config.Database = database
	return &Server{&other}
}

// LeftOut names what a copy of the schema does not get.
func (s *Schema) LeftOut() []string { return s.d.left }
