package cluster

import (
	"log/slog"
	"path/filepath"
	"regexp"
	"strings"
	"unicode"

	"github.com/garant-project/garant/internal/errs"
)

// SuperUser is the superuser role of a new cluster unless Options names another.
const SuperUser = "garant_superuser"

const (
	minMajor    = 15
	defaultPort = 5432
	needSpace   = 200 << 20 // bytes; a new cluster takes 40 MiB and its WAL grows to 80 MiB and more
	// socketPathMax is what sockaddr_un holds, less the final NUL (unix(7)).
	socketPathMax = 107
)

// Options say which cluster to run and how. Two processes that open the same Dir must give
// the same Options.
type Options struct {
	// Name tells clusters apart in logs and process titles: "garant", "production".
	Name string
	// Dir is the cluster's directory; created when absent. See the package's description.
	Dir string
	// BinDir holds initdb and postgres; empty: searched for.
	BinDir string
	// OSUser is the account PostgreSQL runs as when this process is root; empty: "garant" if
	// there is one, else "postgres". Ignored when this process is not root.
	OSUser string
	// SuperUser is the superuser role; empty: the constant SuperUser. Other than that only
	// for a data directory that was brought from elsewhere.
	SuperUser string
	// Users are the database roles that may connect through the socket besides SuperUser.
	// They need not exist yet.
	Users []string
	// Settings are further lines of postgresql.conf. Those which the package decides itself
	// (files, addresses, authentication, what is logged) are refused.
	Settings map[string]string
	// TCP opens the loopback interface; nil: socket only.
	TCP *TCP
	// Log receives what happens to the server; nil: nothing is logged.
	Log *slog.Logger
}

// TCP opens 127.0.0.1 with TLS and SCRAM passwords to every role but the superuser.
type TCP struct {
	Port     int
	CertFile string // PEM, server certificate and its chain
	KeyFile  string // PEM; copied for the cluster's account, so it need not be able to read it
}

func (o Options) superUser() string {
	if o.SuperUser != "" {
		return o.SuperUser
	}
	return SuperUser
}

func (o Options) port() int {
	if o.TCP != nil {
		return o.TCP.Port
	}
	return defaultPort
}

// check validates o and returns it with Dir absolute.
func (o Options) check() (Options, error) {
	invalid := func(id, fix, format string, args ...any) (Options, error) {
		return o, problem(errs.Invalid, id, fix, format, args...)
	}
	name := regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)
	if !name.MatchString(o.Name) {
		return invalid("bad_name", "Use up to 31 small letters, digits and hyphens, a letter first.",
			"%q cannot be the name of a database cluster.", o.Name)
	}
	if o.Dir == "" {
		return invalid("no_dir", "Give a data directory.", "The cluster %s has no directory.", o.Name)
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return o, cannotCreate(o.Dir, err)
	}
	// PostgreSQL cuts paths at 1,024 bytes (MAXPGPATH) and puts its own names below Dir/data.
	if len(dir) > 800 || strings.ContainsFunc(dir, unicode.IsControl) {
		return invalid("bad_dir", "Choose a shorter path without control characters.",
			"The path of the data directory of cluster %s is too long or has control characters.", o.Name)
	}
	o.Dir = dir
	role := regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)
	for _, u := range append([]string{o.superUser()}, o.Users...) {
		if !role.MatchString(u) || u == "all" || strings.HasPrefix(u, "pg_") {
			return invalid("bad_role", "Use small letters, digits and underscores.", "%q cannot be a database role of cluster %s.", u, o.Name)
		}
	}
	setting := regexp.MustCompile(`^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?$`)
	for k, v := range o.Settings {
		if !setting.MatchString(k) || strings.ContainsFunc(v, unicode.IsControl) {
			return invalid("bad_setting", "Give a name of PostgreSQL's manual and a value on one line.",
				"%q with its value is not a setting of PostgreSQL.", k)
		}
		if reserved(k) {
			return invalid("reserved_setting", "Leave it out.", "The setting %s is decided by Garant and cannot be given.", k)
		}
	}
	if t := o.TCP; t != nil {
		if t.Port < 1 || t.Port > 65535 || t.CertFile == "" || t.KeyFile == "" {
			return invalid("bad_tcp", "Give a port from 1 to 65535, a certificate and a key.",
				"The TCP address of cluster %s is incomplete.", o.Name)
		}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Log = o.Log.With("cluster", o.Name)
	return o, nil
}

// reserved reports whether the setting could change where files lie, who gets in or whether
// values reach the log.
func reserved(setting string) bool {
	switch setting {
	case "data_directory", "config_file", "hba_file", "ident_file", "external_pid_file",
		"include", "include_dir", "include_if_exists",
		"listen_addresses", "port", "unix_socket_directories", "unix_socket_group", "unix_socket_permissions",
		"ssl", "ssl_cert_file", "ssl_key_file", "password_encryption", "db_user_namespace",
		"cluster_name", "event_source", "logging_collector", "allow_system_table_mods",
		"debug_print_parse", "debug_print_rewritten", "debug_print_plan":
		return true
	}
	return strings.HasPrefix(setting, "log_") || strings.HasPrefix(setting, "syslog_") || strings.HasPrefix(setting, "auto_explain.")
}
