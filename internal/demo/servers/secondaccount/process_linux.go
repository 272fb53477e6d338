package secondaccount

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
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

// halted waits until a process has stopped: the signal alone is not the halt. After a second it is taken for stopped.
func halted(pid int) {
	for range 100 {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if _, state, ok := strings.Cut(string(stat), ") "); err != nil || ok && strings.HasPrefix(state, "T") {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}
