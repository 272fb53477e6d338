package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
)

// options say how much is measured.
type options struct {
	rows    int
	rounds  int
	dir     string // where the data is kept; empty: nowhere
	arms    string
	tables  int    // of the plan that is timed instead; 0: none
	profile string // directory of profiles of garant's arms; empty: none
	// self starts this program again as one arm.
	self []string
}

func main() {
	var o options
	flag.IntVar(&o.rows, "rows", 4_500_000, "rows of all tables together")
	flag.IntVar(&o.rounds, "rounds", 2, "times that each arm runs")
	flag.StringVar(&o.dir, "dir", "", "let the source grow in this directory and leave it there, or take up what is there")
	flag.StringVar(&o.arms, "arms", strings.Join(allArms, ","), "arms to run")
	flag.IntVar(&o.tables, "plan", 0, "time the plan of so many tables instead")
	flag.StringVar(&o.profile, "profile", "", "write profiles of garant's processor and memory into this directory")
	arm := flag.Bool("arm", false, "be one arm, as said on the standard input (for this program itself)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := func() error {
		if *arm {
			var j job
			if err := json.NewDecoder(os.Stdin).Decode(&j); err != nil {
				return err
			}
			return j.run(ctx, os.Stdout)
		}
		self, err := os.Executable()
		if err != nil {
			return err
		}
		o.self = []string{self, "-arm"}
		return run(ctx, os.Stdout, o)
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, "anonymise:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, o options) error {
	dir := o.dir
	if dir == "" {
		scratch, err := os.MkdirTemp("", "garant-anonymise-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(scratch) }()
		dir = scratch
	} else if err := os.MkdirAll(dir, 0o711); err != nil { //nolint:gosec // PostgreSQL's account passes through
		return err
	}
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // as above
		return err
	}
	s, err := open(ctx, dir, o, func(format string, args ...any) { _, _ = fmt.Fprintf(out, format+"\n", args...) })
	if err != nil {
		return err
	}
	defer s.close(context.WithoutCancel(ctx))
	if o.tables > 0 {
		return s.timePlan(ctx)
	}
	if err := s.fill(ctx); err != nil {
		return err
	}
	if o.profile != "" {
		if o.profile, err = filepath.Abs(o.profile); err != nil {
			return err
		}
	}
	return s.compare(ctx)
}
