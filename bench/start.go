package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/garant-project/garant/internal/pg/cluster"
)

// server is a running garant demo.
type server struct {
	cmd   *exec.Cmd
	annex string // address of the public annex
	took  time.Duration
}

var annexLine = regexp.MustCompile(`Public annex +(http://\S+)`)

// start starts the example on a data directory and waits until it says that it is ready.
func start(ctx context.Context, binary, dir string) (*server, error) {
	cmd := exec.CommandContext(ctx, binary, "demo", "--data", dir)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	var log strings.Builder
	cmd.Stderr = &log
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if m := annexLine.FindStringSubmatch(lines.Text()); m != nil {
			s := &server{cmd: cmd, annex: m[1], took: time.Since(began)}
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return s, nil
		}
	}
	return nil, errors.Join(fmt.Errorf("garant demo ended before it was ready: %s", log.String()), cmd.Wait())
}

func (s *server) stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGINT); err != nil {
		return err
	}
	return s.cmd.Wait()
}

// resident is the memory of the process in MiB, without PostgreSQL's.
func (s *server) resident() (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kib / 1024, err
		}
	}
	return 0, errors.New("no VmRSS")
}

// starts measures the time to ready on a new and on an existing data directory. The reference
// is a bare PostgreSQL: initdb and start, and start.
func starts(ctx context.Context, out io.Writer, binary, dir string) error {
	const rounds = 5
	var fresh, again, bareFresh, bareAgain []time.Duration
	for i := range rounds {
		data := filepath.Join(dir, "garant", strconv.Itoa(i))
		for _, into := range []*[]time.Duration{&fresh, &again} {
			s, err := start(ctx, binary, data)
			if err != nil {
				return err
			}
			*into = append(*into, s.took)
			if err := s.stop(); err != nil {
				return err
			}
		}
		bare := filepath.Join(dir, "bare", strconv.Itoa(i))
		for _, into := range []*[]time.Duration{&bareFresh, &bareAgain} {
			began := time.Now()
			c, err := cluster.Open(ctx, cluster.Options{Name: "bare", Dir: bare})
			if err != nil {
				return err
			}
			*into = append(*into, time.Since(began))
			if err := c.Close(ctx); err != nil {
				return err
			}
		}
	}
	_, _ = fmt.Fprintf(out, "ready, new data directory: median %s of %d (most %s); bare PostgreSQL %s; ratio %.1f\n",
		median(fresh), rounds, slices.Max(fresh).Round(time.Millisecond), median(bareFresh), ratio(fresh, bareFresh))
	_, _ = fmt.Fprintf(out, "ready, existing data directory: median %s of %d (most %s); bare PostgreSQL %s; ratio %.1f\n",
		median(again), rounds, slices.Max(again).Round(time.Millisecond), median(bareAgain), ratio(again, bareAgain))
	return nil
}

func median(d []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(d))
	return sorted[len(sorted)/2].Round(time.Millisecond)
}

func ratio(a, b []time.Duration) float64 { return float64(median(a)) / float64(median(b)) }
