package main

import (
	"fmt"
	"os"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is the unit of /proc/PID/stat (USER_HZ).
const tick = 10 * time.Millisecond

// own is the time that this process has computed for.
func own() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // of ourselves: cannot fail
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// backends is the time that the processes of the database have computed for.
func (m *meter) backends() (total time.Duration) {
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", m.postgres))
	for _, pid := range strings.Fields(string(children)) {
		b, err := os.ReadFile("/proc/" + pid + "/stat")
		if err != nil {
			continue // ended meanwhile
		}
		// "pid (name) state ppid …": the name may hold spaces and brackets.
		fields := strings.Fields(string(b[max(0, strings.LastIndexByte(string(b), ')')):]))
		if len(fields) < 14 {
			continue
		}
		for _, f := range fields[12:14] {
			n, _ := strconv.ParseInt(f, 10, 64)
			total += time.Duration(n) * tick
		}
	}
	return total
}

// spent is how long do computed, here and in the database, without what would have been computed
// anyway.
func (m *meter) spent(do func() error) (float64, error) {
	database, self, start := m.backends(), own(), time.Now()
	err := do()
	total := own() - self + m.backends() - database
	return float64(total) - m.idle*float64(time.Since(start)), err
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
