package estate

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/garant-project/garant/internal/errs"
)

const hidden = "[secret]"

var variableForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// Secret is a reference to something that must not be shown: env:NAME or file:PATH. It holds
// no value; Reveal reads it where it is needed. Printed, logged or encoded in any way it is
// "[secret]".
type Secret struct {
	kind, name string
	dir        Dir
	key        string // of garant.yaml, for messages
}

// ReadReference reads what a reference (env:NAME, file:PATH) that somebody typed leads to.
func ReadReference(reference string) (string, error) {
	kind, name, ok := strings.Cut(strings.TrimSpace(reference), ":")
	if !ok || kind != "env" && kind != "file" || kind == "env" && !variableForm.MatchString(name) || strings.TrimSpace(name) == "" {
		return "", errs.New(errs.Invalid, "estate.reference", "This is not a reference to a secret.").WithFix("Write env:NAME or file:PATH: what stands on a command line is read by others on the machine.")
	}
	return Secret{kind: kind, name: name}.Reveal()
}

// Path returns where the file of a secret stands; "" of one that is not in a file.
func (s Secret) Path() string {
	if s.kind != "file" {
		return ""
	}
	return s.dir.resolve(s.name)
}

// IsZero reports whether no secret was declared.
func (s Secret) IsZero() bool { return s.kind == "" }

// Reveal reads the value. A variable that is not set, an empty value and a file that everybody
// on the machine may read or write are refused. One line break at the end is not part of it.
func (s Secret) Reveal() (string, error) {
	switch s.kind {
	case "env":
		value := os.Getenv(s.name)
		if value == "" {
			return "", s.refused("The environment variable "+s.name+" is not set.", "Set it for the account Garant runs as.")
		}
		return value, nil
	case "file":
		content, mode, err := readRegular(s.dir.resolve(s.name))
		if err != nil {
			return "", s.refused("The file cannot be used: "+readFailure(err)+".", "The path is taken from the directory of "+FileName+".")
		}
		if mode.Perm()&0o006 != 0 {
			return "", s.refused("Everybody on this machine may read or write the file.", "Run chmod 600 on it, and replace the secret if others have been on the machine.")
		}
		value := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
		if value == "" || bytes.ContainsRune(content, 0) {
			return "", s.refused("The file is empty or is not text.", "Write the secret into it.")
		}
		return value, nil
	}
	return "", s.refused("No secret is declared.", "Write env:NAME or file:PATH.")
}

func (s Secret) refused(text, fix string) error {
	if s.key != "" {
		text = FileName + ": " + s.key + ": " + text
	}
	return errs.New(errs.Invalid, "estate.secret", text).With("key", s.key).WithFix(fix)
}

// Equal reports whether both name the same place.
func (s Secret) Equal(o Secret) bool { return s.kind == o.kind && s.name == o.name && s.dir == o.dir }

// reference is what garant.yaml has: where the secret stands, never the secret.
func (s Secret) reference() string {
	if s.IsZero() {
		return ""
	}
	return s.kind + ":" + s.name
}

// String hides the secret.
func (s Secret) String() string { return hidden }

// GoString hides the secret.
func (s Secret) GoString() string { return hidden }

// Format hides the secret from every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(hidden)) }

// MarshalText hides the secret.
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// MarshalJSON hides the secret.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + hidden + `"`), nil }

// LogValue hides the secret.
func (s Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// secret reads a reference. What stands there instead is never shown: it may be the secret.
func (p *problems) secret(n *yaml.Node, key string, dir Dir) Secret {
	const fix = "Write env:NAME or file:PATH, and keep the secret there."
	if n == nil {
		return Secret{}
	}
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" || strings.TrimSpace(n.Value) == "" {
		p.add(n, key, "A reference to a secret belongs here.", fix)
		return Secret{}
	}
	kind, name, _ := strings.Cut(strings.TrimSpace(n.Value), ":")
	switch {
	case kind == "env" && variableForm.MatchString(name):
	case kind == "env":
		p.add(n, key, "This is not the name of an environment variable.", "Write env:NAME, with letters, digits and underscores.")
		return Secret{}
	case kind == "file" && strings.TrimSpace(name) != "":
		name = strings.TrimSpace(name)
	default:
		p.add(n, key, "A secret written in the file is read by everybody who reads the file, and stays in its history.", fix)
		return Secret{}
	}
	return Secret{kind: kind, name: name, dir: dir, key: key}
}
