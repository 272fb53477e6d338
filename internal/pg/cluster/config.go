package cluster

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/garant-project/garant/internal/errs"
)

// title is the name of the cluster in process titles. It is unique on the machine, because
// the server's processes are also recognised by it.
func title(o Options, p paths) string {
	sum := sha256.Sum256([]byte(p.root))
	return "garant-" + o.Name + "-" + hex.EncodeToString(sum[:4])
}

// arguments are what neither Options.Settings nor ALTER SYSTEM may change.
//
// Nothing that people typed may reach the log: not statements (log_min_error_statement,
// log_statement), not their parameters, not the detail of an error ("Key (mail)=(…) already
// exists", hence terse), and not messages below LOG, for those of level ERROR quote values
// ("invalid input syntax for type integer: …"). Clients still receive their errors whole.
func arguments(o Options, p paths, sockets string) []string {
	listen := ""
	if o.TCP != nil {
		listen = "127.0.0.1"
	}
	args := []string{"-D", p.data}
	for _, kv := range [][2]string{
		{"config_file", filepath.Join(p.conf, "postgresql.conf")},
		{"hba_file", filepath.Join(p.conf, "pg_hba.conf")},
		{"ident_file", filepath.Join(p.conf, "pg_ident.conf")},
		{"listen_addresses", listen},
		{"port", strconv.Itoa(o.port())},
		{"unix_socket_directories", `"` + strings.ReplaceAll(sockets, `"`, `""`) + `"`},
		{"unix_socket_permissions", "0700"},
		{"cluster_name", title(o, p)},
		{"logging_collector", "off"},
		{"log_destination", "stderr"},
		{"log_line_prefix", "%m [%p] %b %e "},
		{"log_timezone", "UTC"},
		{"log_min_messages", "log"},
		{"log_min_error_statement", "panic"},
		{"log_error_verbosity", "terse"},
		{"log_statement", "none"},
		{"log_min_duration_statement", "-1"},
		{"log_min_duration_sample", "-1"},
		{"log_transaction_sample_rate", "0"},
		{"log_duration", "off"},
		{"log_parameter_max_length", "0"},
		{"log_parameter_max_length_on_error", "0"},
		{"log_replication_commands", "off"},
		{"log_checkpoints", "off"},
	} {
		args = append(args, "-c", kv[0]+"="+kv[1])
	}
	return args
}

// writeConfig writes the files in conf/.
func writeConfig(o Options, p paths, a account) error {
	if err := os.Mkdir(p.conf, 0o700); err != nil && !os.IsExist(err) {
		return cannotCreate(p.conf, err)
	}
	if err := a.lend(p.conf, 0o750); err != nil {
		return cannotCreate(p.conf, err)
	}
	left, _ := filepath.Glob(filepath.Join(escapeGlob(p.conf), ".new-*")) // of a writeFile that was killed
	for _, f := range left {
		os.Remove(f)
	}
	for name, text := range map[string]string{
		"postgresql.conf": serverConfig(o, p),
		"pg_hba.conf":     hostConfig(o),
		"pg_ident.conf":   identConfig(o, a),
	} {
		if err := writeFile(filepath.Join(p.conf, name), []byte(text), 0o640, a); err != nil {
			return cannotCreate(p.conf, err)
		}
	}
	return writeTLS(o, p, a)
}

// writeTLS copies certificate and key to where the cluster's account reads them. PostgreSQL
// takes a key of root's that its group may read, or one of its own account.
func writeTLS(o Options, p paths, a account) error {
	if o.TCP == nil {
		return nil
	}
	const fix = "Give a certificate and the key that belongs to it, both PEM."
	bad := func(err error) error {
		return problem(errs.Invalid, "bad_certificate", fix, "The certificate of cluster %s cannot be used.", o.Name).Wrap(err)
	}
	cert, err := os.ReadFile(o.TCP.CertFile)
	if err != nil {
		return bad(err)
	}
	key, err := os.ReadFile(o.TCP.KeyFile)
	if err != nil {
		return bad(err)
	}
	if _, err := tls.X509KeyPair(cert, key); err != nil {
		return bad(err)
	}
	for name, b := range map[string][]byte{"server.crt": cert, "server.key": key} {
		if err := writeFile(filepath.Join(p.conf, name), b, 0o640, a); err != nil {
			return cannotCreate(p.conf, err)
		}
	}
	return nil
}

func serverConfig(o Options, p paths) string {
	set := map[string]string{
		"max_connections": "60",
		"shared_buffers":  "64MB",
		"min_wal_size":    "80MB",
		"max_wal_size":    "512MB",
		"jit":             "off", // costs more than it gains on short queries
		"autovacuum":      "on",
		"timezone":        "UTC",
		// initdb would write these into its own postgresql.conf, which is not read.
		"datestyle":                  "ISO, YMD",
		"default_text_search_config": "pg_catalog.simple",
		"lc_messages":                "C.UTF-8", // startup errors are recognised by their words
		"lc_monetary":                "C.UTF-8",
		"lc_numeric":                 "C.UTF-8",
		"lc_time":                    "C.UTF-8",
	}
	maps.Copy(set, o.Settings)
	set["password_encryption"] = "scram-sha-256"
	if o.TCP != nil {
		set["ssl"] = "on"
		set["ssl_cert_file"] = filepath.Join(p.conf, "server.crt")
		set["ssl_key_file"] = filepath.Join(p.conf, "server.key")
	}
	var b strings.Builder
	b.WriteString("# Written by Garant at each start; changes made here are lost.\n")
	for _, k := range slices.Sorted(maps.Keys(set)) {
		fmt.Fprintf(&b, "%s = '%s'\n", k, strings.NewReplacer(`'`, `''`, `\`, `\\`).Replace(set[k]))
	}
	return b.String()
}

func hostConfig(o Options) string {
	var b strings.Builder
	b.WriteString("# Written by Garant at each start; changes made here are lost.\n")
	b.WriteString("local all all peer map=garant\n")
	b.WriteString("local replication all peer map=garant\n")
	if o.TCP != nil {
		b.WriteString("host all " + quote(o.superUser()) + " all reject\n")
		b.WriteString("hostssl all all 127.0.0.1/32 scram-sha-256\n")
	}
	return b.String()
}

func identConfig(o Options, a account) string {
	var b strings.Builder
	b.WriteString("# Written by Garant at each start; changes made here are lost.\n")
	for _, who := range slices.Compact([]string{a.self, a.name}) {
		for _, role := range append([]string{o.superUser()}, o.Users...) {
			fmt.Fprintf(&b, "garant %s %s\n", quote(who), quote(role))
		}
	}
	return b.String()
}

// quote keeps PostgreSQL from seeing a keyword, a group or a pattern in a name; check and
// findAccount refuse names that hold a quote.
func quote(name string) string { return `"` + name + `"` }
