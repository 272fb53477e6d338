package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is the unit of /proc/PID/stat (USER_HZ).
const tick = 10 * time.Millisecond

// cpu is the time that this process and the processes of the database have computed for.
func (m *meter) cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // of ourselves: cannot fail
	total := time.Duration(u.Utime.Nano() + u.Stime.Nano())
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // ended meanwhile
		}
		// "pid (name) state ppid …": the name may hold spaces and brackets.
		_, rest, ok := strings.Cut(string(b[max(0, strings.LastIndexByte(string(b), ')')):]), ") ")
		fields := strings.Fields(rest)
		if !ok || len(fields) < 13 || fields[1] != strconv.Itoa(m.postgres) {
			continue
		}
		for _, f := range fields[11:13] {
			n, _ := strconv.ParseInt(f, 10, 64)
			total += time.Duration(n) * tick
		}
	}
	return total
}

// profiled writes a profile of the processor until done is called.
func profiled(path string) (done func(), err error) {
	f, err := os.Create(path) //nolint:gosec // where whoever runs this asks for it
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	return func() {
		pprof.StopCPUProfile()
		_ = f.Close()
	}, nil
}
