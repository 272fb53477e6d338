package discover

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/garant-project/garant/internal/errs"
)

// Postgres reads what a database URL shows: the databases beside it, the roles with their
// rights, and which tables seem to hold personal data. It reads the catalogue, never a row of
// a table. Personal data
// is told by package estate/personal, as the checks tell it.
type Postgres struct{}

// Bounds of the source.
const (
	connectWithin  = 5 * time.Second
	readWithin     = 20 * time.Second // all of one database
	maxNeighbours  = 10               // databases beside the named one that are looked into
	maxColumns     = 50_000           // of one database
	maxRoles       = 500
	maxListed      = 60 // roles or tables that are written out
	statementLimit = 10 * time.Second
)

// Name is the source's name.
func (*Postgres) Name() string { return "postgres" }

// Asks says whom the source asks.
func (*Postgres) Asks(a Ask) string {
	if len(a.Databases) == 0 {
		return ""
	}
	var references []string
	for _, d := range a.Databases {
		references = append(references, d.Reference)
	}
	return "the PostgreSQL server of " + some(references, 5) + " for its databases, roles and the names of columns, never for a row"
}

// ParseDatabase reads a database URL, and the reference that garant.yaml will have to it. The
// error holds nothing of the URL.
func ParseDatabase(url, reference string) (Database, error) {
	d := Database{URL: url, Reference: reference}
	if !strings.HasPrefix(url, "postgres://") && !strings.HasPrefix(url, "postgresql://") {
		return d, errs.New(errs.Invalid, "discover.database", "The database is not given as a URL.").
			WithFix("Write postgres://USER@HOST:PORT/DATABASE?sslmode=verify-full, with the password in it or in a password file.")
	}
	if _, err := pgconn.ParseConfig(url); err != nil || len(d.Hosts()) == 0 {
		return d, errs.New(errs.Invalid, "discover.database", "The URL of the database cannot be read.").
			WithFix("Write postgres://USER@HOST:PORT/DATABASE?sslmode=verify-full; special characters of a password are written as %XX.")
	}
	return d, nil
}

// Hosts are the hosts that the URL leads to: names, addresses, directories of sockets.
func (d Database) Hosts() []string {
	config, err := pgconn.ParseConfig(d.URL)
	if err != nil {
		return nil
	}
	hosts := []string{config.Host}
	for _, f := range config.Fallbacks {
		hosts = append(hosts, f.Host)
	}
	return slices.Compact(slices.DeleteFunc(hosts, func(h string) bool { return h == "" }))
}

// Find reads the databases of the Ask.
func (*Postgres) Find(ctx context.Context, a Ask, way Way) (Found, error) {
	parts := make([]Found, len(a.Databases))
	done := make(chan struct{}, len(a.Databases))
	for i, d := range a.Databases {
		go func() {
			parts[i] = look(ctx, a, d, way)
			done <- struct{}{}
		}()
	}
	for range a.Databases {
		<-done
	}
	var all Found
	for _, f := range parts {
		all.Proposals = append(all.Proposals, f.Proposals...)
		all.Notes = append(all.Notes, f.Notes...)
	}
	slices.SortStableFunc(all.Proposals, func(x, y Proposal) int {
		return cmp.Or(cmp.Compare(x.Section, y.Section), cmp.Compare(x.Subject, y.Subject))
	})
	slices.SortStableFunc(all.Notes, func(x, y Note) int { return cmp.Or(cmp.Compare(x.About, y.About), cmp.Compare(x.Text, y.Text)) })
	return all, nil
}

// seen is what one database showed.
type seen struct {
	server     server
	roles      []role
	personal   []table // that seem to hold personal data
	columns    int     // looked at
	more       bool    // there are columns beyond the bound
	secured    bool    // by TLS
	local      bool    // by a socket of this machine
	neighbours []neighbour
}

type neighbour struct {
	name   string
	tables int    // with personal data
	failed string // why it could not be looked into
}

type table struct {
	oid     uint32
	schema  string
	name    string
	columns []string // with personal data
	kinds   []string // of it
	readers []string // roles that can read it, by whatever way
}

func (t table) String() string { return t.schema + "." + t.name }

// look reads one database and what lies beside it.
func look(ctx context.Context, a Ask, d Database, way Way) Found {
	note := func(text string) Found { return Found{Notes: []Note{{About: d.Reference, Text: text}}} }
	config, err := pgx.ParseConfig(d.URL)
	if err != nil {
		return note("The URL of the database cannot be read.")
	}
	through(config, way)
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	a.progress("Reading the catalogue of " + d.Reference)
	s, err := read(ctx, config)
	if err != nil {
		return unread(d, config, databaseFailure(err))
	}
	for i := range s.neighbours {
		n := &s.neighbours[i]
		if i >= maxNeighbours {
			n.failed = "left for later: there are many"
			continue
		}
		beside := config.Copy()
		beside.Database = n.name
		if n.tables, err = countPersonal(ctx, beside); err != nil {
			n.failed = databaseFailure(err)
		}
	}
	a.progress(fmt.Sprintf("%s: %s, %s with personal data", d.Reference, count(len(s.roles), "role"), count(len(s.personal), "table")))
	return s.found(d, config)
}

// unread proposes a database that was named and could not be read, as a comment.
func unread(d Database, config *pgx.ConnConfig, why string) Found {
	label, environment := environmentOf(config)
	name := config.Database
	if !writable(name) {
		name = "NAME"
	}
	return Found{
		Notes: []Note{{About: d.Reference, Text: "It could not be read: " + why + "."}},
		Proposals: []Proposal{{Section: Databases, Name: name, Subject: d.Reference, Saw: "could not be read: " + why,
			Off: "Mend that and run this again, or fill in what is missing and take the # away.",
			Lines: []Line{
				{Key: "url", Value: d.Reference, Why: "where the URL stands; its password is never in this file"},
				{Key: "database", Value: name, Why: "from the URL; must be what SELECT current_database() gives"},
				{Key: "system", Value: "1", Why: "write what SELECT system_identifier FROM pg_control_system() gives"},
				{Key: "environment", Value: environment, Why: label},
				{Key: "customer_data", Value: true, Why: "nothing was seen; write false if it holds no personal data of customers"},
			}}},
	}
}

// through makes a connection go by way, for a short time, and change nothing.
func through(config *pgx.ConnConfig, way Way) {
	config.ConnectTimeout = connectWithin
	config.RuntimeParams["application_name"] = "garant-init"
	config.DefaultQueryExecMode = pgx.QueryExecModeExec // no statement is left prepared behind a pooler
	config.LookupFunc = func(ctx context.Context, host string) ([]string, error) {
		addresses, _, err := way.Addresses(ctx, host)
		if err != nil {
			return nil, err
		}
		var list []string
		for _, a := range addresses {
			list = append(list, a.String())
		}
		if len(list) == 0 {
			return nil, errNoAddress
		}
		return list, nil
	}
	config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := way.Dial(ctx, network, address)
		if err == nil {
			_ = conn.SetDeadline(time.Now().Add(readWithin)) // whatever the server sends, and however slowly
		}
		return conn, err
	}
}

var errNoAddress = errors.New("the resolver knows no address of its host")

// databaseFailure says why a database could not be read, with nothing of the URL in it.
func databaseFailure(err error) string {
	var refused *pgconn.PgError
	var netErr net.Error
	var untrusted *tls.CertificateVerificationError
	switch {
	case errors.As(err, &refused):
		switch {
		case strings.HasPrefix(refused.Code, "28"):
			return "the server does not let this role in (SQLSTATE " + sqlState(refused.Code) + ")"
		case refused.Code == "3D000":
			return "the server has no such database"
		}
		return "the server refused (SQLSTATE " + sqlState(refused.Code) + ")"
	case errors.Is(err, errNoAddress), errors.Is(err, errNoAnswer), errors.Is(err, errLookup):
		for _, known := range []error{errNoAddress, errNoAnswer, errLookup} {
			if errors.Is(err, known) {
				return known.Error()
			}
		}
	case errors.As(err, &untrusted):
		return "its certificate is not trusted, as sslmode demands"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.As(err, &netErr) && netErr.Timeout():
		return "it did not answer in time"
	}
	return "the server " + whyNot(err)
}

// sqlState keeps five letters or digits, and nothing else that a stranger sends.
func sqlState(code string) string {
	if len(code) != 5 || strings.ContainsFunc(code, func(r rune) bool { return (r < '0' || r > '9') && (r < 'A' || r > 'Z') }) {
		return "unreadable"
	}
	return code
}

// found turns what was seen into proposals.
func (s *seen) found(d Database, config *pgx.ConnConfig) Found {
	var f Found
	odd := s.leaveOut()
	label, production := environmentOf(config)
	p := Proposal{Section: Databases, Name: s.server.database, Subject: s.server.system + "/" + s.server.database}
	if s.server.system == "" {
		p.Subject = d.Reference
		p.Off = "The role of the URL may not read pg_control_system(), by which a decoy is told from the system meant: GRANT EXECUTE ON FUNCTION pg_control_system() TO it, and run this again."
	}
	p.Lines = []Line{
		{Key: "url", Value: d.Reference, Why: "where the URL stands; its password is never in this file"},
		{Key: "database", Value: s.server.database, Why: "as the server calls it, so that a neighbour does not pass"},
		{Key: "system", Value: cmp.Or(s.server.system, "1"), Why: "the server's own identifier, so that a decoy does not pass"},
		{Key: "environment", Value: production, Why: label},
		s.customerData(),
	}
	developers := s.developers()
	if readers := s.readers(developers); len(readers) > 0 {
		p.Lines = append(p.Lines, Line{Key: "readers", Value: readers, Why: "who can read it now; take the # away from who may, ACC-2 names the others"})
	}
	if privileged := s.privileged(developers); len(privileged) > 0 {
		p.Lines = append(p.Lines, Line{Key: "privileged", Value: privileged, Why: "the register; write holder and reason and take the # away, ACC-5 names the others"})
	}
	if len(developers) > 0 {
		p.Lines = append(p.Lines, Line{Key: "developers", Value: developers, Why: "roles named like those of developers; SEG-5 holds that none has a path here"})
	}
	if labels := s.labels(); len(labels) > 0 {
		p.Lines = append(p.Lines, Line{Key: "labels", Value: labels, Why: "columns that seem to hold personal data; write your class and take the # away, CLS-1 names the others"})
	}
	saw := fmt.Sprintf("PostgreSQL %s, %s; by names and types, %s with personal data (%s looked at)", s.server.version, count(len(s.roles), "role"), count(len(s.personal), "table"), count(s.columns, "column"))
	if s.more {
		saw += " (there are more columns than were looked at)"
	}
	if !s.secured && !s.local {
		saw += "; this connection had no TLS"
	}
	p.Saw = saw
	f.Proposals = append(f.Proposals, p)
	f.Proposals = append(f.Proposals, s.endpoint(config, production, label)...)
	f.Notes = append(s.notes(developers), odd...)
	for i := range f.Notes {
		f.Notes[i].About = d.Reference
	}
	return f
}

// leaveOut takes out the roles and tables whose names no line can hold, and says so.
func (s *seen) leaveOut() []Note {
	var notes []Note
	s.roles = slices.DeleteFunc(s.roles, func(r role) bool {
		if writable(r.name) {
			return false
		}
		notes = append(notes, Note{Text: "The role " + quote(r.name) + " has a name that garant.yaml cannot hold: it is left out. Rename it."})
		return true
	})
	s.personal = slices.DeleteFunc(s.personal, func(t table) bool {
		if writable(t.schema) && writable(t.name) {
			return false
		}
		notes = append(notes, Note{Text: "The table " + quote(t.String()) + " has a name that garant.yaml cannot hold: it is left out. Rename it."})
		return true
	})
	return notes
}

func environmentOf(config *pgx.ConnConfig) (why, environment string) {
	for _, name := range []string{config.Host, strings.ReplaceAll(config.Database, "_", "-")} {
		if word := nonProductionWord(strings.ToLower(name), ""); word != "" {
			return "“" + word + "” in its name; write production if customers' data may be there", "non-production"
		}
	}
	return "nothing in its names says otherwise; write non-production if no customer's data may be there", "production"
}

func (s *seen) customerData() Line {
	if len(s.personal) == 0 && !s.more {
		return Line{Key: "customer_data", Value: false, Why: "no column looks like personal data; write true if there is any of customers"}
	}
	var names []string
	for _, t := range s.personal {
		names = append(names, t.String())
	}
	return Line{Key: "customer_data", Value: true, Why: "by names and types: " + some(names, 3) + "; write false if none is of customers"}
}

// endpoint proposes the server itself, unless it is reached by a socket.
func (s *seen) endpoint(config *pgx.ConnConfig, environment, why string) []Proposal {
	host := strings.ToLower(config.Host)
	_, isName := hostName(host)
	if ip, err := netip.ParseAddr(host); s.local || (!isName && err != nil) || (err == nil && ip.Zone() != "") {
		return nil
	}
	address := host
	if config.Port != 5432 || strings.Contains(host, ":") {
		address = net.JoinHostPort(host, strconv.Itoa(int(config.Port)))
	}
	saw := "the server of the database you named, by TLS"
	if !s.secured {
		saw = "the server of the database you named, reached without TLS. Expect: ENC-1 not met, unless it demands TLS of others"
	}
	return []Proposal{{Section: Endpoints, Name: s.server.database + "-server", Subject: "postgres://" + address, Saw: saw, Lines: []Line{
		{Key: "url", Value: "postgres://" + address, Why: "from the URL that you gave"},
		{Key: "environment", Value: environment, Why: why},
		{Key: "audience", Value: "admin", Why: "a database is nobody's front door; write public if customers connect to it"},
	}}}
}

// readers lists the roles that can read personal data now, as questions: whether they should,
// only a person knows.
func (s *seen) readers(developers []Item) []Item {
	reads := map[string]int{}
	for _, t := range s.personal {
		for _, r := range t.readers {
			reads[r]++
		}
	}
	var items []Item
	for _, r := range s.roles {
		n := reads[r.name]
		if n == 0 || !r.login || slices.ContainsFunc(developers, func(i Item) bool { return i.Text == r.name }) {
			continue
		}
		why := fmt.Sprintf("reads %s; does a service stand behind it, as written here, or people (team:)?", count(n, "personal table"))
		if r.privileged() != "" {
			why += "; it is " + printable(r.privileged(), 120)
		}
		items = append(items, Item{Pairs: []Pair{{"role", r.name}, {"service", r.name}}, Off: true, Why: why})
	}
	return items[:min(len(items), maxListed)]
}

func (s *seen) privileged(developers []Item) []Item {
	var items []Item
	for _, r := range s.roles {
		if r.privileged() == "" || slices.ContainsFunc(developers, func(i Item) bool { return i.Text == r.name }) {
			continue
		}
		why := printable(r.privileged(), 120)
		if !r.login {
			why += "; no login"
		}
		items = append(items, Item{Pairs: []Pair{{"role", r.name}, {"holder", "WHO HOLDS IT"}, {"why", "WHAT FOR"}}, Off: true, Why: why})
	}
	return items[:min(len(items), maxListed)]
}

// developers lists roles whose names speak of developers. To list one asks for more, not less,
// so these lines are in force.
func (s *seen) developers() []Item {
	var items []Item
	for _, r := range s.roles {
		word := hasWord(strings.ReplaceAll(strings.ToLower(r.name), "_", "-"), "", "dev", "devs", "developer", "developers", "developpeur", "developpeurs", "engineer", "engineers", "engineering", "intern", "contractor")
		if word != "" {
			items = append(items, Item{Text: r.name, Why: "“" + word + "” in its name; remove the line if it is not of a development team"})
		}
	}
	return items[:min(len(items), maxListed)]
}

func (s *seen) labels() []Item {
	var items []Item
	for _, t := range s.personal {
		if strings.ContainsAny(t.schema+t.name, ".*") { // a label's three parts are divided by dots
			continue
		}
		items = append(items, Item{Pairs: []Pair{{"columns", t.String() + ".*"}, {"class", "YOUR CLASS"}}, Off: true,
			Why: strings.Join(t.kinds, ", ") + ": " + some(t.columns, 4)})
	}
	return items[:min(len(items), maxListed)]
}

func (s *seen) notes(developers []Item) []Note {
	var notes []Note
	note := func(text string) { notes = append(notes, Note{Text: text}) }
	if len(s.roles) > maxRoles {
		note(fmt.Sprintf("The server has more than %d roles; the rest was not looked at.", maxRoles))
	}
	if s.more {
		note(fmt.Sprintf("The database has more than %d columns; the rest was not looked at.", maxColumns))
	}
	if n := len(s.personal); n > maxListed {
		note(fmt.Sprintf("%s with personal data, of which %d are written out as labels.", count(n, "table"), maxListed))
	}
	for _, kind := range []struct {
		what string
		n    int
	}{{"reading role", len(s.readers(developers))}, {"privileged role", len(s.privileged(developers))}} {
		if kind.n == maxListed {
			note(fmt.Sprintf("At least %s; the rest is not written out.", count(kind.n, kind.what)))
		}
	}
	if !s.secured && !s.local {
		note("The connection to it had no TLS. Put sslmode=verify-full in the URL.")
	}
	for _, r := range s.roles {
		if r.name == s.server.role && r.super {
			note("The URL signs in as a superuser. Reading the catalogue needs far less: docs/access.md says which role to make for Garant.")
		}
	}
	for _, n := range s.neighbours {
		switch {
		case n.failed != "":
			note("Beside it lies the database " + quote(n.name) + ", which was not looked into: " + n.failed + ".")
		case n.tables > 0:
			note("Beside it lies the database " + quote(n.name) + " with " + count(n.tables, "table") + " of personal data: add it with a URL of its own.")
		default:
			note("Beside it lies the database " + quote(n.name) + ", in which nothing looks like personal data.")
		}
	}
	return notes
}

func databaseName(url string) string {
	config, err := pgconn.ParseConfig(url)
	if err != nil {
		return ""
	}
	return config.Database
}
