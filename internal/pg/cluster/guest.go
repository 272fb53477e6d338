package cluster

import (
	"strconv"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/errs"
)

// visit is what a guest does: it waits until the keeper's server is ready, then watches it.
// It returns nil after Close and when the keeper has left, for run to try and become the
// keeper; an error only when the server never became ready.
func (c *Cluster) visit(report func(error), first *bool) error {
	c.set(func(s *Status) { s.Keeper = false })
	begun := time.Now()
	for {
		pid, sockets, port, ready := c.observe()
		if ready && !c.Status().Ready {
			id, err := c.ask(dsn(sockets, port, c.opt.superUser(), "postgres"))
			if ready = err == nil; ready {
				c.mu.Lock()
				c.identity, c.sockets, c.port = id, sockets, port
				c.mu.Unlock()
			}
			c.set(func(s *Status) { s.Err = err })
		}
		c.set(func(s *Status) { s.Ready, s.PID = ready, pid })
		if ready {
			if *first {
				c.opt.Log.Info("database server joined; another process keeps it")
			}
			report(nil)
		} else if *first && time.Since(begun) > guestPatience {
			return problem(errs.Unavailable, "keeper_not_ready", "Look at the other process: its log says why.",
				"Another process of Garant keeps the database cluster %s, but its server does not answer.", c.opt.Name).
				Wrap(c.Status().Err)
		}
		wait := 200 * time.Millisecond
		if *first {
			wait = 20 * time.Millisecond
		}
		if !c.pause(wait) {
			c.set(func(s *Status) { s.Ready = false })
			return nil
		}
		lock, err := tryLock(c.p.keeperLock)
		if err != nil || lock != nil {
			if lock != nil {
				lock.Close() // run takes it again, or somebody quicker
			}
			c.set(func(s *Status) { s.Ready, s.Err = false, err })
			return nil
		}
	}
}

// observe reads what the server last wrote about itself into postmaster.pid.
func (c *Cluster) observe() (pid int, sockets string, port int, ready bool) {
	lines := pidFile(c.p.data)
	if len(lines) < 8 {
		return 0, "", 0, false
	}
	pid = serverPID(c.p.data)
	port, err := strconv.Atoi(strings.TrimSpace(lines[3]))
	ready = err == nil && pid > 0 && strings.HasPrefix(lines[7], "ready") && serverRuns(pid, c.p.data, c.acct.uid)
	return pid, lines[4], port, ready
}
