package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"

	anonymise "github.com/garant-project/garant/internal/engine/anonymise/run"
)

// The arms, in the order in which they run.
const (
	floor = "floor"
	bare  = "bare"
	full  = "full"
	dump  = "dump"
)

var allArms = []string{floor, bare, full, dump}

// job is what a process is told that is one arm.
type job struct {
	Arm            string
	Source, Target string // databases; of garant's arms Target is the maintenance database
	Super          string // the source, as its superuser
	Name           string // of the copy
	BinDir, Dir    string
	Profile        string
}

// done is what it tells.
type done struct {
	Peak     int64 // bytes that were resident at most
	Values   int   // that identify somebody, each as often as it is there
	Entries  int   // ways of writing them
	SetBytes int
	Passed   bool
	Problems []string
	Stages   []anonymise.StageReport
}

func (j *job) run(ctx context.Context, out io.Writer) error {
	var d done
	var err error
	switch j.Arm {
	case floor:
		err = j.pipe(ctx)
	case dump:
		err = j.dump(ctx)
	default:
		d, err = j.garant(ctx)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", j.Arm, err)
	}
	d.Peak = peak()
	return json.NewEncoder(out).Encode(d)
}

// peak is how much of this process was resident at most. (What wait tells of a child counts the parent that it came from.)
func peak() int64 {
	b, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return n << 10
		}
	}
	return 0
}

// program runs one of PostgreSQL's.
func (j *job) program(ctx context.Context, name string, args ...string) error {
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, filepath.Join(j.BinDir, name), args...) //nolint:gosec // of the installation
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, said.String())
	}
	return nil
}

// dump copies by PostgreSQL's own programs, through a directory.
func (j *job) dump(ctx context.Context) error {
	dir := filepath.Join(j.Dir, "dump")
	defer func() { _ = os.RemoveAll(dir) }()
	if err := j.program(ctx, "pg_dump", "-Fd", "-j2", "--no-owner", "--no-privileges", "-f", dir, "-d", j.Source); err != nil {
		return err
	}
	if err := j.program(ctx, "pg_restore", "-j2", "--no-owner", "--no-privileges", "-d", j.Target, dir); err != nil {
		return err
	}
	return execute(ctx, j.Target, `ANALYZE`)
}

// pipe is what somebody writes by hand for whom speed is all: binary COPY of ranges of pages from the one into the other, then indexes and keys.
func (j *job) pipe(ctx context.Context) error {
	file := filepath.Join(j.Dir, "schema")
	defer func() { _ = os.Remove(file) }()
	if err := j.program(ctx, "pg_dump", "-Fc", "--schema-only", "--no-owner", "--no-privileges", "-f", file, "-d", j.Source); err != nil {
		return err
	}
	if err := j.program(ctx, "pg_restore", "--section=pre-data", "--no-owner", "--no-privileges", "-d", j.Target, file); err != nil {
		return err
	}
	source, err := pgx.Connect(ctx, j.Source)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close(context.WithoutCancel(ctx)) }()
	const pages = 8192
	rows, err := source.Query(ctx, `SELECT format('COPY (SELECT %s FROM %s WHERE ctid >= ''(%s,0)'' AND ctid < ''(%s,0)'') TO STDOUT (FORMAT binary)', a.names, c.oid::regclass, p, p + $1), format('COPY %s (%s) FROM STDIN (FORMAT binary)', c.oid::regclass, a.names)
FROM pg_class c, LATERAL (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) AS names FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = '') a,
	generate_series(0, pg_relation_size(c.oid) / 8192, $1) AS p
WHERE c.relkind = 'r' AND c.relnamespace = 'shop'::regnamespace ORDER BY relpages DESC, p`, pages)
	if err != nil {
		return err
	}
	type piece struct{ Out, In string }
	pieces, err := pgx.CollectRows(rows, pgx.RowToStructByPos[piece])
	if err != nil {
		return err
	}
	var next atomic.Int64
	if err := twice(func() error {
		from, err := pgx.Connect(ctx, j.Source)
		if err != nil {
			return err
		}
		defer func() { _ = from.Close(context.WithoutCancel(ctx)) }()
		to, err := pgx.Connect(ctx, j.Target)
		if err != nil {
			return err
		}
		defer func() { _ = to.Close(context.WithoutCancel(ctx)) }()
		if _, err := to.Exec(ctx, `SET synchronous_commit = off`); err != nil {
			return err
		}
		for i := next.Add(1) - 1; i < int64(len(pieces)); i = next.Add(1) - 1 {
			r, w := io.Pipe()
			wrote := make(chan error, 1)
			go func() {
				_, err := to.PgConn().CopyFrom(ctx, r, pieces[i].In)
				_ = r.CloseWithError(err)
				wrote <- err
			}()
			buffer := bufio.NewWriterSize(w, 128<<10)
			_, err := from.PgConn().CopyTo(ctx, buffer, pieces[i].Out)
			if err == nil {
				err = buffer.Flush()
			}
			_ = w.CloseWithError(err)
			if failed := <-wrote; failed != nil {
				return failed
			}
			if err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return err
	}
	if err := j.program(ctx, "pg_restore", "--section=post-data", "-j2", "--no-owner", "--no-privileges", "-d", j.Target, file); err != nil {
		return err
	}
	return execute(ctx, j.Target, `ANALYZE`)
}

// twice runs the same in two goroutines.
func twice(do func() error) error {
	var group sync.WaitGroup
	failed := make([]error, 2)
	for i := range failed {
		group.Go(func() { failed[i] = do() })
	}
	group.Wait()
	if failed[0] != nil {
		return failed[0]
	}
	return failed[1]
}

// garant makes a copy as the command does.
func (j *job) garant(ctx context.Context) (d done, err error) {
	conn, err := pgx.Connect(ctx, j.Source)
	if err != nil {
		return d, err
	}
	p, err := planned(ctx, conn)
	_ = conn.Close(ctx)
	if err != nil {
		return d, err
	}
	if j.Profile != "" {
		stop, err := profiled(filepath.Join(j.Profile, j.Arm))
		if err != nil {
			return d, err
		}
		defer stop()
	}
	r, err := anonymise.Copy(ctx, anonymise.Options{Source: j.Source, Target: j.Target, Name: j.Name, Plan: p, Workers: 2, BinDir: j.BinDir, Unproven: j.Arm == bare})
	if err != nil {
		return d, err
	}
	defer r.Close()
	for _, n := range r.Set.Values {
		d.Values += n
	}
	d.Entries, d.SetBytes, d.Passed, d.Problems, d.Stages = r.Set.Entries, r.Set.Bytes, r.Passed(), r.Problems, r.Stages
	return d, nil
}

// profiled writes profiles until done is called: of the processor, and of what was allocated.
func profiled(path string) (done func(), err error) {
	f, err := os.Create(path + ".cpu") //nolint:gosec // where whoever runs this asks for it
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, err
	}
	return func() {
		pprof.StopCPUProfile()
		_ = f.Close()
		if f, err := os.Create(path + ".heap"); err == nil { //nolint:gosec // as above
			runtime.GC()
			_ = pprof.Lookup("allocs").WriteTo(f, 0)
			_ = f.Close()
		}
	}, nil
}
