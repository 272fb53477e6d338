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
	"slices"
	"strings"
	"time"
)

// options say how much is measured.
type options struct {
	dir      string // where scratch directories are made; empty: the system's place
	only     string // parts, with commas; empty: all
	json     bool   // the figures as JSON, and what is said meanwhile on the standard error
	profile  string // directory of profiles of the processor; empty: none
	rounds   int
	time     time.Duration // of an arm in a round
	writers  []int
	entries  int           // of the record that is verified
	rate     int           // entries a second of the steady load
	load     time.Duration // how long it lasts
	rows     int           // of the record that is searched
	searches int           // of each kind
	leaves   int64         // of the simulated tree
	proofs   int
	pairs    int // of each captured statement
	settings map[string]string
}

func defaults() options {
	return options{
		rounds: 5, time: 3 * time.Second, writers: []int{8, 32}, entries: 1_000_000, rate: 500, load: 30 * time.Second, rows: 1_000_000, searches: 200,
		leaves: 100_000_077, proofs: 500, pairs: 400,
		// As garant serve has them for the database that it starts itself, but for more connections: one for each writer.
		settings: map[string]string{"shared_buffers": "64MB", "max_connections": "160"},
	}
}

func main() {
	o := defaults()
	flag.StringVar(&o.dir, "dir", "", "make the scratch directory in this one: on the disk that is to be measured")
	flag.StringVar(&o.only, "only", "", "parts to run: "+strings.Join(names(), ", "))
	flag.BoolVar(&o.json, "json", false, "print the figures as JSON")
	flag.StringVar(&o.profile, "profile", "", "write profiles of the processor into this directory")
	flag.IntVar(&o.rounds, "rounds", o.rounds, "rounds of a comparison")
	flag.DurationVar(&o.time, "time", o.time, "length of an arm in a round")
	flag.IntVar(&o.entries, "entries", o.entries, "entries of the record that is written in batches, put in order, copied and verified")
	flag.IntVar(&o.rate, "rate", o.rate, "entries a second while lags are measured")
	flag.DurationVar(&o.load, "load", o.load, "how long lags are measured")
	flag.IntVar(&o.rows, "rows", o.rows, "entries of the record that is searched; the goal is of 10 million")
	flag.IntVar(&o.searches, "searches", o.searches, "searches of each kind")
	flag.IntVar(&o.pairs, "pairs", o.pairs, "pairs of each captured statement")
	flag.Func("set", "a setting of PostgreSQL, NAME=VALUE", func(s string) error {
		name, value, ok := strings.Cut(s, "=")
		if !ok {
			return fmt.Errorf("%q is not NAME=VALUE", s)
		}
		o.settings[name] = value
		return nil
	})
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, os.Stderr, o); err != nil {
		fmt.Fprintln(os.Stderr, "audit:", err)
		os.Exit(1)
	}
}

// part is one group of figures.
type part struct {
	name string
	do   func(*stand, context.Context) error
}

func parts() []part {
	return []part{
		{"write", (*stand).write}, {"batch", (*stand).batch}, {"lag", (*stand).lag}, {"verify", (*stand).verify},
		{"search", (*stand).search}, {"proof", (*stand).proof}, {"capture", (*stand).capture},
	}
}

func names() (all []string) {
	for _, p := range parts() {
		all = append(all, p.name)
	}
	return all
}

// run measures, and prints figures to out; what is said meanwhile goes to log.
func run(ctx context.Context, out, log io.Writer, o options) error {
	chosen := names()
	if o.only != "" {
		chosen = strings.Split(o.only, ",")
		for _, name := range chosen {
			if !slices.Contains(names(), name) {
				return fmt.Errorf("there is no part %q: %s", name, strings.Join(names(), ", "))
			}
		}
	}
	scratch, err := os.MkdirTemp(o.dir, "garant-audit-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	if err := os.Chmod(scratch, 0o711); err != nil { //nolint:gosec // PostgreSQL's account passes through
		return err
	}
	if scratch, err = filepath.Abs(scratch); err != nil {
		return err
	}
	if o.profile != "" {
		if err := os.MkdirAll(o.profile, 0o755); err != nil { //nolint:gosec // for whoever runs this
			return err
		}
	}
	s, err := open(ctx, scratch, o, func(format string, args ...any) { _, _ = fmt.Fprintf(log, format+"\n", args...) })
	if err != nil {
		return err
	}
	defer s.close(context.WithoutCancel(ctx))
	for _, p := range parts() {
		if !slices.Contains(chosen, p.name) {
			continue
		}
		s.part, s.load = p.name, load1()
		s.say("%s; load %s", p.name, s.load)
		if err := p.do(s, ctx); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	if o.json {
		e := json.NewEncoder(out)
		e.SetIndent("", "\t")
		return e.Encode(s.figures)
	}
	s.print(out)
	return nil
}
