package run

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/errs"
)

// lost is the error of a server that went away, resumptions how often a stage is taken up again after one.
const (
	lost        = "anonymise.lost"
	resumptions = 3
)

// Resumption is a stage that was taken up again.
type Resumption struct {
	Stage Stage  `json:"stage"`
	Error string `json:"error"` // for which it had been left
}

// lasting runs a stage that only needs the target, which may go away and come back meanwhile: then the stage is taken up again. What was made before is kept.
func (r *run) lasting(ctx context.Context, s Stage, fn func(context.Context) error) error {
	for tries := 0; ; tries++ {
		err := r.stage(ctx, s, fn)
		var e *errs.Error
		if err == nil || !errors.As(err, &e) || e.ID != lost || tries == resumptions || ctx.Err() != nil {
			return err
		}
		if !r.staging.regain(ctx, r.o.patience) {
			return err
		}
		r.report.Resumed, r.report.Failed = append(r.report.Resumed, Resumption{s, e.Text}), ""
	}
}

// settle has the target write down all that was brought there: it was told not to wait for that, and a server that breaks down forgets what it has not written.
func (s *staging) settle(ctx context.Context) error {
	return s.note(ctx, "Completing the copy", s.made)
}

// note writes into the database's comment what it is, and comes back when that and all before it is on the target's disk.
func (s *staging) note(ctx context.Context, what string, p provenance) error {
	_, err := s.keeper.Exec(ctx, `SET synchronous_commit = on`)
	if err == nil {
		_, err = s.keeper.Exec(ctx, p.comment(s.database))
	}
	return failed(atTarget, what, err)
}

// regain waits for the target to come back, for as long as patience lasts, and takes the run's lock again. It reports false when the target does not come back, or the database is gone.
func (s *staging) regain(ctx context.Context, patience time.Duration) bool {
	hangUp(s.keeper)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for ctx.Err() == nil {
		if conn, err := s.server.connect(ctx, ""); err == nil {
			var locked, there bool
			if conn.QueryRow(ctx, `SELECT pg_try_advisory_lock(`+lockRun+`)`, s.id).Scan(&locked) == nil && locked {
				s.keeper = conn
				return conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`, s.database).Scan(&there) == nil && there
			}
			hangUp(conn) // of the connection that was lost the server may not know yet
		}
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
	return false
}

// madeQuery lists what the section post-data has made, as pg_restore lists it.
const madeQuery = `
SELECT CASE contype WHEN 'f' THEN 'FK CONSTRAINT' WHEN 'c' THEN 'CHECK CONSTRAINT' ELSE 'CONSTRAINT' END || ' ' || n.nspname || ' ' || c.relname || ' ' || k.conname FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
UNION ALL SELECT 'INDEX ' || n.nspname || ' ' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('i', 'I')
UNION ALL SELECT 'TRIGGER ' || n.nspname || ' ' || c.relname || ' ' || t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE NOT t.tgisinternal
UNION ALL SELECT 'RULE ' || n.nspname || ' ' || c.relname || ' ' || w.rulename FROM pg_rewrite w JOIN pg_class c ON c.oid = w.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace WHERE w.rulename <> '_RETURN'
UNION ALL SELECT 'POLICY ' || n.nspname || ' ' || c.relname || ' ' || p.polname FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace
UNION ALL SELECT 'STATISTICS ' || n.nspname || ' ' || s.stxname FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace
UNION ALL SELECT 'MATERIALIZED VIEW ' || n.nspname || ' ' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'm'`

var entryOf = regexp.MustCompile(`^\d+; \d+ \d+ (.*)$`)

// remaining takes from the list of what is to be restored what a run that was interrupted has made already. What it takes by mistake, names being written without quotes there, is missed
// when the schemas are compared.
func (d *schemaDump) remaining(ctx context.Context, conn *pgx.Conn) error {
	all, err := collect[string](ctx, conn, madeQuery)
	if err != nil {
		return err
	}
	made := map[string]bool{}
	for _, m := range all {
		made[strings.NewReplacer("\n", " ", "\r", " ").Replace(m)] = true
	}
	for i, list := range d.lists {
		left, err := leftOf(list, made)
		if err != nil {
			return err
		}
		_ = list.Close()
		d.lists[i] = left
	}
	return nil
}

// leftOf is a list without what is made.
func leftOf(list *os.File, made map[string]bool) (*os.File, error) {
	left, err := scratchFile()
	if err != nil {
		return nil, err
	}
	if _, err := list.Seek(0, io.SeekStart); err != nil {
		_ = left.Close()
		return nil, errs.New(errs.Unavailable, "anonymise.temp", "A temporary file for the schema cannot be read.").Wrap(err)
	}
	lines := bufio.NewScanner(list)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if m := entryOf.FindStringSubmatch(lines.Text()); m != nil && made[withoutLast(m[1])] {
			continue
		}
		if _, err := left.WriteString(lines.Text() + "\n"); err != nil {
			_ = left.Close()
			return nil, errs.New(errs.Unavailable, "anonymise.temp", "A temporary file for the schema cannot be written.").Wrap(err)
		}
	}
	return left, lines.Err()
}

// withoutLast takes the last word, which is the owner, from an entry.
func withoutLast(entry string) string {
	i := strings.LastIndexByte(entry, ' ')
	return entry[:max(i, 0)]
}
