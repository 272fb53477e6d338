package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/audit/trees"
	"github.com/garant-project/garant/internal/engine/auditlog/verify"
	"github.com/garant-project/garant/internal/pg"
)

// verified verifies a record, which has to be as it should.
func (l *log) verified(ctx context.Context, bucket bool) (verify.Report, error) {
	var key string
	if err := l.super.QueryRow(ctx, "SELECT key FROM audit.generation").Scan(&key); err != nil {
		return verify.Report{}, err
	}
	o := verify.Options{Database: l.dbs[0].Pool(pg.Staff), Box: l.box, Keys: []string{key}}
	want := verify.Incomplete // the second account is not examined
	if bucket {
		o.Bucket, want = l.reader, verify.Intact
	}
	r, err := verify.Verify(ctx, o)
	if err == nil && (r.Outcome != want || r.Found != 0 || !bucket && len(r.NotExamined) != 1) {
		err = fmt.Errorf("the verification says: %s; %d findings, the first %+v; not examined: %q", r.Outcome, r.Found, r.First, r.NotExamined)
	}
	return r, err
}

// verify measures verifications.
func (s *stand) verify(ctx context.Context) error {
	l := s.made
	if l == nil {
		var err error
		if l, err = s.record(ctx); err != nil {
			return err
		}
		if err := l.ordered(ctx); err != nil {
			return err
		}
	}
	defer s.drop()
	if err := l.exec(ctx, "VACUUM ANALYZE"); err != nil { // as autovacuum does
		return err
	}
	read := func() (float64, error) { // the reference: the same rows, out of the database and nothing else
		began := time.Now()
		tag, err := l.super.PgConn().CopyTo(ctx, io.Discard, "COPY (SELECT e.* FROM audit.entry AS e) TO STDOUT (FORMAT binary)")
		return float64(tag.RowsAffected()) / time.Since(began).Seconds(), err
	}
	for _, bucket := range []bool{false, true} {
		name, what := "verify", "the database alone verified"
		if bucket {
			name, what = "verify-bucket", "the database against the second account verified"
		}
		var rates, reads, ours, postgres, account, copies []float64
		rounds := max(1, s.rounds/2)
		done, err := s.profiled(name)
		if err != nil {
			return err
		}
		for round := range rounds {
			before, err := l.processor(ctx)
			if err != nil {
				done()
				return err
			}
			r, err := l.verified(ctx, bucket)
			if err != nil {
				done()
				return err
			}
			after, err := l.processor(ctx)
			if err != nil {
				done()
				return err
			}
			for i, list := range []*[]float64{&ours, &postgres, &account} {
				*list = append(*list, (after[i]-before[i]).Seconds()*1e6/float64(r.Entries))
			}
			rate, err := read()
			if err != nil {
				done()
				return err
			}
			if before, err = l.processor(ctx); err != nil {
				done()
				return err
			}
			copies = append(copies, (before[1]-after[1]).Seconds()*1e6/float64(r.Entries))
			rates, reads = append(rates, float64(r.Entries)/r.Took.Seconds()), append(reads, rate)
			s.say("  round %d: %d entries in %.1f s; load %s", round+1, r.Entries, r.Took.Seconds(), load1())
		}
		done()
		rate := middle(rates)
		s.add(figure{
			What: what, Value: rate, Unit: "/s", Reference: "binary COPY of the rows to nowhere", Of: middle(reads), Ratio: middle(ratios(rates, reads)),
			Note: fmt.Sprintf("%s entries; µs of processor an entry: %s of Garant, %s of PostgreSQL (COPY %s), %s of the second account",
				number(float64(s.entries)), number(middle(ours)), number(middle(postgres)), number(middle(copies)), number(middle(account))),
		}.atLeast(rate, 200_000, "200,000/s"))
	}
	return s.bundle(ctx, l)
}

// bundle measures a bundle of the company's tree: to make it, and to verify it offline.
func (s *stand) bundle(ctx context.Context, l *log) error {
	var file bytes.Buffer
	began := time.Now()
	made, err := trees.Bundle(ctx, l.dbs[0].Pool(pg.Staff), trees.BundleOrder{Tree: trees.Company, Box: l.box, Now: time.Now}, &file)
	if err != nil {
		return err
	}
	s.add(figure{What: "a bundle of the company's entries made", Value: float64(made.Leaves) / time.Since(began).Seconds(), Unit: "/s", Note: fmt.Sprintf("%s entries, %.1f MiB", number(float64(made.Leaves)), float64(file.Len())/(1<<20))})
	var key string
	if err := l.super.QueryRow(ctx, "SELECT key FROM audit.generation").Scan(&key); err != nil {
		return err
	}
	done, err := s.profiled("bundle")
	if err != nil {
		return err
	}
	defer done()
	var rates, ours []float64
	for range s.rounds {
		before, err := used("self")
		if err != nil {
			return err
		}
		began := time.Now()
		r, err := merkle.VerifyBundle(bytes.NewReader(file.Bytes()), merkle.Pins{Logs: []string{key}})
		if err != nil {
			return err
		}
		if r.Entries != made.Leaves || made.Leaves == 0 {
			return errors.New("a bundle that is verified has not all entries")
		}
		rates = append(rates, float64(r.Entries)/time.Since(began).Seconds())
		after, err := used("self")
		if err != nil {
			return err
		}
		ours = append(ours, (after-before).Seconds()*1e6/float64(r.Entries))
	}
	rate := middle(rates)
	s.add(figure{What: "the same verified offline", Value: rate, Unit: "/s", Note: fmt.Sprintf("%s µs of processor an entry", number(middle(ours)))}.atLeast(rate, 100_000, "100,000/s"))
	return nil
}

// processor is how much of it was used until now by Garant, by PostgreSQL with all its backends, and by what Garant has started: the second account.
func (l *log) processor(ctx context.Context) (t [3]time.Duration, err error) {
	var backend int
	if err = l.super.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&backend); err != nil {
		return t, err
	}
	postmaster, err := parent(fmt.Sprint(backend))
	if err != nil {
		return t, err
	}
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return t, err
	}
	for _, dir := range all {
		pid := filepath.Base(dir)
		of, _ := parent(pid) // one may have ended meanwhile
		i := slices.Index([]bool{pid == fmt.Sprint(os.Getpid()), pid == postmaster || of == postmaster, of == fmt.Sprint(os.Getpid())}, true)
		if i < 0 {
			continue
		}
		if one, err := used(pid); err == nil {
			t[i] += one
		}
	}
	return t, nil
}

// parent is which process has started another.
func parent(pid string) (string, error) {
	fields, err := stat(pid)
	if err != nil {
		return "", err
	}
	return fields[1], nil
}

// used is how much of the processor a process has used, and those that it has seen end.
func used(pid string) (t time.Duration, err error) {
	fields, err := stat(pid)
	if err != nil {
		return 0, err
	}
	mine := 4 // user, system, and both of its children
	if pid == "self" || pid == fmt.Sprint(os.Getpid()) {
		mine = 2
	}
	for _, f := range fields[11 : 11+mine] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, err
		}
		t += time.Duration(n) * time.Second / 100 // USER_HZ, on every Linux
	}
	return t, nil
}

// stat are the fields of a process that come after its name: proc(5).
func stat(pid string) ([]string, error) {
	text, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
	if err != nil {
		return nil, err
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 15 {
		return nil, errors.New("the state of a process cannot be read")
	}
	return fields, nil
}

// asking is how long a question of nothing takes, in milliseconds: what no answer is faster than.
func asking(ctx context.Context, on pg.Querier, times int) (all []time.Duration, err error) {
	for range times {
		var n int
		began := time.Now()
		if err := on.QueryRow(ctx, "SELECT 1").Scan(&n); err != nil {
			return nil, err
		}
		all = append(all, time.Since(began))
	}
	return all, nil
}
