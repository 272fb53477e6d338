package stream

import (
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// block is a piece of code of the manual, by its language and something it holds.
func block(t *testing.T, language, holds string) string {
	t.Helper()
	text, err := os.ReadFile("../../../../docs/audit-streams.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range strings.Split(string(text), "```"+language+"\n")[1:] {
		if code, _, _ := strings.Cut(part, "```"); strings.Contains(code, holds) {
			return code
		}
	}
	t.Fatalf("the manual has no %s with %s", language, holds)
	return ""
}

// TestManualVerifies: what the manual gives receivers accepts a batch of ours and nothing else.
func TestManualVerifies(t *testing.T) {
	key, other := "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
	secret := "whsec_" + base64.StdEncoding.EncodeToString([]byte(key))
	at, body := time.Unix(1780000000, 0), []byte("{\"é\":1}\n{}\n")
	signatures := sign([]byte(other), "garant_siem_1_2_ab", at, body) + " " + sign([]byte(key), "garant_siem_1_2_ab", at, body)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "body"), body, 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(t *testing.T, env []string, name string, args ...string) string {
		t.Helper()
		path, err := exec.LookPath(name)
		if err != nil {
			t.Skipf("%s is not on this machine", name)
		}
		cmd := exec.CommandContext(t.Context(), path, args...) //nolint:gosec // what the manual says
		cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return strings.TrimSpace(string(out))
	}
	t.Run("python", func(t *testing.T) {
		call := func(signatures, body string, now int64) string {
			return fmt.Sprintf("print(verified({'webhook-id': 'garant_siem_1_2_ab', 'webhook-timestamp': '1780000000', 'webhook-signature': %q}, %s, %q, %d))\n", signatures, body, secret, now)
		}
		got := run(t, nil, "python3", "-c", block(t, "python", "def verified")+
			call(signatures, "open('body', 'rb').read()", 1780000100)+
			call(signatures, "b'another'", 1780000100)+
			call(signatures, "open('body', 'rb').read()", 1780000301)+
			call(strings.Fields(signatures)[0], "open('body', 'rb').read()", 1780000100))
		if strings.Join(strings.Fields(got), " ") != "True False False False" {
			t.Error(got)
		}
	})
	t.Run("shell", func(t *testing.T) {
		got := run(t, []string{"SECRET=" + secret, "ID=garant_siem_1_2_ab", "TIMESTAMP=1780000000"}, "sh", "-c", block(t, "sh", "openssl dgst"))
		if got != strings.Fields(signatures)[1] {
			t.Errorf("%s, not %s", got, signatures)
		}
	})
	t.Run("secret", func(t *testing.T) {
		made := strings.NewReplacer("/run/secrets/siem", filepath.Join(dir, "siem")).Replace(block(t, "sh", "openssl rand"))
		run(t, nil, "sh", "-c", made)
		text, err := os.ReadFile(filepath.Join(dir, "siem"))
		if err != nil {
			t.Fatal(err)
		}
		if key, ok := webhookKey(string(text)); !ok || len(key) != 32 {
			t.Errorf("%q", text)
		}
	})
}
