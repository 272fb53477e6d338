//go:build !unix

package transform

import "os/exec"

func ownGroup(*exec.Cmd)     {}
func endGroup(cmd *exec.Cmd) { _ = cmd.Process.Kill() }
