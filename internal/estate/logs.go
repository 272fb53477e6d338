package estate

import (
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// LogKind says whose lines a log holds.
type LogKind string

// The kinds of logs.
const (
	SystemLog      LogKind = "system"      // of machines, containers and what runs them
	ApplicationLog LogKind = "application" // of the company's own software
)

// Log is a log that must be found by search: where a line is searched for, how one is written at the far end, and,
// where nothing else does, that Garant ships it. docs/logs.md.
type Log struct {
	Name   string
	Kind   LogKind
	Search LogSearch
	Field  string        // of a document, in which the line stands; searched as text
	Within time.Duration // the agreed time from writing a line to finding it
	Canary LogCanary
	Ship   *LogShip // nil: something else ships it
	Line   int
}

// LogSearch is an Elasticsearch or an OpenSearch.
type LogSearch struct {
	URL      string
	Address  Secret // instead of URL
	Index    string // a pattern, a data stream or an alias
	User     string
	Password Secret
	APIKey   Secret // instead of user and password
	TrustPEM []byte // authorities to trust; nil: the machine's
}

// Where reads the address.
func (s LogSearch) Where() (string, error) {
	if s.Address.IsZero() {
		return s.URL, nil
	}
	return s.Address.Reveal()
}

// LogCanary is how a line is written at the far end. It is exactly one of HTTP, File and Shipper.
type LogCanary struct {
	HTTP     string // an endpoint of the application, which logs what is posted to it
	Token    Secret // sent to it as a bearer token
	TrustPEM []byte

	File  string // a file that a shipper follows
	Plain bool   // its lines are text, not JSON

	Shipper bool // by way of Ship
}

// LogShip says that Garant ships the log itself.
type LogShip struct {
	File string // that is followed; empty: Garant's own log
	Into string // index or data stream that lines are written into
	// Instead of those of the search: who writes need not read.
	User     string
	Password Secret
	APIKey   Secret
	Spool    int64    // bytes kept on disk while nothing can be shipped
	Fields   []string // more names of fields whose values are left out
	Patterns []string // regular expressions (RE2) of more text that is left out
}

// What holds unless told, and the bounds.
const (
	DefaultLogField  = "message"
	DefaultLogWithin = time.Minute
	MaxLogWithin     = 5 * time.Minute
	DefaultLogSpool  = 256 << 20
	ownLog           = "garant"
)

const (
	logSystem      = "LOG-3"
	logApplication = "LOG-4"
)

var (
	indexForm      = regexp.MustCompile(`^[a-z0-9*][a-z0-9_.*:,-]{0,199}$`)
	intoForm       = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]{0,199}$`)
	logFieldForm   = regexp.MustCompile(`^[A-Za-z_@][A-Za-z0-9_.@-]{0,99}$`)
	redactNameForm = regexp.MustCompile(`^[A-Za-z0-9_.@-]{1,60}$`)
)

// SafeAddress reports whether a secret may be sent to an address: by TLS, or without leaving the machine.
func SafeAddress(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.User != nil {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || err == nil && ip.IsLoopback())
}

// Target is the scope name of the log.
func (l Log) Target() string { return "logs:" + l.Name }

// Measure is the id of the measure that it proves.
func (l Log) Measure() string {
	if l.Kind == SystemLog {
		return logSystem
	}
	return logApplication
}

// LogsOf lists the logs of a kind.
func (e *Estate) LogsOf(kind LogKind) []Log {
	var list []Log
	for _, l := range e.Logs {
		if l.Kind == kind {
			list = append(list, l)
		}
	}
	return list
}

func (p *parser) logs(n *yaml.Node) []Log {
	const at = "logs"
	var list []Log
	names, shipped := map[string]int{}, map[string]int{}
	for i, item := range p.list(n, at, "List each log with a name, a kind, where it is searched and a canary, or remove the section.") {
		key := fmt.Sprintf("%s[%d]", at, i)
		one, values := p.log(item, key)
		if first, seen := names[one.Name]; seen && one.Name != "" {
			p.add(values["name"], key+".name", fmt.Sprintf("The name %s is taken by the log on line %d.", quote(one.Name), first), "Names are unique: evidence is filed under them.")
		}
		names[one.Name] = item.Line
		if one.Ship != nil {
			if first, seen := shipped[one.Ship.File]; seen {
				p.add(values["ship"], key+".ship.from", fmt.Sprintf("The log on line %d ships the same.", first), "Keep one of them: each line is shipped once.")
			}
			shipped[one.Ship.File] = item.Line
		}
		list = append(list, one)
	}
	return list
}

func (p *parser) log(n *yaml.Node, at string) (Log, map[string]*yaml.Node) {
	l := Log{Line: n.Line, Field: DefaultLogField, Within: DefaultLogWithin}
	values := p.fields(n, at, "name", "kind", "search", "field", "within", "canary", "ship")
	if values == nil {
		return l, nil
	}
	l.Name = p.entryName(p.required(n, values, at, "name", "Give the log a short name that will not change, such as application."), at+".name")
	kind, _ := p.oneOf(p.required(n, values, at, "kind", "Write system or application."), at+".kind", "a kind of log", string(SystemLog), string(ApplicationLog))
	l.Kind = LogKind(kind)
	if v := p.required(n, values, at, "search", "Say where it is searched: url, index and credentials."); v != nil {
		l.Search = p.logSearch(v, at+".search")
	}
	if v, ok := p.text(values["field"], at+".field"); ok {
		if l.Field = v; !logFieldForm.MatchString(v) {
			p.add(values["field"], at+".field", quote(v)+" is not the name of a field.", "Write it as documents have it, such as message.")
		}
	}
	if v := values["within"]; v != nil {
		l.Within = p.duration(v, at+".within", time.Second, MaxLogWithin)
	}
	if v := values["ship"]; v != nil {
		l.Ship = p.logShip(v, at+".ship")
	}
	if v := p.required(n, values, at, "canary", "Say how a line is written: {http: https://…}, {file: /PATH} or {shipper: true}."); v != nil {
		l.Canary = p.logCanary(v, at+".canary", l.Ship != nil)
	}
	return l, values
}

// rooted reads the path of a file that is no part of the estate.
func (p *problems) rooted(n *yaml.Node, key string) string {
	v, ok := p.text(n, key)
	if ok && (!strings.HasPrefix(v, "/") || strings.HasSuffix(v, "/")) {
		p.add(n, key, "The file is not named from the root.", "Write its whole path, such as /var/log/app/app.log.")
		return ""
	}
	return v
}

// signIn reads user and password, or an API key; one of them must be there when needed.
func (p *problems) signIn(n *yaml.Node, values map[string]*yaml.Node, at string, needed bool) (user string, password, apiKey Secret) {
	user, _ = p.text(values["user"], at+".user")
	password, apiKey = p.rootedSecret(values["password"], at+".password"), p.rootedSecret(values["api_key"], at+".api_key")
	named := values["user"] != nil || values["password"] != nil
	switch {
	case named && values["api_key"] != nil:
		p.add(values["api_key"], at+".api_key", "There are two ways to sign in.", "Keep api_key, or user and password.")
	case (values["user"] == nil) != (values["password"] == nil):
		p.add(n, at, "A user and a password belong together.", "Write both, or api_key.")
	case needed && !named && values["api_key"] == nil:
		p.add(n, at, "Nobody signs in: logs would be open to everybody who reaches the address.", "Write user and password, or api_key.")
	}
	return user, password, apiKey
}

// rootedSecret reads a reference to a secret; a file is named from the root.
func (p *problems) rootedSecret(n *yaml.Node, key string) Secret {
	s := p.secret(n, key, "")
	if s.kind == "file" && !strings.HasPrefix(s.name, "/") {
		p.add(n, key, "The path of the file does not start at the root.", "Write file:/PATH: the estate is kept apart from garant.yaml.")
	}
	return s
}

func (p *parser) logSearch(n *yaml.Node, at string) LogSearch {
	var s LogSearch
	values := p.fields(n, at, "url", "index", "user", "password", "api_key", "trust")
	if values == nil {
		return s
	}
	if v := p.required(n, values, at, "url", "Write the address of the cluster, such as https://logs.company.example:9200, or env:NAME."); v != nil {
		if strings.HasPrefix(v.Value, "env:") || strings.HasPrefix(v.Value, "file:") {
			s.Address = p.rootedSecret(v, at+".url")
		} else {
			if s.URL = p.webAddress(v, at+".url"); s.URL != "" && !SafeAddress(s.URL) {
				p.add(v, at+".url", "Over plain HTTP everybody on the way reads the logs and the credentials.", "Write the https:// address.")
			}
		}
	}
	index := p.required(n, values, at, "index", "Write the index, data stream or pattern to search in, such as logs-app-*.")
	if v, ok := p.text(index, at+".index"); ok {
		switch {
		case strings.Trim(v, "*,:") == "" || v == "_all":
			p.add(index, at+".index", "This is every index there is.", "Name the one that people search in, such as logs-app-*.")
		case !indexForm.MatchString(v):
			p.add(index, at+".index", quote(v)+" is not the name of an index.", "Write it in small letters, such as logs-app-*.")
		default:
			s.Index = v
		}
	}
	s.User, s.Password, s.APIKey = p.signIn(n, values, at, true)
	s.TrustPEM = p.trust(values["trust"], at+".trust")
	return s
}

func (p *parser) logCanary(n *yaml.Node, at string, ships bool) LogCanary {
	var c LogCanary
	values := p.fields(n, at, "http", "token", "trust", "file", "format", "shipper")
	if values == nil {
		return c
	}
	ways := 0
	for _, way := range []string{"http", "file", "shipper"} {
		if values[way] != nil {
			ways++
		}
	}
	if ways != 1 {
		p.add(n, at, fmt.Sprintf("A line is written in one of http, file and shipper; here are %d.", ways), "Keep one of them.")
		return c
	}
	if values["http"] == nil {
		for _, key := range []string{"token", "trust"} {
			if values[key] != nil {
				p.add(values[key], at+"."+key, "No address is called here.", "Remove the line.")
			}
		}
	}
	if values["file"] == nil && values["format"] != nil {
		p.add(values["format"], at+".format", "No file is written here.", "Remove the line.")
	}
	if v := values["http"]; v != nil {
		c.HTTP, c.Token, c.TrustPEM = p.webAddress(v, at+".http"), p.rootedSecret(values["token"], at+".token"), p.trust(values["trust"], at+".trust")
		if c.HTTP != "" && !c.Token.IsZero() && !SafeAddress(c.HTTP) {
			p.add(v, at+".http", "Over plain HTTP everybody on the way reads the token.", "Write the https:// address, or leave out the token.")
		}
	}
	if v := values["file"]; v != nil {
		c.File = p.rooted(v, at+".file")
		format, _ := p.oneOf(values["format"], at+".format", "a format of lines", "json", "plain")
		c.Plain = format == "plain"
	}
	if v := values["shipper"]; v != nil {
		switch yes, ok := p.boolean(v, at+".shipper"); {
		case ok && !yes:
			p.add(v, at+".shipper", "Then no line is written.", "Write true, or name another way.")
		case ok && !ships:
			p.add(v, at+".shipper", "Garant does not ship this log.", "Write ship, or name how a line is written: http or file.")
		default:
			c.Shipper = yes
		}
	}
	return c
}

func (p *parser) logShip(n *yaml.Node, at string) *LogShip {
	values := p.fields(n, at, "from", "into", "user", "password", "api_key", "spool_mib", "redact")
	if values == nil {
		return nil
	}
	s := &LogShip{Spool: DefaultLogSpool}
	from := p.required(n, values, at, "from", "Write garant, for Garant's own log, or the path of a file that is followed.")
	if v, ok := p.text(from, at+".from"); ok && v != ownLog {
		s.File = p.rooted(from, at+".from")
	}
	into := p.required(n, values, at, "into", "Write the index or the data stream that lines are written into, such as logs-garant.default.")
	if v, ok := p.text(into, at+".into"); ok {
		if s.Into = v; !intoForm.MatchString(v) {
			p.add(into, at+".into", quote(v)+" is not the name of an index or a data stream.", "Write one, in small letters and without *.")
		}
	}
	s.User, s.Password, s.APIKey = p.signIn(n, values, at, false)
	if v := values["spool_mib"]; v != nil {
		s.Spool = int64(p.number(v, at+".spool_mib", 1, 1<<20)) << 20
	}
	redact := values["redact"]
	if redact == nil {
		return s
	}
	more := p.fields(redact, at+".redact", "fields", "patterns")
	for i, item := range p.list(more["fields"], at+".redact.fields", "List names of fields, or remove the key.") {
		key := fmt.Sprintf("%s.redact.fields[%d]", at, i)
		switch name, ok := p.text(item, key); {
		case !ok:
		case !redactNameForm.MatchString(name):
			p.add(item, key, quote(name)+" is not the name of a field.", "Write it as lines have it.")
		case slices.Contains(s.Fields, name):
			p.add(item, key, quote(name)+" is listed twice.", "Keep one of them.")
		default:
			s.Fields = append(s.Fields, name)
		}
	}
	for i, item := range p.list(more["patterns"], at+".redact.patterns", "List regular expressions, or remove the key.") {
		key := fmt.Sprintf("%s.redact.patterns[%d]", at, i)
		pattern, ok := p.text(item, key)
		if !ok {
			continue
		}
		switch compiled, err := regexp.Compile(pattern); {
		case err != nil || len(pattern) > 500:
			p.add(item, key, "This is not a regular expression.", "Write one by the syntax of RE2, in quotes.")
		case compiled.MatchString(""):
			p.add(item, key, "The expression matches a text of nothing, and so everything.", "Ask for at least one character.")
		default:
			s.Patterns = append(s.Patterns, pattern)
		}
	}
	return s
}

// asks is all of a search in one line; no secret.
func (s LogSearch) asks() string {
	return strings.Join([]string{s.URL + s.Address.reference(), s.Index, s.User, s.Password.reference(), s.APIKey.reference(), describePEM(s.TrustPEM)}, " ")
}

func (c LogCanary) asks() string {
	switch {
	case c.HTTP != "":
		return strings.TrimSpace("http " + c.HTTP + " " + c.Token.reference() + " " + describePEM(c.TrustPEM))
	case c.File != "" && c.Plain:
		return "plain file " + c.File
	case c.File != "":
		return "file " + c.File
	}
	return "shipper"
}

// place is what is shipped and where to.
func (s *LogShip) place() string {
	if s == nil {
		return ""
	}
	from := s.File
	if from == "" {
		from = ownLog
	}
	return strings.TrimSpace(from + " into " + s.Into + " " + strings.Join(strings.Fields(s.User+" "+s.Password.reference()+" "+s.APIKey.reference()), " "))
}

func (s *LogShip) redacts() []string {
	if s == nil {
		return nil
	}
	var all []string
	for _, f := range s.Fields {
		all = append(all, "field "+f)
	}
	for _, p := range s.Patterns {
		all = append(all, "pattern "+p)
	}
	return all
}

func (s *LogShip) spool() string {
	if s == nil {
		return ""
	}
	return strconv.FormatInt(s.Spool>>20, 10) + " MiB"
}

// asks is all that decides what is looked for and how, in one line.
func (l Log) asks() string {
	return strings.Join([]string{string(l.Kind), l.Search.asks(), l.Field, FormatDuration(l.Within), l.Canary.asks(), l.Ship.place()}, "; ")
}

// logSection says what of logs is compared.
func logSection() section[Log] {
	kind := func(l Log) string { return string(l.Kind) }
	search := func(l Log) string { return l.Search.asks() }
	field := func(l Log) string { return l.Field }
	canary := func(l Log) string { return l.Canary.asks() }
	ship := func(l Log) string { return l.Ship.place() }
	return section[Log]{
		name: "logs", of: func(e *Estate) *[]Log { return &e.Logs },
		id: func(l Log) string { return l.Name }, target: Log.Target, shown: kind,
		measures: func(l Log) []string { return []string{l.Measure()} },
		parts: []part[Log]{
			{"kind", Replaced, kind, differ(kind), func(to *Log, x Log) { to.Kind = x.Kind }},
			{"search", Replaced, search, differ(search), func(to *Log, x Log) { to.Search = x.Search }},
			{"field", Replaced, field, differ(field), func(to *Log, x Log) { to.Field = x.Field }},
			{"within", Weakened, func(l Log) string { return span(l.Within) },
				func(x, now Log) bool { return now.Within > x.Within }, func(to *Log, x Log) { to.Within = x.Within }},
			{"canary", Replaced, canary, differ(canary), func(to *Log, x Log) { to.Canary = x.Canary }},
			{"ship", Replaced, ship, func(x, now Log) bool { return x.Ship != nil && ship(x) != ship(now) },
				func(to *Log, x Log) { to.Ship = x.Ship }},
			{"ship.spool_mib", Weakened, func(l Log) string { return l.Ship.spool() },
				func(x, now Log) bool { return x.Ship != nil && now.Ship != nil && now.Ship.Spool < x.Ship.Spool },
				keepShip(func(to, x *LogShip) { to.Spool = x.Spool })},
			{"ship.redact", Weakened, func(l Log) string { return sorted(l.Ship.redacts()) },
				func(x, now Log) bool {
					return x.Ship != nil && now.Ship != nil && lacks(x.Ship.redacts(), now.Ship.redacts())
				},
				keepShip(func(to, x *LogShip) {
					to.Fields, to.Patterns = union(to.Fields, x.Fields), union(to.Patterns, x.Patterns)
				})},
		},
	}
}

func keepShip(set func(to, x *LogShip)) func(to *Log, x Log) {
	return func(to *Log, x Log) {
		copied := *to.Ship // an estate is never changed
		set(&copied, x.Ship)
		to.Ship = &copied
	}
}
