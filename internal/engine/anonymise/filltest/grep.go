package filltest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Dump writes a database as pg_dump does, with plain text in one file.
func Dump(ctx context.Context, binDir, dsn, file string) error {
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, filepath.Join(binDir, "pg_dump"), "--file="+file, "--dbname="+dsn) //nolint:gosec // of the installation
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("pg_dump: %w: %s", err, &said)
	}
	return nil
}

// Grep returns which of the values stand in a file, whatever their case, as grep -F -i finds them.
func Grep(ctx context.Context, file string, values []string) ([]string, error) {
	left := map[string][]string{} // by what grep would print
	for _, v := range values {
		left[strings.ToLower(v)] = append(left[strings.ToLower(v)], v)
	}
	var found []string
	for len(left) > 0 { // what stands within another value is only seen when that one is no longer looked for
		var patterns strings.Builder
		for v := range left {
			patterns.WriteString(v + "\n")
		}
		list := file + ".patterns"
		if err := os.WriteFile(list, []byte(patterns.String()), 0o600); err != nil {
			return nil, err
		}
		cmd := exec.CommandContext(ctx, "grep", "-F", "-i", "-o", "-h", "-a", "-f", list, file) //nolint:gosec // a test's own files
		cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
		out, err := cmd.Output()
		var ended *exec.ExitError
		if errors.As(err, &ended) && ended.ExitCode() == 1 {
			return found, nil
		}
		if err != nil {
			return nil, fmt.Errorf("grep: %w", err)
		}
		before := len(left)
		for line := range strings.Lines(string(out)) {
			key := strings.ToLower(strings.TrimSuffix(line, "\n"))
			if v, ok := left[key]; ok {
				found = append(found, v...)
				delete(left, key)
			}
		}
		if len(left) == before {
			return nil, errors.New("grep printed nothing that was looked for")
		}
	}
	return found, nil
}
