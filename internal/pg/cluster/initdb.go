package cluster

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/garant-project/garant/internal/errs"
)

// initdb makes the data directory: in a directory of another name, which then takes the name
// data at once. What a killed initdb leaves is removed by the next; nobody takes it for a cluster.
//
// initdb itself makes its files durable; that it is asked to, although it costs a third of
// its time, keeps a power cut after Open from leaving a cluster that does not start.
func (c *Cluster) initdb(lock *os.File) error {
	left, _ := filepath.Glob(filepath.Join(escapeGlob(c.p.root), unfinished+"*"))
	for _, d := range left {
		if err := os.RemoveAll(d); err != nil {
			return cannotCreate(d, err)
		}
	}
	free, err := freeSpace(c.p.root)
	if err != nil {
		return cannotCreate(c.p.root, err)
	}
	if free < needSpace {
		return noSpace(c.p.root, max(free, 1))
	}
	dir, err := os.MkdirTemp(c.p.root, unfinished) // 0700
	if err != nil {
		return cannotCreate(c.p.root, err)
	}
	defer os.RemoveAll(dir) // renamed away when all went well
	if err := c.acct.own(dir); err != nil {
		return cannotCreate(dir, err)
	}
	begun := time.Now()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-c.stopping:
			cancel()
		case <-ctx.Done():
		}
	}()
	var out bounded
	cmd := exec.CommandContext(ctx, c.bin.path("initdb"),
		"-D", dir, "-U", c.opt.superUser(), "-A", "peer",
		"--locale=C.UTF-8", "--encoding=UTF8", "--data-checksums")
	cmd.Dir, cmd.Env = c.p.root, environment()
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.ExtraFiles = []*os.File{lock} // so that nobody starts beside it when we are killed
	cmd.SysProcAttr = c.acct.attributes(syscall.SIGKILL)
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) } // with the servers it runs
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		return c.initdbFailed(dir, out.lines(), err)
	}
	if err := os.Rename(dir, c.p.data); err != nil {
		return cannotCreate(c.p.data, err)
	}
	if err := syncDir(c.p.root); err != nil {
		return cannotCreate(c.p.root, err)
	}
	c.opt.Log.Info("database cluster created", "took", time.Since(begun).Round(time.Millisecond))
	return nil
}

// initdbFailed turns initdb's words (in English: its locale is C) into ours.
func (c *Cluster) initdbFailed(dir string, lines []string, err error) error {
	if c.stopped() {
		return errStopped
	}
	all := strings.Join(lines, "\n")
	switch {
	case strings.Contains(all, "No space left on device"), strings.Contains(all, "Disk quota exceeded"):
		return noSpace(c.p.root, 0).Wrap(err)
	case strings.Contains(all, "invalid locale name"), strings.Contains(all, "invalid locale settings"):
		return noLocale().Wrap(err)
	}
	cause := causeIn(lines)
	if cause == "" {
		cause = "it gave no reason"
	}
	cause = strings.ReplaceAll(cause, dir, c.p.data)
	return problem(errs.Unavailable, "initdb_failed", "Read the cause; initdb run by hand as the account "+c.acct.name+" says more.",
		"The database could not be created: %s.", strings.TrimSuffix(cause, ".")).Wrap(err)
}

// escapeGlob keeps a path from being read as a pattern.
func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}
