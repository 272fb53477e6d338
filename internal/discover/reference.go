package discover

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"github.com/garant-project/garant/internal/errs"
)

var variableForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// maxURL is the greatest length of a database URL, in bytes.
const maxURL = 4 << 10

// ReadDatabase takes a database as people give it: env:NAME, file:/PATH, or a URL. bare says
// that it was a URL, so that its reference, an environment variable, is a proposal. The error
// holds nothing of the URL.
func ReadDatabase(written string) (d Database, bare bool, err error) {
	written = strings.TrimSpace(written)
	kind, name, _ := strings.Cut(written, ":")
	invalid := func(text, fix string) (Database, bool, error) {
		return Database{}, false, errs.New(errs.Invalid, "discover.database", text).WithFix(fix)
	}
	switch kind {
	case "env":
		if !variableForm.MatchString(name) {
			return invalid("This is not the name of an environment variable.", "Write env:NAME, with letters, digits and underscores.")
		}
		url := os.Getenv(name)
		if url == "" {
			return invalid("The environment variable "+name+" is not set.", "Set it to the URL of the database, then run this again.")
		}
		d, err = ParseDatabase(url, written)
		return d, false, err
	case "file":
		if !filepath.IsAbs(name) || !writableReference(name) {
			return invalid("The file of a database URL is named by its whole path.", "Write file:/PATH.")
		}
		url, err := readSecret(name)
		if err != nil {
			return Database{}, false, err
		}
		d, err = ParseDatabase(url, written)
		return d, false, err
	}
	if d, err = ParseDatabase(written, ""); err != nil {
		return d, false, err
	}
	d.Reference = "env:" + variable(d)
	return d, true, nil
}

// writableReference keeps to paths that garant.yaml holds in one line as they are.
func writableReference(path string) bool {
	return len(path) < 180 && filepath.Clean(path) == path && path == printable(path, 200)
}

// variable proposes the name of an environment variable for a URL, from its database.
func variable(d Database) string {
	name := strings.Trim(regexp.MustCompile(`[^A-Z0-9]+`).ReplaceAllString(strings.ToUpper(databaseName(d.URL)), "_"), "_")
	if name == "" {
		return "GARANT_DATABASE_URL"
	}
	return "GARANT_" + name[:min(len(name), 40)] + "_URL"
}

// Variables gives databases whose references are the same variables of their own.
func Variables(databases []Database) []Database {
	seen := map[string]int{}
	for i := range databases {
		d := &databases[i]
		seen[d.Reference]++
		if n := seen[d.Reference]; n > 1 && strings.HasPrefix(d.Reference, "env:") {
			d.Reference = fmt.Sprintf("%s_%d", d.Reference, n)
		}
	}
	return databases
}

func readSecret(path string) (string, error) {
	refused := func(text, fix string) (string, error) {
		return "", errs.New(errs.Invalid, "discover.database", text).WithFix(fix)
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return refused("The file of the database URL cannot be opened.", "Check its path and that this account may read it.")
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return refused("The file of the database URL is not a regular file.", "Write the URL into one, with mode 0600.")
	}
	if info.Mode().Perm()&0o006 != 0 {
		return refused("Everybody on this machine may read or write the file of the database URL.", "Run chmod 600 on it, and replace the password if others have been on the machine.")
	}
	content, err := io.ReadAll(io.LimitReader(f, maxURL+1))
	if err != nil || len(content) > maxURL {
		return refused("The file of the database URL holds more than a URL.", "Write the URL into it and nothing else.")
	}
	return strings.TrimRight(string(content), "\r\n"), nil
}
