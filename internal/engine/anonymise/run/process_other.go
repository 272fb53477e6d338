//go:build !linux

package run

import "os/exec"

// whileAlive runs a program. Where the system cannot end it with this one, it goes on until its connection breaks.
func whileAlive(cmd *exec.Cmd) error { return cmd.Run() }
