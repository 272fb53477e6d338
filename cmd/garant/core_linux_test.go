package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// A program that garant starts shows what garant itself is held to.
func TestNoCore(t *testing.T) {
	if os.Getenv("GARANT_CORE_CHILD") != "" {
		noCore()
		out, err := exec.Command("sh", "-c", "cat /proc/self/limits").Output()
		if err != nil {
			t.Fatal(err)
		}
		_, _ = os.Stdout.Write(out)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run", "^TestNoCore$") //nolint:gosec // this program
	cmd.Env = append(os.Environ(), "GARANT_CORE_CHILD=yes")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); strings.HasPrefix(line, "Max core file size") && f[4] == "1" && f[5] == "1" {
			return
		}
	}
	t.Errorf("core files may be written:\n%s", out)
}
