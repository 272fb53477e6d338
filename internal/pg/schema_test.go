package pg_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/garant-project/garant/internal/pg/cluster"
	"github.com/garant-project/garant/internal/pg/pgtest"
)

// TestSchemaIsWritten compares schema.sql, which is there to be read, with what the migrations
// make. Run with GARANT_UPDATE=1 to write it anew.
func TestSchemaIsWritten(t *testing.T) {
	name := pgtest.NewName(t)
	dump := exec.CommandContext(t.Context(), filepath.Join(pgtest.Cluster().BinDir(), "pg_dump"),
		"--schema-only", "--no-comments", "--exclude-schema=river", "--restrict-key=garant", "--dbname="+pgtest.DSN(cluster.SuperUser, name))
	var stderr bytes.Buffer
	dump.Stderr = &stderr
	out, err := dump.Output()
	if err != nil {
		t.Fatalf("pg_dump: %v\n%s", err, &stderr)
	}
	// The versions of server and tool differ between machines; the rest must not.
	out = regexp.MustCompile(`(?m)^(--.*|SET transaction_timeout.*|SET .*|SELECT pg_catalog\.set_config.*|\\.*)\n`).ReplaceAll(out, nil)
	out = regexp.MustCompile(`\n{3,}`).ReplaceAll(bytes.TrimSpace(out), []byte("\n\n"))
	out = append([]byte("-- What the migrations make, for reading. Written by: GARANT_UPDATE=1 go test ./internal/pg -run TestSchemaIsWritten\n\n"), append(out, '\n')...)
	if os.Getenv("GARANT_UPDATE") != "" {
		if err := os.WriteFile("schema.sql", out, 0o644); err != nil { //nolint:gosec // source
			t.Fatal(err)
		}
	}
	written, err := os.ReadFile("schema.sql")
	if err != nil || !bytes.Equal(written, out) {
		t.Errorf("schema.sql is not what the migrations make (%v): run GARANT_UPDATE=1 go test ./internal/pg -run TestSchemaIsWritten", err)
	}
}
