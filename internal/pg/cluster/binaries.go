package cluster

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// binaries are the programs of one PostgreSQL installation.
type binaries struct {
	dir   string
	major int
}

func (b binaries) path(name string) string { return filepath.Join(b.dir, name) }

// findBinaries returns the programs in dir or, when dir is empty, those of the wanted major
// version if installed, else the newest. want is 0 for a new cluster.
func findBinaries(ctx context.Context, dir string, want int) (binaries, error) {
	if dir != "" {
		if !hasPrograms(dir) {
			return binaries{}, noBinaries(dir)
		}
		major, version, err := majorOf(ctx, dir)
		if err != nil {
			return binaries{}, noBinaries(dir).Wrap(err)
		}
		if major < minMajor {
			return binaries{}, tooOld(version)
		}
		return binaries{dir, major}, nil
	}
	return search(ctx, candidates(ctx), want)
}

func search(ctx context.Context, dirs []string, want int) (binaries, error) {
	var found []binaries
	oldest := ""
	for _, d := range dirs {
		if !hasPrograms(d) {
			continue
		}
		major, version, err := majorOf(ctx, d)
		switch {
		case err != nil: // does not run on this machine
		case major < minMajor:
			oldest = version
		default:
			found = append(found, binaries{d, major})
		}
	}
	if len(found) == 0 {
		if oldest != "" {
			return binaries{}, tooOld(oldest)
		}
		return binaries{}, noBinaries("")
	}
	if i := slices.IndexFunc(found, func(b binaries) bool { return b.major == want }); i >= 0 {
		return found[i], nil
	}
	return slices.MaxFunc(found, func(a, b binaries) int { return cmp.Compare(a.major, b.major) }), nil
}

// candidates lists the places where distributions put the server's programs, which are
// seldom in the PATH.
func candidates(ctx context.Context) []string {
	var dirs []string
	if p, err := exec.LookPath("postgres"); err == nil {
		dirs = append(dirs, filepath.Dir(p))
	}
	if p, err := exec.LookPath("pg_config"); err == nil {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		if out, err := exec.CommandContext(ctx, p, "--bindir").Output(); err == nil {
			dirs = append(dirs, strings.TrimSpace(string(out)))
		}
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin",  // Debian, Ubuntu
		"/usr/pgsql-*/bin",           // PGDG on Red Hat
		"/usr/lib64/pgsql*/bin",      // Gentoo, SUSE
		"/usr/local/pgsql/bin",       // built from source
		"/usr/libexec/postgresql*",   // Alpine
		"/usr/local/bin", "/usr/bin", // Fedora, Arch, container images
		"/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin",
	} {
		m, _ := filepath.Glob(pattern) // only a malformed pattern fails
		dirs = append(dirs, m...)
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

func hasPrograms(dir string) bool {
	for _, name := range []string{"initdb", "postgres"} {
		st, err := os.Stat(filepath.Join(dir, name))
		if err != nil || st.IsDir() || st.Mode()&0o111 == 0 {
			return false
		}
	}
	return true
}

// majorOf asks the server program for its version: "postgres (PostgreSQL) 15.20 (Debian …)".
func majorOf(ctx context.Context, dir string) (major int, version string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return 0, "", err
	}
	m := regexp.MustCompile(`\(PostgreSQL\) ((\d+)\S*)`).FindSubmatch(out)
	if m == nil {
		return 0, "", errors.New("postgres --version gave an answer that is not understood")
	}
	major, err = strconv.Atoi(string(m[2]))
	return major, string(m[1]), err
}

// dataMajor reads PG_VERSION of a data directory: 0 when there is none, the text as well for
// versions before 10 ("9.6").
func dataMajor(data string) (int, string, error) {
	b, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, "", nil
	}
	if err != nil {
		return 0, "", err
	}
	text := strings.TrimSpace(string(b))
	n, err := strconv.Atoi(strings.SplitN(text, ".", 2)[0])
	if err != nil || len(text) > 8 {
		return 0, "", errors.New("PG_VERSION is not readable")
	}
	return n, text, nil
}
