package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/garant-project/garant/internal/token"
)

// options say how much is measured.
type options struct {
	size  size
	dir   string        // where the data is kept; empty: nowhere
	pairs int           // at most, of a row
	time  time.Duration // at most, of a row
	trip  time.Duration // simulated round trip
	only  string        // a row's name; empty: all
	mode  string        // how pgx speaks
	// garant is the program whose plan and verify are timed instead; empty: none.
	garant string
}

func main() {
	var o options
	flag.IntVar(&o.size.rows, "rows", 10_000_000, "rows of the large table")
	flag.IntVar(&o.size.tenants, "tenants", 1000, "tenants; the first has a hundredth of all rows, the others as many each")
	flag.StringVar(&o.dir, "dir", "", "let the data grow in this directory and leave it there, or take up what is there")
	flag.IntVar(&o.pairs, "pairs", 3000, "pairs of a row, at most")
	flag.DurationVar(&o.time, "time", 15*time.Second, "time for a row, at most")
	flag.DurationVar(&o.trip, "trip", time.Millisecond, "round trip that is simulated for the second table; 0: leave that table out")
	flag.StringVar(&o.only, "only", "", "one row by its name")
	flag.StringVar(&o.mode, "mode", "cache statement", "how pgx speaks: cache statement, cache describe, describe exec, exec")
	flag.StringVar(&o.garant, "commands", "", "time plan and verify of this program instead, such as bin/garant")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, o); err != nil {
		fmt.Fprintln(os.Stderr, "isolation:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, o options) error {
	dir := o.dir
	if dir == "" {
		scratch, err := os.MkdirTemp("", "garant-isolation-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(scratch) }()
		if err := os.Chmod(scratch, 0o711); err != nil { //nolint:gosec // PostgreSQL's account passes through
			return err
		}
		dir = scratch
	}
	if o.garant != "" {
		return commands(ctx, out, dir, o.garant)
	}
	s, err := open(ctx, filepath.Join(dir, "pg"), o, func(format string, args ...any) { _, _ = fmt.Fprintf(out, format+"\n", args...) })
	if err != nil {
		return err
	}
	defer s.close(context.WithoutCancel(ctx))
	for _, design := range []token.Design{token.Pinned, token.Statement} {
		if err := s.use(ctx, design); err != nil {
			return err
		}
		for _, trip := range []time.Duration{0, o.trip} {
			if trip == 0 || trip == o.trip && o.trip > 0 {
				if err := s.table(ctx, design, trip, trip > 0); err != nil {
					return fmt.Errorf("%s: %w", design, err)
				}
			}
			if o.trip == 0 {
				break
			}
		}
	}
	return nil
}
