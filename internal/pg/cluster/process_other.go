//go:build unix && !linux

package cluster

import (
	"errors"
	"os"
	"syscall"
)

// dieWithThread does nothing: only Linux can do it. A server whose keeper was killed goes on
// running until the next Open finds its server.lock and stops it by its process number.
func dieWithThread(*syscall.SysProcAttr, syscall.Signal) {}

// family returns nothing: this system does not tell who has a file open.
func family(os.FileInfo, string, int) []int { return nil }

func signalMember(pid int, sig syscall.Signal, _ os.FileInfo, _ string, _ int) {
	syscall.Kill(pid, sig)
}

// serverRuns counts any live process of that number: nothing more is known here.
func serverRuns(pid int, _ string, _ int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}
