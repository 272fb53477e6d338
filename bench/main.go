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
)

func main() {
	binary := flag.String("garant", "bin/garant", "the built program")
	length := flag.Duration("length", 20*time.Second, "how long each load runs")
	only := flag.String("only", "", "run one of: start, pages, findings, company")
	var look look
	flag.StringVar(&look.dir, "company-dir", "", "let the company grow in this directory and leave it there, or take up the one that is there")
	flag.StringVar(&look.page, "company-page", "", "only the pages of the company with this in their address")
	flag.StringVar(&look.profile, "company-profile", "", "write a profile of the processor to this file while the pages of the company are measured")
	flag.BoolVar(&look.statements, "company-statements", false, "print the statements of each page of the company")
	small := flag.Int("company-part", 1, "divide the size of the company by this")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, *binary, *only, *length, company().part(*small), look); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, binary, only string, length time.Duration, s size, look look) error {
	binary, err := filepath.Abs(binary)
	if err != nil {
		return err
	}
	parts := []struct {
		name string
		run  func(dir string) error
	}{
		{"start", func(dir string) error { return starts(ctx, out, binary, dir) }},
		{"pages", func(dir string) error { return pages(ctx, out, binary, dir, length) }},
		{"findings", func(dir string) error { return findings(ctx, out, dir, length) }},
		{"company", func(dir string) error { return companyPages(ctx, out, dir, s, look) }},
	}
	for _, p := range parts {
		if only != "" && only != p.name {
			continue
		}
		dir, err := os.MkdirTemp("", "garant-bench-")
		if err != nil {
			return err
		}
		err = os.Chmod(dir, 0o711) //nolint:gosec // PostgreSQL's account passes through
		if err == nil {
			err = p.run(dir)
		}
		_ = os.RemoveAll(dir)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}
