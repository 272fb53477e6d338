package secondaccount

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// dieWithThread asks the kernel to kill the child when the thread that starts it ends, as it does when this process is
// killed (prctl(2), PR_SET_PDEATHSIG).
func dieWithThread(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }

// passProgram lets an account execute a program that lies where it cannot pass, such as below the home directory of another:
// the child gets it as an open file.
func passProgram(cmd *exec.Cmd) (*os.File, error) {
	f, err := os.Open(cmd.Path)
	if err != nil {
		return nil, err
	}
	cmd.ExtraFiles = []*os.File{f}
	cmd.Path = fmt.Sprintf("/proc/self/fd/%d", descriptor)
	return f, nil
}
