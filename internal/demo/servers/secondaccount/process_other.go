//go:build unix && !linux

package secondaccount

import (
	"os"
	"os/exec"
	"syscall"
	"time"
)

// dieWithThread does nothing: only Linux can do it. A server whose starter was killed goes on running and holds its port.
func dieWithThread(*syscall.SysProcAttr) {}

// passProgram does nothing: the program has to lie where the account can read it.
func passProgram(*exec.Cmd) (*os.File, error) { return nil, nil } //nolint:nilnil // no file is no error

// halted gives a process the moment that its halt takes.
func halted(int) { time.Sleep(100 * time.Millisecond) }
