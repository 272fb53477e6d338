//go:build unix

package transform

import (
	"os/exec"
	"syscall"
)

// ownGroup puts a program in a process group of its own, so that what it has started can be ended with it.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// endGroup ends a program and what it has started.
func endGroup(cmd *exec.Cmd) {
	_ = cmd.Process.Kill()
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
}
