package run

import (
	"os/exec"
	"runtime"
	"syscall"
)

// whileAlive runs a program that ends with this one, however that ends: it may hold a snapshot of the source, or fill a database.
func whileAlive(cmd *exec.Cmd) error {
	runtime.LockOSThread() // the signal comes when the thread ends that started the program
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd.Run()
}
