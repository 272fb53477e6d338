package estate

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// OwnCheck is a check that the estate itself declares: it looks at what no engine knows of. It is
// made of exactly one of SQL, HTTP, Command and Imported.
type OwnCheck struct {
	Name     string
	Measures []string // ids, sorted
	Every    time.Duration
	Valid    time.Duration
	Title    map[string]string // by language of the company
	Facts    []string          // names of the facts that it may give, without the prefix of the check

	SQL      *SQLCheck
	HTTP     *HTTPCheck
	Command  *CommandCheck
	Imported *ImportedCheck
	Line     int
}

// Target is the scope name of the check.
func (c OwnCheck) Target() string { return "own:" + c.Name }

// Targets lists the scope names of all that it must have examined.
func (c OwnCheck) Targets() []string {
	if c.Imported == nil || len(c.Imported.Expect) == 0 {
		return []string{c.Target()}
	}
	targets := make([]string, 0, len(c.Imported.Expect))
	for _, e := range c.Imported.Expect {
		targets = append(targets, c.Target()+"/"+e)
	}
	slices.Sort(targets)
	return targets
}

// ID is the id of the check in evidence: "own." and its name, with _ for hyphens.
func (c OwnCheck) ID() string { return "own." + strings.ReplaceAll(c.Name, "-", "_") }

// Kind says what it is made of: "sql", "http", "command" or "imported".
func (c OwnCheck) Kind() string {
	switch {
	case c.SQL != nil:
		return "sql"
	case c.HTTP != nil:
		return "http"
	case c.Command != nil:
		return "command"
	}
	return "imported"
}

// SQLCheck asks a declared database one question.
type SQLCheck struct {
	Database string // name of an entry of databases
	Query    string
	Rows     *Comparison // what the number of rows is held to; or
	Value    *Comparison // what the only value is held to
}

// HTTPCheck asks an address that the operator declared, which may be a private one.
type HTTPCheck struct {
	URL       string
	Connect   string // host:port to connect to instead
	Method    string // GET or HEAD
	Headers   []HTTPHeader
	Redirects int    // how many are followed
	TrustPEM  []byte // authorities to trust; nil: the machine's

	Status       []int // accepted; never empty
	Header       []Named
	BodyContains string
	JSON         []Named
	TLS          string // least version, "1.2" or "1.3"; empty: as the library has it
}

// Named is a comparison of something with a name: a header, a path into JSON.
type Named struct {
	Name string
	Is   Comparison
}

// HTTPHeader is a field that is sent: a text, or a secret.
type HTTPHeader struct {
	Name   string
	Text   string
	Secret Secret
}

// CommandCheck runs a program as Garant's own account.
type CommandCheck struct {
	Run     []string // path and arguments; no shell reads them
	Dir     string   // where it runs; empty: the root
	Timeout time.Duration
	Env     []Variable // all that it gets
}

// Variable is one of the environment of a command.
type Variable struct {
	Name   string
	Text   string
	Secret Secret
}

// ImportedCheck takes results that are pushed.
type ImportedCheck struct {
	Format string
	Expect []string // scope names that a report must hold; empty: the check as a whole
	MaxAge time.Duration
}

const maxQuery = 8000 // characters

var (
	measureForm  = regexp.MustCompile(`^[A-Z][A-Z0-9]{1,9}-[0-9]{1,4}$`)
	factForm     = regexp.MustCompile(`^[a-z][a-z0-9_]{0,39}$`)
	headerForm   = regexp.MustCompile(`^[A-Za-z0-9!#$%&'*+.^_|~-]{1,64}$`)
	jsonPathForm = regexp.MustCompile(`^[A-Za-z0-9_-]+(\[[0-9]{1,6}\])*(\.[A-Za-z0-9_-]+(\[[0-9]{1,6}\])*)*$`)
	// The words with which a question to PostgreSQL starts. Whatever else it may hold, it runs in a
	// transaction that cannot write.
	queryForm = regexp.MustCompile(`(?i)^(select|with|values|table)\b`)
)

func (p *parser) checks(n *yaml.Node, e *Estate) []OwnCheck {
	const at = "checks"
	var checks []OwnCheck
	names := map[string]int{}
	for i, item := range p.list(n, at, "List each check with a name, measures, every, valid, a title and one of sql, http, command and imported, or remove the section.") {
		key := fmt.Sprintf("%s[%d]", at, i)
		c, values := p.check(item, key, e)
		if first, seen := names[c.Name]; seen && c.Name != "" {
			p.add(values["name"], key+".name", fmt.Sprintf("The name %s is taken by the check on line %d.", quote(c.Name), first), "Names are unique: evidence is filed under them.")
		}
		names[c.Name] = item.Line
		checks = append(checks, c)
	}
	return checks
}

func (p *parser) check(n *yaml.Node, at string, e *Estate) (OwnCheck, map[string]*yaml.Node) {
	c := OwnCheck{Line: n.Line}
	values := p.fields(n, at, "name", "measures", "every", "valid", "title", "facts", "sql", "http", "command", "imported")
	if values == nil {
		return c, nil
	}
	c.Name = p.entryName(p.required(n, values, at, "name", "Give the check a short name that will not change."), at+".name")
	c.Measures = p.measureIDs(p.required(n, values, at, "measures", "List the measures that it proves, such as [OWN-1]."), at+".measures")
	c.Title = p.words(p.required(n, values, at, "title", "Say in each language of the company what the check looks at."), at+".title", e.Company.Languages)
	for i, item := range p.list(values["facts"], at+".facts", "List the names of the facts that it gives, or remove the key.") {
		key := fmt.Sprintf("%s.facts[%d]", at, i)
		switch name, ok := p.text(item, key); {
		case !ok:
		case !factForm.MatchString(name):
			p.add(item, key, quote(name)+" is not the name of a fact.", "Use small letters, digits and underscores.")
		case slices.Contains(c.Facts, name):
			p.add(item, key, quote(name)+" is listed twice.", "Keep one of them.")
		default:
			c.Facts = append(c.Facts, name)
		}
	}
	kinds := 0
	for _, kind := range []string{"sql", "http", "command", "imported"} {
		if values[kind] != nil {
			kinds++
		}
	}
	if kinds != 1 {
		p.add(n, at, fmt.Sprintf("A check is made of one of sql, http, command and imported; here are %d.", kinds), "Keep one of them.")
	}
	p.pace(n, values, at, &c)
	switch {
	case values["sql"] != nil:
		c.SQL = p.sqlCheck(values["sql"], at+".sql", e)
	case values["http"] != nil:
		c.HTTP = p.httpCheck(values["http"], at+".http")
	case values["command"] != nil:
		c.Command = p.commandCheck(values["command"], at+".command")
	case values["imported"] != nil:
		c.Imported = p.importedCheck(values["imported"], at+".imported")
	}
	return c, values
}

// pace reads how often a check looks and how long that holds. Of results that are pushed, max_age
// says both.
func (p *parser) pace(n *yaml.Node, values map[string]*yaml.Node, at string, c *OwnCheck) {
	if values["imported"] != nil {
		for _, key := range []string{"every", "valid"} {
			if values[key] != nil {
				p.add(values[key], at+"."+key, "Results that are pushed have no cadence of ours.", "Remove the line; imported.max_age says how old they may be.")
			}
		}
		return
	}
	if v := p.required(n, values, at, "every", "Write how often it looks, such as 1h."); v != nil {
		c.Every = p.duration(v, at+".every", 10*time.Second, 30*day)
	}
	if v := p.required(n, values, at, "valid", "Write how long what it saw holds, such as 3h."); v != nil {
		c.Valid = p.duration(v, at+".valid", 20*time.Second, 90*day)
	}
	if c.Every > 0 && c.Valid > 0 && c.Valid < 2*c.Every {
		p.add(values["valid"], at+".valid", "What it saw would expire before the second look after it.", "Write at least "+FormatDuration(2*c.Every)+".")
	}
}

func (p *parser) entryName(n *yaml.Node, key string) string {
	v, ok := p.text(n, key)
	if ok && !nameForm.MatchString(v) {
		p.add(n, key, quote(v)+" is not a name.", "Use small letters, digits and hyphens, at most 63.")
		return ""
	}
	return v
}

func (p *parser) measureIDs(n *yaml.Node, at string) []string {
	var ids []string
	for i, item := range p.list(n, at, "List ids of measures, such as [OWN-1].") {
		key := fmt.Sprintf("%s[%d]", at, i)
		switch id, ok := p.text(item, key); {
		case !ok:
		case !measureForm.MatchString(id):
			p.add(item, key, quote(id)+" is not the id of a measure.", "Write it as the annex has it, such as ENC-3 or OWN-1.")
		case slices.Contains(ids, id):
			p.add(item, key, quote(id)+" is listed twice.", "Keep one of them.")
		default:
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// words reads a text in each of the languages.
func (p *parser) words(n *yaml.Node, at string, languages []string) map[string]string {
	if n == nil {
		return nil
	}
	values := p.fields(n, at, "fr", "en")
	words := map[string]string{}
	for _, lang := range []string{"fr", "en"} {
		v := values[lang]
		if v == nil && values != nil && slices.Contains(languages, lang) {
			p.add(n, at+"."+lang, "The key is missing.", "Write the text in each language of the company.")
		}
		if text, ok := p.text(v, at+"."+lang); ok {
			words[lang] = text
		}
	}
	return words
}

// prose reads a text that may have several lines.
func (p *problems) prose(n *yaml.Node, key string, most int) (string, bool) {
	if n == nil {
		return "", false
	}
	value := strings.TrimSpace(n.Value)
	switch {
	case n.Kind != yaml.ScalarNode || n.Tag != "!!str":
		p.add(n, key, "A text belongs here, not "+kindOf(n)+".", "")
	case value == "":
		p.add(n, key, "The value is empty.", "Write one, or remove the line.")
	case utf8.RuneCountInString(value) > most:
		p.add(n, key, "The text is longer than "+strconv.Itoa(most)+" characters.", "Shorten it.")
	default:
		return value, true
	}
	return "", false
}

func (p *problems) comparison(n *yaml.Node, key string) *Comparison {
	const form = `Write a constant, or a comparison in quotes such as "<= 5".`
	if n == nil {
		return nil
	}
	written := strings.TrimSpace(n.Value)
	if n.Kind != yaml.ScalarNode || written == "" || n.Tag == "!!null" || len(written) > 200 {
		p.add(n, key, "A comparison belongs here, not "+kindOf(n)+".", form)
		return nil
	}
	c, ok := ParseComparison(written)
	if !ok {
		p.add(n, key, quote(written)+" cannot be compared: only numbers have an order.", form)
		return nil
	}
	return &c
}

func (p *parser) sqlCheck(n *yaml.Node, at string, e *Estate) *SQLCheck {
	values := p.fields(n, at, "database", "query", "expect")
	if values == nil {
		return nil
	}
	c := &SQLCheck{}
	database := p.required(n, values, at, "database", "Name an entry of databases.")
	if v, ok := p.text(database, at+".database"); ok {
		if _, known := e.Database(v); known {
			c.Database = v
		} else {
			p.add(database, at+".database", "No database of the name "+quote(v)+" is declared.", "Name an entry of databases.")
		}
	}
	query := p.required(n, values, at, "query", "Write the question, one SELECT.")
	if text, ok := p.prose(query, at+".query", maxQuery); ok {
		switch {
		case !queryForm.MatchString(text):
			p.add(query, at+".query", "The query is no question.", "Start it with SELECT, WITH, VALUES or TABLE.")
		case strings.HasSuffix(text, ";"):
			p.add(query, at+".query", "The query ends with a semicolon.", "Write one statement, without it.")
		default:
			c.Query = text
		}
	}
	expect := p.required(n, values, at, "expect", "Write {rows: 0}, or {value: \"<= 5\"}.")
	if expect == nil {
		return c
	}
	held := p.fields(expect, at+".expect", "rows", "value")
	c.Rows, c.Value = p.comparison(held["rows"], at+".expect.rows"), p.comparison(held["value"], at+".expect.value")
	switch {
	case held == nil:
	case (held["rows"] == nil) == (held["value"] == nil):
		p.add(expect, at+".expect", "The answer is held to a number of rows or to a value.", "Write one of rows and value.")
	case c.Rows != nil && !c.Rows.Number():
		p.add(held["rows"], at+".expect.rows", "Rows are counted, so that only a number can be asked for.", "Write a number, such as 0.")
	}
	return c
}

func (p *parser) httpCheck(n *yaml.Node, at string) *HTTPCheck {
	values := p.fields(n, at, "url", "connect", "method", "headers", "redirects", "trust", "expect")
	if values == nil {
		return nil
	}
	c := &HTTPCheck{Method: "GET"}
	c.URL = p.webAddress(p.required(n, values, at, "url", "Write the address, such as https://app.company.example/health."), at+".url")
	c.Connect = p.hostPort(values["connect"], at+".connect")
	if v, ok := p.oneOf(values["method"], at+".method", "a method that changes nothing", "GET", "HEAD"); ok {
		c.Method = v
	}
	if v := values["headers"]; v != nil {
		c.Headers = p.headers(v, at+".headers")
	}
	c.Redirects = p.number(values["redirects"], at+".redirects", 0, 5)
	c.TrustPEM = p.trust(values["trust"], at+".trust")
	if v := p.required(n, values, at, "expect", "Write at least {status: 200}."); v != nil {
		p.answer(v, at+".expect", c)
	}
	return c
}

func (p *parser) answer(n *yaml.Node, at string, c *HTTPCheck) {
	values := p.fields(n, at, "status", "header", "body_contains", "json", "tls")
	if values == nil {
		return
	}
	status := p.required(n, values, at, "status", "Write the status that is right, such as 200.")
	items := []*yaml.Node{status}
	if status != nil && status.Kind == yaml.SequenceNode {
		items = p.list(status, at+".status", "List statuses, such as [200, 204].")
	}
	for i, item := range items {
		if item != nil {
			c.Status = append(c.Status, p.number(item, fmt.Sprintf("%s.status[%d]", at, i), 100, 599))
		}
	}
	c.Header = p.named(values["header"], at+".header", "a header", headerForm)
	c.JSON = p.named(values["json"], at+".json", "a path such as data.items[0].state", jsonPathForm)
	c.BodyContains, _ = p.text(values["body_contains"], at+".body_contains")
	if c.Method == "HEAD" && (c.BodyContains != "" || len(c.JSON) > 0) {
		p.add(n, at, "An answer to HEAD has no body.", "Use GET, or leave out body_contains and json.")
	}
	if v, ok := p.oneOf(values["tls"], at+".tls", "a version of TLS", "1.2", "1.3"); ok {
		c.TLS = v
		if !strings.HasPrefix(c.URL, "https:") && c.URL != "" {
			p.add(values["tls"], at+".tls", "Plain HTTP has no TLS.", "Write an https:// address, or remove the line.")
		}
	}
}

// named reads comparisons by name, in the order of the file.
func (p *problems) named(n *yaml.Node, at, what string, form *regexp.Regexp) []Named {
	var list []Named
	p.pairs(n, at, func(k, v *yaml.Node, key string) {
		if !form.MatchString(k.Value) {
			p.add(k, key, quote(k.Value)+" is not "+what+".", "")
			return
		}
		if c := p.comparison(v, key); c != nil {
			list = append(list, Named{k.Value, *c})
		}
	})
	return list
}

// pairs walks a section whose keys the writer chooses; each may be written once.
func (p *problems) pairs(n *yaml.Node, at string, each func(k, v *yaml.Node, key string)) {
	if n == nil {
		return
	}
	if n.Kind != yaml.MappingNode || len(n.Content) == 0 {
		p.add(n, at, "Keys and values belong here, not "+kindOf(n)+".", "Write one key a line, indented.")
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		key := path(at, printable(k.Value))
		if k.Kind != yaml.ScalarNode || seen[strings.ToLower(k.Value)] {
			p.add(k, key, "The key is written twice, or is none.", "Keep one of them.")
			continue
		}
		seen[strings.ToLower(k.Value)] = true
		each(k, v, key)
	}
}

func (p *problems) number(n *yaml.Node, key string, least, most int) int {
	if n == nil {
		return 0
	}
	v, err := strconv.Atoi(n.Value)
	if n.Kind != yaml.ScalarNode || n.Tag != "!!int" || err != nil || v < least || v > most {
		p.add(n, key, fmt.Sprintf("A whole number from %d to %d belongs here.", least, most), "")
		return 0
	}
	return v
}

// webAddress reads an address of HTTP. Nothing of one that holds a password is shown.
func (p *problems) webAddress(n *yaml.Node, key string) string {
	const form = "Write https://HOST, https://HOST:PORT/PATH or http://HOST."
	written, ok := p.text(n, key)
	if !ok {
		return ""
	}
	u, err := url.Parse(written)
	switch {
	case strings.Contains(written, "@"):
		p.add(n, key, "The address may hold a user name or a password.", "Send secrets as headers, by reference.")
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Opaque != "":
		p.add(n, key, "This is not an address of the web.", form)
	case u.Fragment != "" || strings.Contains(written, "#"):
		p.add(n, key, "The address holds a fragment, which no server sees.", "Leave out what follows the #.")
	default:
		if _, valid := hostName(u.Hostname()); !valid {
			p.add(n, key, quote(u.Hostname())+" is not a host name.", form)
			return ""
		}
		return written
	}
	return ""
}

// secretOrText reads a value that may be a reference to a secret. A file is named from the root: the
// estate is kept apart from the file that declares it.
func (p *problems) secretOrText(n *yaml.Node, key string) (string, Secret) {
	written, ok := p.text(n, key)
	if !ok {
		return "", Secret{}
	}
	if !strings.HasPrefix(written, "env:") && !strings.HasPrefix(written, "file:") {
		return written, Secret{}
	}
	s := p.secret(n, key, "")
	if s.kind == "file" && !strings.HasPrefix(s.name, "/") {
		p.add(n, key, "The path of the file does not start at the root.", "Write file:/PATH: the estate is kept apart from garant.yaml.")
	}
	return "", s
}

func (p *problems) headers(n *yaml.Node, at string) []HTTPHeader {
	// What these hold lets somebody in.
	credentials := []string{"authorization", "cookie", "proxy-authorization", "x-api-key", "x-auth-token"}
	var list []HTTPHeader
	p.pairs(n, at, func(k, v *yaml.Node, key string) {
		h := HTTPHeader{Name: k.Value}
		h.Text, h.Secret = p.secretOrText(v, key)
		switch lower := strings.ToLower(k.Value); {
		case !headerForm.MatchString(k.Value):
			p.add(k, key, quote(k.Value)+" is not the name of a header.", "")
		case slices.Contains([]string{"host", "connection", "content-length", "transfer-encoding", "upgrade", "te", "trailer"}, lower):
			p.add(k, key, "This header belongs to the connection.", "Remove the line.")
		case h.Text != "" && slices.Contains(credentials, lower):
			p.add(v, key, "A secret written in the file is read by everybody who reads the file, and stays in its history.", "Write env:NAME or file:/PATH, and keep the secret there.")
		default:
			list = append(list, h)
		}
	})
	return list
}

func (p *parser) commandCheck(n *yaml.Node, at string) *CommandCheck {
	values := p.fields(n, at, "run", "dir", "timeout", "env")
	if values == nil {
		return nil
	}
	c := &CommandCheck{Timeout: 30 * time.Second}
	for i, item := range p.list(p.required(n, values, at, "run", "List the program and its arguments."), at+".run", "List the program and its arguments: [/usr/local/bin/look, --all].") {
		key := fmt.Sprintf("%s.run[%d]", at, i)
		arg := strings.TrimSpace(item.Value)
		if item.Kind != yaml.ScalarNode || item.Tag == "!!null" || arg == "" || utf8.RuneCountInString(arg) > 1000 || strings.ContainsRune(arg, 0) {
			p.add(item, key, "An argument belongs here, not "+kindOf(item)+".", "Write one text for each.")
			continue
		}
		if i == 0 && !strings.HasPrefix(arg, "/") {
			p.add(item, key, "The program is not named from the root.", "Write its whole path: nothing is looked up.")
		}
		c.Run = append(c.Run, arg)
	}
	if v, ok := p.text(values["dir"], at+".dir"); ok {
		if c.Dir = v; !strings.HasPrefix(v, "/") {
			p.add(values["dir"], at+".dir", "The directory is not named from the root.", "Write its whole path.")
		}
	}
	if v := values["timeout"]; v != nil {
		c.Timeout = p.duration(v, at+".timeout", time.Second, 90*time.Second)
	}
	p.pairs(values["env"], at+".env", func(k, v *yaml.Node, key string) {
		e := Variable{Name: k.Value}
		if !variableForm.MatchString(k.Value) {
			p.add(k, key, quote(k.Value)+" is not the name of an environment variable.", "Use letters, digits and underscores.")
		}
		e.Text, e.Secret = p.secretOrText(v, key)
		c.Env = append(c.Env, e)
	})
	return c
}

func (p *parser) importedCheck(n *yaml.Node, at string) *ImportedCheck {
	values := p.fields(n, at, "format", "expect", "max_age")
	if values == nil {
		return nil
	}
	c := &ImportedCheck{}
	c.Format, _ = p.oneOf(p.required(n, values, at, "format", "Write json, sarif, prowler, trivy or steampipe."), at+".format", "a format of reports", ReportFormats()...)
	c.Expect = p.scopeNames(values["expect"], at+".expect")
	if v := p.required(n, values, at, "max_age", "Write how old the results may be, such as 2d."); v != nil {
		c.MaxAge = p.duration(v, at+".max_age", time.Hour, 366*day)
	}
	return c
}

// ReportFormats lists the formats of reports that can be imported.
func ReportFormats() []string { return []string{"json", "sarif", "prowler", "trivy", "steampipe"} }
