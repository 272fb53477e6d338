package cluster

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// dieWithThread asks the kernel to send the child sig when the thread that starts it ends,
// as it does when this process is killed (prctl(2), PR_SET_PDEATHSIG).
func dieWithThread(attr *syscall.SysProcAttr, sig syscall.Signal) { attr.Pdeathsig = sig }

// family returns the processes that descend from a server of the cluster: those that have
// server.lock open as descriptor 3 (see inherited) and, where the kernel does not let us
// look at descriptors, those of the account whose title is the cluster's.
func family(lock os.FileInfo, title string, uid int) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var pids []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil && pid != os.Getpid() && belongs(pid, lock, title, uid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func belongs(pid int, lock os.FileInfo, title string, uid int) bool {
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	st, err := os.Stat(filepath.Join(proc, "fd", strconv.Itoa(inherited)))
	if err == nil {
		return os.SameFile(st, lock)
	}
	if !errors.Is(err, os.ErrPermission) {
		return false
	}
	owner, err := os.Stat(proc)
	if err != nil {
		return false
	}
	if who, _ := ownerOf(owner); who != uid {
		return false
	}
	line, err := os.ReadFile(filepath.Join(proc, "cmdline"))
	return err == nil && (bytes.HasPrefix(line, []byte("postgres: "+title+": ")) ||
		bytes.Contains(line, []byte("\x00cluster_name="+title+"\x00")))
}

// signalMember signals the process if it still is a member of the family when the kernel's
// handle on it is held, so that a number given to another process meanwhile is not hit.
func signalMember(pid int, sig syscall.Signal, lock os.FileInfo, title string, uid int) {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return
	}
	if err != nil { // an old kernel, or forbidden by a container: without the handle then
		if belongs(pid, lock, title, uid) {
			syscall.Kill(pid, sig)
		}
		return
	}
	defer unix.Close(fd)
	if belongs(pid, lock, title, uid) {
		unix.PidfdSendSignal(fd, sig, nil, 0) // an error means gone, too
	}
}

// serverRuns reports whether pid is a live PostgreSQL server, if possible on data. Where the
// kernel does not say on which directory it works, a server of the account counts.
func serverRuns(pid int, data string, uid int) bool {
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	stat, err := os.ReadFile(filepath.Join(proc, "stat"))
	if err != nil {
		return false
	}
	// "12 (name) S …": the name may hold anything, brackets included.
	if i := bytes.LastIndexByte(stat, ')'); i < 0 || i+2 >= len(stat) || stat[i+2] == 'Z' || stat[i+2] == 'X' {
		return false
	}
	if cwd, err := os.Readlink(filepath.Join(proc, "cwd")); err == nil {
		return cwd == data
	}
	owner, err := os.Stat(proc)
	if err != nil {
		return false
	}
	if who, _ := ownerOf(owner); who != uid {
		return false
	}
	line, err := os.ReadFile(filepath.Join(proc, "cmdline"))
	return err == nil && strings.Contains(string(line), "postgres")
}
