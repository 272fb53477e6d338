package run

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/errs"
)

// programs are pg_dump and pg_restore.
type programs struct{ dir string }

// findPrograms takes those in dir or, when it is empty, the newest on the machine: they read every older server.
func findPrograms(ctx context.Context, dir string) (programs, error) {
	missing := errs.New(errs.Unavailable, "anonymise.programs", "PostgreSQL's programs pg_dump and pg_restore are not there.").WithFix("Install postgresql-client of the source's version or newer, or name its directory by --bin.")
	if dir != "" {
		if !hasPrograms(dir) {
			return programs{}, missing
		}
		return programs{dir}, nil
	}
	var dirs []string
	if p, err := exec.LookPath("pg_dump"); err == nil {
		if p, err = filepath.EvalSymlinks(p); err == nil && filepath.Base(p) == "pg_dump" { // Debian's wrapper chooses by its own rules
			dirs = append(dirs, filepath.Dir(p))
		}
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/lib64/pgsql*/bin", "/usr/local/pgsql/bin", "/usr/libexec/postgresql*", "/usr/local/bin", "/usr/bin",
		"/opt/homebrew/opt/postgresql@*/bin", "/opt/homebrew/opt/libpq/bin", "/usr/local/opt/postgresql@*/bin",
	} {
		m, _ := filepath.Glob(pattern) // only a malformed pattern fails
		dirs = append(dirs, m...)
	}
	best, newest := programs{}, 0
	for _, d := range dirs {
		if !hasPrograms(d) {
			continue
		}
		if v := majorOf(ctx, d); v > newest {
			best, newest = programs{d}, v
		}
	}
	if newest == 0 {
		return best, missing
	}
	return best, nil
}

func hasPrograms(dir string) bool {
	for _, name := range []string{"pg_dump", "pg_restore"} {
		if st, err := os.Stat(filepath.Join(dir, name)); err != nil || st.IsDir() || st.Mode()&0o111 == 0 {
			return false
		}
	}
	return true
}

func majorOf(ctx context.Context, dir string) int {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, filepath.Join(dir, "pg_dump"), "--version").Output() //nolint:gosec // from the list above
	if err != nil {
		return 0
	}
	m := regexp.MustCompile(`\(PostgreSQL\) (\d+)`).FindSubmatch(out)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(string(m[1])) // digits
	return n
}

// run runs a program. Its files become /dev/fd/3 and so on.
func (p programs) run(ctx context.Context, at end, password, name string, out io.Writer, files []*os.File, args ...string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(p.dir, name), args...)                                                                                                                                            //nolint:gosec // pg_dump or pg_restore
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "LC_ALL=C", "PGAPPNAME=" + application, "PGOPTIONS=-c client_min_messages=error -c statement_timeout=0 -c synchronous_commit=off"} // settle waits for all at once
	if password != "" {
		cmd.Env = append(cmd.Env, "PGPASSWORD="+password)
	}
	for _, v := range []string{"PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY", "PGPASSFILE", "PGSERVICEFILE"} {
		if s, ok := os.LookupEnv(v); ok {
			cmd.Env = append(cmd.Env, v+"="+s)
		}
	}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles, cmd.WaitDelay = out, &said, files, 5*time.Second
	if err := whileAlive(cmd); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return explained(name, at, said.String())
	}
	return nil
}

// hints are what may be told of what a program of PostgreSQL says: names of the schema. All else could quote a value.
var hints = []struct {
	says *regexp.Regexp
	text string // with what the expression caught
	fix  string
	kind errs.Kind
	id   string // of the error; empty: anonymise.schema
}{
	{regexp.MustCompile(`could not create unique index "([^"\n]+)"`), "The copy has a value twice where the unique index %s allows it once.", "Other keys were tried. Take a transformer that serves unique columns.", errs.Conflict, collision},
	{regexp.MustCompile(`violates foreign key constraint "([^"\n]+)"`), "The copy breaks the foreign key %s.", "Let the plan replace both sides of it by the same transformer.", errs.Invalid, ""},
	{regexp.MustCompile(`check constraint "([^"\n]+)"`), "The copy breaks the check %s.", "Take another transformer for its columns.", errs.Invalid, ""},
	{regexp.MustCompile(`could not create exclusion constraint "([^"\n]+)"`), "The copy breaks the exclusion constraint %s.", "Take another transformer for its columns, such as keep with a reason.", errs.Conflict, ""},
	{regexp.MustCompile(`permission denied to create extension "([^"\n]+)"`), "The target's role may not make the extension %s.", "Have an administrator run CREATE EXTENSION for it in template1's place, or make the role able to.", errs.Denied, ""},
	{regexp.MustCompile(`could not open extension control file "[^"\n]*/([^"/\n]+)\.control"`), "The target's server lacks the extension %s.", "Install it there.", errs.Unavailable, ""},
	{regexp.MustCompile(`extension "([^"\n]+)" is not available`), "The target's server lacks the extension %s.", "Install it there.", errs.Unavailable, ""},
	{regexp.MustCompile(`role "([^"\n]+)" does not exist`), "The schema names the role %s, which the target has not.", "Make it there: CREATE ROLE … NOLOGIN.", errs.Invalid, ""},
	{regexp.MustCompile(`permission denied for (table|schema|sequence|function) ([^"\n ]+)`), "The role may not do what a copy needs on a %s.", "Give the source's reader SELECT on all tables and sequences: a member of pg_read_all_data has it.", errs.Denied, ""},
	{regexp.MustCompile(`server version mismatch`), "The programs of PostgreSQL here are older than the server.", "Install those of its version or newer.", errs.Unavailable, ""},
	{regexp.MustCompile(`max_locks_per_transaction`), "The server cannot lock as many tables as there are.", "Raise max_locks_per_transaction there, such as to 256, and start it again.", errs.Unavailable, ""},
	{regexp.MustCompile(`No space left on device`), "A disk has no space left.", "Free some space and run again.", errs.Unavailable, ""},
	{regexp.MustCompile(`canceling statement due to lock timeout`), "A table is locked by somebody else.", "Run again later.", errs.Unavailable, ""},
	{regexp.MustCompile(`connection to server .* failed|server closed the connection|terminating connection|connection to server was lost|could not (receive data from|send data to) server|SSL SYSCALL error|the database system is (starting up|shutting down|in recovery mode)`), "The server does not answer, or broke the connection.", "Run again: the copy that is published stays as it is.", errs.Unavailable, lost},
	{regexp.MustCompile(`invalid snapshot identifier|snapshot .* does not exist`), "The snapshot of the source is gone.", "Run again: the copy that is published stays as it is.", errs.Unavailable, ""},
}

// Explained makes an error of what a program said.
func explained(name string, at end, said string) error {
	for _, h := range hints {
		m := h.says.FindStringSubmatch(said)
		if m == nil {
			continue
		}
		text := h.text
		if strings.Contains(text, "%s") {
			text = fmt.Sprintf(text, m[1])
		}
		return errs.New(h.kind, cmp.Or(h.id, "anonymise.schema"), text+" ("+name+", "+string(at)+")").WithFix(h.fix)
	}
	entry := "" // pg_restore says which it was at
	if m := regexp.MustCompile(`from TOC entry \d+; \d+ \d+ ([A-Z ]+) ([^\s;]+)`).FindStringSubmatch(said); m != nil {
		entry = " at " + strings.ToLower(m[1]) + " " + m[2]
	}
	return errs.New(errs.Unavailable, "anonymise.program", name+" did not do its work on the "+string(at)+entry+".").
		WithFix("Run pg_dump --schema-only of the source into an empty database there by hand: it says why.").Wrap(errors.New("what it said may hold values and is not kept"))
}

// scratchFile makes a file that has no name and goes with the process.
func scratchFile() (*os.File, error) {
	f, err := os.CreateTemp("", "garant-anonymise-")
	if err == nil {
		err = os.Remove(f.Name())
	}
	if err != nil {
		return nil, errs.New(errs.Unavailable, "anonymise.temp", "No temporary file can be made for the schema.").Wrap(err)
	}
	return f, nil
}

// schemaDump is what pg_dump says of the source's schema, in a file without a name, and what of it the copy gets.
type schemaDump struct {
	programs programs
	file     *os.File
	lists    [6]*os.File // of entries, by when they are brought
	owner    string      // role to which the objects are to belong; empty: whoever makes them
	left     []string    // what the copy does not get, by kind and name
}

// The lists. Schemas are there before extensions, which the copier itself makes: it may be one that is let make them. What locks the indexes of several tables is not done beside what reads or makes them, which PostgreSQL would have to break off: partitions' indexes are attached when all are
// made, and foreign keys validated after that. Row-level security is switched on last: where it binds the owner too, no foreign key could be validated.
const (
	schemas = iota
	extensions
	most
	attached
	foreign
	guards
)

var tocEntry = regexp.MustCompile(`^\d+; \d+ \d+ (TABLE DATA|FK CONSTRAINT|CHECK CONSTRAINT|DEFAULT ACL|ROW SECURITY|EVENT TRIGGER|INDEX ATTACH|MATERIALIZED VIEW DATA|MATERIALIZED VIEW|USER MAPPING|FOREIGN TABLE|FOREIGN DATA WRAPPER|FOREIGN SERVER|SECURITY LABEL|PUBLICATION TABLES IN SCHEMA|PUBLICATION TABLE|SUBSCRIPTION TABLE|DATABASE PROPERTIES|BLOB METADATA|BLOBS|BLOB COMMENTS|[A-Z]+) (.*)$`)

// unwanted are the kinds of entries that a copy does not get: ways to other servers, rights, and what belongs to the database and not to its schema.
var unwanted = []string{
	"EVENT TRIGGER", "PUBLICATION", "PUBLICATION TABLE", "PUBLICATION TABLES IN SCHEMA", "SUBSCRIPTION", "SUBSCRIPTION TABLE", "USER MAPPING", "SERVER", "FOREIGN SERVER", "FOREIGN TABLE",
	"FOREIGN DATA WRAPPER", "ACL", "DEFAULT ACL", "SECURITY LABEL", "DATABASE", "DATABASE PROPERTIES", "BLOB", "BLOBS", "BLOB METADATA", "BLOB COMMENTS", "TABLE DATA", "MATERIALIZED VIEW DATA",
}

// ofTheServer are extensions that look after a server and need its superuser: a copy is whole without them.
var ofTheServer = []string{
	"adminpack", "amcheck", "auto_explain", "old_snapshot", "pg_buffercache", "pg_cron", "pg_freespacemap", "pg_hint_plan", "pg_prewarm", "pg_qualstats", "pg_repack", "pg_squeeze", "pg_stat_kcache", "pg_stat_monitor", "pg_stat_statements", "pg_surgery", "pg_visibility",
	"pg_wait_sampling", "pg_walinspect", "pgaudit", "pglogical", "pgstattuple", "sslinfo",
}

// dump reads the schema under the snapshot.
func (p programs) dump(ctx context.Context, source *server, snapshot string) (*schemaDump, error) {
	d := &schemaDump{programs: p}
	var err error
	for _, f := range []**os.File{&d.file, &d.lists[schemas], &d.lists[extensions], &d.lists[most], &d.lists[attached], &d.lists[foreign], &d.lists[guards]} {
		if *f, err = scratchFile(); err != nil {
			d.close()
			return nil, err
		}
	}
	address, password := source.program("")
	if err = p.run(ctx, atSource, password, "pg_dump", d.file, nil, "--format=custom", "--schema-only", "--snapshot="+snapshot, "--no-owner", "--no-privileges", "--no-publications", "--no-subscriptions",
		"--no-tablespaces", "--no-security-labels", "--exclude-schema=garant", "--exclude-schema=garant_move", "--lock-wait-timeout=10000", "--dbname="+address); err != nil {
		d.close()
		return nil, err
	}
	var toc bytes.Buffer
	if err = p.run(ctx, atSource, "", "pg_restore", &toc, []*os.File{d.file}, "--list", "/dev/fd/3"); err != nil {
		d.close()
		return nil, err
	}
	list := most
	for line := range strings.Lines(toc.String()) {
		m := tocEntry.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if m == nil {
			continue
		}
		kind, rest := m[1], m[2]
		switch {
		case slices.Contains(unwanted, kind):
			if !slices.Contains([]string{"ACL", "DEFAULT ACL", "DATABASE", "TABLE DATA", "MATERIALIZED VIEW DATA"}, kind) {
				d.left = append(d.left, strings.ToLower(kind)+" "+withoutOwner(rest))
			}
			continue
		case kind == "EXTENSION" && slices.Contains(ofTheServer, strings.Fields(rest + " - -")[1]):
			d.left = append(d.left, "extension "+strings.Fields(rest)[1])
			continue
		case kind == "SCHEMA" && (strings.HasPrefix(rest, "- public ") || strings.HasPrefix(rest, "- garant ") || strings.HasPrefix(rest, "- garant_move ")):
			continue
		case kind == "COMMENT" && (strings.Contains(rest, "- EXTENSION ") || strings.HasPrefix(rest, "- SCHEMA public ") || strings.HasPrefix(rest, "- DATABASE ")):
			continue
		case strings.HasPrefix(rest, "garant "), strings.HasPrefix(rest, "garant_move "):
			continue
		}
		switch kind {
		case "COMMENT": // stands right after what it is on
		case "SCHEMA":
			list = schemas
		case "EXTENSION":
			list = extensions
		case "INDEX ATTACH":
			list = attached
		case "FK CONSTRAINT":
			list = foreign
		case "ROW SECURITY":
			list = guards
		default:
			list = most
		}
		if _, err = d.lists[list].WriteString(line); err != nil {
			d.close()
			return nil, errs.New(errs.Unavailable, "anonymise.temp", "A temporary file for the schema cannot be written.").Wrap(err)
		}
	}
	return d, nil
}

func withoutOwner(rest string) string {
	f := strings.Fields(rest)
	if len(f) > 2 {
		f = f[:len(f)-1]
	}
	return strings.TrimPrefix(strings.Join(f, " "), "- ")
}

// restore brings a section into the copy, but for the switches of row-level security.
func (d *schemaDump) restore(ctx context.Context, target *server, database, section string, jobs int) error {
	if section == "pre-data" {
		for _, list := range []int{schemas, extensions} {
			if err := d.bring(ctx, target, database, section, list, 1); err != nil {
				return err
			}
		}
	}
	if err := d.bring(ctx, target, database, section, most, jobs); err != nil || section != "post-data" {
		return err
	}
	if err := d.bring(ctx, target, database, section, attached, 1); err != nil {
		return err
	}
	return d.bring(ctx, target, database, section, foreign, jobs)
}

// guard switches row-level security on where the source has it.
func (d *schemaDump) guard(ctx context.Context, target *server, database string) error {
	return d.bring(ctx, target, database, "post-data", guards, 1)
}

func (d *schemaDump) bring(ctx context.Context, target *server, database, section string, list, jobs int) error {
	if st, err := d.lists[list].Stat(); err == nil && st.Size() == 0 {
		return nil
	}
	address, password := target.program(database)
	// Not in one transaction: that would lock every table of the schema at once. What is half made is thrown away.
	args := []string{"--dbname=" + address, "--section=" + section, "--use-list=/dev/fd/4", "--exit-on-error", "--no-owner", "--no-privileges", "--no-tablespaces"}
	if list != extensions && d.owner != "" {
		args = append(args, "--role="+d.owner)
	}
	if jobs > 1 {
		args = append(args, "--jobs="+strconv.Itoa(jobs))
	}
	return d.programs.run(ctx, atTarget, password, "pg_restore", io.Discard, []*os.File{d.file, d.lists[list]}, append(args, "/dev/fd/3")...)
}

func (d *schemaDump) close() {
	for _, f := range append(d.lists[:], d.file) {
		if f != nil {
			_ = f.Close()
		}
	}
}
