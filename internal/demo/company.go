package demo

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/template"
	"time"

	"github.com/garant-project/garant/internal/demo/servers"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
)

// Authority is the organisation that issues the example's certificates.
const Authority = "Autorité d’exemple"

// PortsVariable in the environment, set to "free", makes a new example leave the usual ports to
// others.
const PortsVariable = "GARANT_DEMO_PORTS"

// endpoint is one address of the example company.
type endpoint struct {
	name        string
	host        string
	protocol    string
	environment string
	audience    string
	port        int    // preferred; plain HTTP is 100 above
	fault       string // deliberate, from the start
}

func endpoints() []endpoint {
	return []endpoint{
		{name: "application", protocol: "https", host: "app.ardoise.example", environment: "production", audience: "public", port: 18443},
		{name: "administration", protocol: "https", host: "admin.ardoise.example", environment: "production", audience: "admin", port: 18444},
		{name: "files", protocol: "https", host: "files.ardoise.example", environment: "production", audience: "public", port: 18445},
		{name: databaseName, protocol: "postgres", host: databaseHost, environment: "production", audience: "admin", port: databasePort},
		{name: "staging", protocol: "https", host: "staging.ardoise.example", environment: "non-production", audience: "public", port: 18446, fault: servers.FaultNoHSTS},
	}
}

// Company is the running example.
type Company struct {
	dir    string
	ca     *servers.CA
	keys   map[string]*ecdsa.PrivateKey
	ports  map[string][2]int // by name: TLS, plain HTTP
	free   servers.Ports
	every  time.Duration
	arena  bool // it is open, or about to be
	log    *slog.Logger
	db     *database
	copies *copies
	hands  Hands
	second second

	recordMu    sync.Mutex
	recordFault string // that somebody gave the record
	recordEnd   func() // ends what holds it up

	started chan struct{} // closed once the database has started, or failed to
	failed  error
	lock    net.Listener // held while this example has the usual ports to itself; nil: another has
	servers map[string]*servers.Server
}

// breakable is an endpoint that can be broken and mended.
type breakable interface {
	Break(fault string) error
	Mend() error
	Fault() string
}

// Open makes the example in dir, or takes up the one that is there, and starts its endpoints.
// every is how often they are looked at. The database is still starting when it returns.
func Open(ctx context.Context, dir string, every time.Duration, log *slog.Logger) (*Company, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, cannot("find its directory", err)
	}
	c := &Company{dir: dir, every: every, log: log, keys: map[string]*ecdsa.PrivateKey{}, ports: map[string][2]int{}, servers: map[string]*servers.Server{}}
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // PostgreSQL's account passes through
		return nil, cannot("create its directory", err)
	}
	if err := c.load(); err != nil {
		return nil, err
	}
	if err := c.run(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (c *Company) run(ctx context.Context) (err error) {
	c.hold()
	if err := c.listeners(); err != nil {
		return err
	}
	if c.db, err = c.newDatabase(c.log); err != nil {
		return err
	}
	if c.copies, err = c.newCopies(c.log); err != nil {
		return err
	}
	// The database starts beside whatever the caller does next; Wait waits for it.
	c.started = make(chan struct{})
	go func() {
		defer close(c.started)
		c.failed = c.db.open(ctx)
	}()
	c.copies.early(ctx, c.log)
	c.openSecond(ctx, c.log)
	for _, e := range endpoints() {
		if e.name == databaseName {
			continue
		}
		if err := c.start(e); err != nil {
			return err
		}
	}
	if err := c.save("ports.json", mustJSON(c.ports), 0o644); err != nil {
		return err
	}
	if err := c.save(manifestFile, productionManifest, 0o644); err != nil {
		return err
	}
	if err := c.save(ownManifest, ownManifestText(), 0o644); err != nil {
		return err
	}
	if err := c.save(planFile, copiesPlan, 0o644); err != nil {
		return err
	}
	return c.save("garant.yaml", c.Config(), 0o644)
}

// AwaitArena writes garant.yaml as it is while the arena is open: with the check that reads what it has counted.
func (c *Company) AwaitArena() error {
	c.arena = true
	return c.save("garant.yaml", c.Config(), 0o644)
}

// program is where a program of the machine stands.
func program(name string) string {
	path, err := exec.LookPath(name)
	if err != nil {
		return "/bin/" + name // the check says that it does not start
	}
	return path
}

// ConfigPath is where the example's garant.yaml stands.
func (c *Company) ConfigPath() string { return filepath.Join(c.dir, "garant.yaml") }

// Outbox is the directory that gets the mail of the example's people, one .eml file for each message.
func (c *Company) Outbox() string { return c.path(outbox) }

func (c *Company) load() error {
	cert, errCert := os.ReadFile(c.path("ca.pem"))
	key, errKey := os.ReadFile(c.path("ca.key"))
	switch {
	case errCert == nil && errKey == nil:
		ca, err := servers.LoadCA(cert, key)
		if err != nil {
			return err
		}
		c.ca = ca
	case errors.Is(errCert, os.ErrNotExist) || errors.Is(errKey, os.ErrNotExist):
		if err := c.found(); err != nil {
			return err
		}
	default:
		return cannot("read its certificate authority", errors.Join(errCert, errKey))
	}
	for _, e := range endpoints() {
		key, err := c.key(e.name)
		if err != nil {
			return err
		}
		c.keys[e.name] = key
	}
	saved, err := os.ReadFile(c.path("ports.json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return cannot("read its ports", err)
	}
	if err := json.Unmarshal(saved, &c.ports); err != nil {
		return cannot("read its ports", err)
	}
	return nil
}

// found makes the certificate authority. The key is written first: a certificate without its
// key would be taken up and could issue nothing.
func (c *Company) found() error {
	ca, err := servers.NewCA(Authority, time.Now())
	if err != nil {
		return err
	}
	key, err := ca.KeyPEM()
	if err != nil {
		return err
	}
	if err := c.save("ca.key", key, 0o600); err != nil {
		return err
	}
	c.ca = ca
	return c.save("ca.pem", ca.PEM(), 0o644)
}

func (c *Company) key(name string) (*ecdsa.PrivateKey, error) {
	file := name + ".key"
	if text, err := os.ReadFile(c.path(file)); err == nil {
		return servers.ParseKey(text)
	} else if !errors.Is(err, os.ErrNotExist) {
		return nil, cannot("read the key of "+name, err)
	}
	key, err := servers.NewKey()
	if err != nil {
		return nil, err
	}
	text, err := servers.EncodeKey(key)
	if err != nil {
		return nil, err
	}
	return key, c.save(file, text, 0o600)
}

// start opens an endpoint on the ports it had, or on its preferred ones, or, the first time
// only, on any free ones.
func (c *Company) start(e endpoint) error {
	ports, known := c.ports[e.name]
	if !known {
		ports = [2]int{e.port, e.port + 100}
		if !c.usual(ports[0]) || !c.usual(ports[1]) {
			ports = [2]int{0, 0}
		}
	}
	s, err := servers.Start(servers.Config{
		Name: e.host, Company: "Ardoise Mécénat", CA: c.ca, Key: c.keys[e.name], Organisation: "Ardoise Mécénat SRL",
		Address: loopback(ports[0]), PlainAddress: loopback(ports[1]),
	})
	if err != nil {
		return errs.New(errs.Unavailable, "demo.port", fmt.Sprintf("The example's endpoint %s cannot listen on 127.0.0.1:%d and %d.", e.name, ports[0], ports[1])).
			WithFix("End the program that holds these ports, or start with another --data directory.").Wrap(err)
	}
	c.servers[e.name] = s
	_, plain, _ := net.SplitHostPort(s.PlainAddr())
	var plainPort int
	if _, err := fmt.Sscanf(plain, "%d", &plainPort); err != nil {
		return cannot("read its own port", err)
	}
	c.ports[e.name] = [2]int{s.Port(), plainPort}
	if e.fault != "" {
		return s.Break(e.fault)
	}
	return nil
}

// The preferred ports of Garant's own listeners beside the example.
const (
	consolePort = 8480
	annexPort   = 8481
	ownListener = "garant" // in ports.json

	portalPort     = 8486 // where customers read their activity log
	portalListener = "portal"

	applicationPort     = 8482
	loginPort           = 8483 // of the login's page
	applicationListener = "sponsorship"
	issuerPort          = 8485 // where programs ask the login, over TLS
	issuerListener      = "issuer"
)

// listeners chooses where Garant itself and the example's application listen: the usual ports, or,
// when they are taken the first time, any free ones, which are then kept.
func (c *Company) listeners() error {
	for name, ports := range map[string][2]int{ownListener: {consolePort, annexPort}, portalListener: {portalPort, 0}, applicationListener: {applicationPort, loginPort}, issuerListener: {issuerPort, 0}} {
		if _, known := c.ports[name]; known {
			continue
		}
		for i, usual := range ports {
			if usual == 0 || c.usual(usual) {
				continue
			}
			port, err := c.free.Free()
			if err != nil {
				return err
			}
			ports[i] = port
		}
		c.ports[name] = ports
	}
	return nil
}

// Wait waits until the database answers too. From the first start on garant.yaml then declares
// it with its identifier.
func (c *Company) Wait() error {
	<-c.started
	if c.failed != nil {
		return c.failed
	}
	if err := c.waitSecond(); err != nil {
		return err
	}
	return c.save("garant.yaml", c.Config(), 0o644)
}

// Close stops every endpoint.
func (c *Company) Close() {
	if c.started != nil {
		<-c.started
	}
	for _, s := range c.servers {
		_ = s.Close()
	}
	if c.db != nil {
		c.db.close()
	}
	if c.copies != nil {
		c.copies.close()
	}
	c.closeSecond()
	if c.lock != nil {
		_ = c.lock.Close()
	}
}

// Names lists the endpoints, the database of customers and its copies.
func (c *Company) Names() []string { return names() }

func names() []string {
	var names []string
	for _, e := range endpoints() {
		names = append(names, e.name)
	}
	return append(names, productionName, copiesName, recordName, secondName)
}

// FaultsByName lists the faults that something of the example can be given, as lines for a reader.
func FaultsByName() []string {
	list := func(name string, faults []string) string { return name + ": " + strings.Join(faults, ", ") }
	return []string{
		list("an endpoint", servers.Faults()), list(productionName, ProductionFaults()), list(copiesName, CopyFaults()),
		list(recordName, RecordFaults()), list(secondName, SecondFaults()),
	}
}

// Break gives an endpoint, the database of customers, its copies, the audit log or its second account a fault; Mend takes away whatever fault it has.
func (c *Company) Break(name, fault string) error {
	s, err := c.find(name)
	if err != nil {
		return err
	}
	known := servers.Faults()
	switch name {
	case productionName:
		known = ProductionFaults()
	case copiesName:
		known = CopyFaults()
	case recordName:
		known = RecordFaults()
	case secondName:
		known = SecondFaults()
	}
	if !slices.Contains(known, fault) {
		return errs.New(errs.Invalid, "demo.fault", fmt.Sprintf("There is no fault called %q for %s.", fault, name)).
			WithFix("Choose one of: " + strings.Join(known, ", ") + ".")
	}
	return s.Break(fault)
}

// Mend makes it sound again.
func (c *Company) Mend(name string) error {
	s, err := c.find(name)
	if err != nil {
		return err
	}
	return s.Mend()
}

func (c *Company) find(name string) (breakable, error) {
	switch name {
	case databaseName:
		return c.db, nil
	case productionName:
		return production{c.db}, nil
	case copiesName:
		return spoiled{c}, nil
	case recordName:
		return tampered{c}, nil
	case secondName:
		return away{c}, nil
	}
	s, ok := c.servers[name]
	if !ok {
		return nil, errs.New(errs.NotFound, "demo.endpoint", fmt.Sprintf("The example has nothing called %q.", name)).
			WithFix("Choose one of: " + strings.Join(c.Names(), ", ") + ".")
	}
	return s, nil
}

// Fault returns the fault an endpoint has; empty: none.
func (c *Company) Fault(name string) string {
	if s, err := c.find(name); err == nil {
		return s.Fault()
	}
	return ""
}

const config = `# Written by garant demo: the estate of a company that does not exist.
# Names end in .example and lead nowhere; "connect" says where each endpoint really answers.
company:
  name: Ardoise Mécénat
  legal_name: Ardoise Mécénat SRL
  country: BE
  languages: [fr, en]
  time_zone: Europe/Brussels
  contact: dpo@ardoise.example
endpoints:
{{- range .Endpoints}}
  - name: {{.Name}}
    url: {{.Protocol}}://{{.Host}}
    connect: 127.0.0.1:{{.Port}}
{{- if .Plain}}
    plain_http: 127.0.0.1:{{.Plain}}
{{- end}}
    environment: {{.Environment}}
    audience: {{.Audience}}
    trust: file:ca.pem
    identity: ["{{.Pin}}"]
    issuer: {{$.Authority}}
{{- end}}
{{- with .System}}
databases:
{{- range $.Databases}}
  - name: {{.Name}}
    url: {{call $.File .Reader}}
    database: {{.Database}}
    system: "{{$.System}}"
    environment: production
    customer_data: true
    readers:
      - {role: app, service: Application}
      - {role: cs_reader, team: Customer Success}
      - {role: backup, service: Backups}
      - {role: garant_counter, service: Garant}
      - {role: copy_reader, service: Anonymised copies}
    privileged:
      - {role: garant_superuser, holder: IT Operations, why: Runs and upgrades the cluster}
      - {role: app_owner, service: Application, why: Migrations of the schema}
      - {role: it_ops, holder: IT Operations, why: Watches the server and ends sessions that hang}
      - {role: backup, service: Backups, why: Copies the cluster}
      - {role: cs_reader, holder: Customer Success, why: Answers the questions of every organisation and so reads them all}
      - {role: garant_counter, service: Garant, why: Asks whether a customer with a database of its own has left rows elsewhere}
      - {role: copy_reader, service: Anonymised copies, why: Reads every row so that a copy can be made in which nobody is to be found}
      - {role: garant_sec, service: Garant, why: Ends the transactions of sessions that were ended}
    developers: [developers, dev_1, dev_2]
    labels:
      - {columns: customer.applicant.*, class: Confidentiel}
      - {columns: customer.member.*, class: Confidentiel}
      - {columns: customer.payment.*, class: Confidentiel}
      - {columns: customer.event.*, class: Confidentiel}
      - {columns: billing.invoice.*, class: Interne}
    tenancy:
      design: pinned
      key: {type: bigint}
      keeper: {{call $.File .Keeper}}
      manifest: file:{{.Manifest}}
      application: {{call $.File .App}}
{{- if .Backup}}
      copy: {{call $.File .Backup}}
{{- end}}
      login: {issuer: "{{$.Issuer}}", audience: sponsorship, tenant_claim: organisation, trust: file:ca.pem}
{{- with .Copied}}
    anonymised: # the developers' copy; the customer who has a database alone is in none
      plan: file:{{.Plan}}
      reader: {{call $.File .Reader}}
      target: {{call $.File .Target}}
      issuer: {{call $.File .Issuer}}
      system: "{{.System}}"
      name: {{.Name}}
      developers: [{{.Developer}}]
      every: {{.Every}}
      max_age: {{.MaxAge}}
{{- end}}
{{- if .Alone}}
    dedicated:
      of: production
      tenant: "{{$.Tenant}}"
      place: {{$.Place}}
      counter: {{call $.File .Counter}}
      shared_counter: {{call $.File .SharedCounter}}
{{- end}}
{{- end}}
checks:
{{- if $.Report}}
  - name: arena
    measures: [OWN-3, SEG-2]
    every: 10s
    valid: 1m
    title: {fr: L’arène, en: The arena}
    facts: [attempts, crossings]
    command: {run: [{{$.Cat}}, {{$.Report}}]} # what the running arena has counted; one that has stopped is older than this look may be
{{- end}}
  - name: password-storage
    measures: [OWN-2]
    every: 10s
    valid: 1m
    title: {fr: Mots de passe de la base, en: Database passwords}
    sql:
      database: production
      query: SELECT pg_catalog.current_setting('password_encryption')
      expect: {value: scram-sha-256}
{{- end}}
{{- with .Second}}
audit: # the record in a second account, under object lock
  copy:
    endpoint: {{.Endpoint}}
    region: {{.Region}}
    bucket: {{.Bucket}}
    path_style: true
    writer: {access_key: {{call $.File .WriterKey}}, secret_key: {{call $.File .WriterSecret}}}
    reader: {access_key: {{call $.File .VerifierKey}}, secret_key: {{call $.File .VerifierSecret}}}
    keep: {{.Keep}}
{{- end}}
policy:
  every: {{.Every}}
listen:
  console: 127.0.0.1:{{.Console}}
  annex: 127.0.0.1:{{.Annex}}
  portal: 127.0.0.1:{{.Portal}}
mail: # reminders and digests, as files instead of by a server
  from: Garant <garant@ardoise.example>
  outbox: ` + outbox + `
`

// outbox is the directory, beside garant.yaml, into which the example's mail is written.
const outbox = "outbox"

// Config is the example's garant.yaml.
func (c *Company) Config() []byte {
	type row struct {
		Name, Protocol, Host, Environment, Audience, Pin string
		Port, Plain                                      int
	}
	file := func(name string) string { return strconv.Quote("file:" + c.path(name)) }
	data := struct {
		Endpoints        []row
		Authority, Every string
		System           string
		Databases        []guarded
		Tenant, Place    string
		Console, Annex   int
		Portal           int
		File             func(string) string
		Issuer           string
		Cat, Report      string
		Second           *declared
	}{Second: c.declaredSecond(), Issuer: c.issuerURL(), Authority: Authority, System: c.db.identifier(), Databases: c.guarded(), Tenant: OwnCustomer().ID().String(), Place: ownPlace, File: file, Every: estate.FormatDuration(c.every),
		Console: c.ports[ownListener][0], Annex: c.ports[ownListener][1], Portal: c.ports[portalListener][0]}
	if c.arena {
		data.Cat, data.Report = strconv.Quote(program("cat")), strconv.Quote(c.path(arenaReport))
	}
	for _, e := range endpoints() {
		pin, err := c.pin(e.name)
		if err != nil {
			continue // an endpoint without a pin would not be proven; the estate test sees it
		}
		data.Endpoints = append(data.Endpoints, row{e.name, e.protocol, e.host, e.environment, e.audience, pin, c.ports[e.name][0], c.ports[e.name][1]})
	}
	var b bytes.Buffer
	if err := template.Must(template.New("garant.yaml").Parse(config)).Execute(&b, data); err != nil {
		panic(err) // a template of our own over strings and numbers
	}
	return b.Bytes()
}

// guarded is a database of customers, and the files of its addresses.
type guarded struct {
	Name, Database, Manifest                            string
	Reader, Keeper, App, Backup, Counter, SharedCounter string
	Alone                                               bool // one customer's own, who lives there
	Copied                                              *copied
}

func (c *Company) guarded() []guarded {
	var copies *copied
	if system := c.copies.identifier(); system != "" {
		copies = &copied{planFile, readerAddress, copierAddress, issuerAddress, system, CopyName, CopyDeveloper, estate.FormatDuration(copyEvery), estate.FormatDuration(copyMaxAge)}
	}
	list := []guarded{{productionName, productionDatabase, manifestFile, productionAddress, keeperAddress, appAddress, backupAddress, "", "", false, copies}}
	if state := c.db.ownState(); state >= ownDeclared { // the same policies: writes are tried on a copy of the shared one
		list = append(list, guarded{OwnName, ownDatabase, ownManifest, own(productionAddress), own(keeperAddress), own(appAddress), "", own(counterAddress), counterAddress, state == ownAlone, nil})
	}
	return list
}

func (c *Company) pin(name string) (string, error) {
	s, err := c.find(name)
	if err != nil {
		return "", err
	}
	pinned, ok := s.(interface{ Pin() (string, error) })
	if !ok {
		return "", errs.New(errs.Internal, "demo.no_pin", name+" has no certificate of its own.")
	}
	return pinned.Pin()
}

// dataDir is the directory that --data names: the example has its own in it.
func (c *Company) dataDir() string { return filepath.Dir(c.dir) }

func (c *Company) path(name string) string { return filepath.Join(c.dir, name) }

// save writes a file whole or not at all.
func (c *Company) save(name string, content []byte, mode os.FileMode) error {
	temporary := c.path("." + name + ".new")
	if err := os.WriteFile(temporary, content, mode); err != nil {
		return cannot("write "+name, err)
	}
	if err := os.Rename(temporary, c.path(name)); err != nil {
		return cannot("write "+name, err)
	}
	return nil
}

func loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// lockName is a socket without a file (unix(7), abstract). It is seen by whoever sees the same
// ports, whatever directories and rights they have, and is gone with the process that holds it.
const lockName = "@garant-demo"

// hold takes the usual ports for this example, against others that start at the same moment:
// only who holds the lock asks for them.
func (c *Company) hold() {
	if os.Getenv(PortsVariable) == "free" {
		return
	}
	if l, err := net.Listen("unix", lockName); err == nil {
		c.lock = l
	}
}

// usual reports whether a usual port can be had.
func (c *Company) usual(port int) bool { return c.lock != nil && free(port) }

func free(port int) bool {
	l, err := net.Listen("tcp", loopback(port))
	if err != nil {
		return false
	}
	_ = l.Close()
	return true
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // of strings and numbers
	}
	return append(b, '\n')
}

func cannot(what string, err error) error {
	return errs.New(errs.Unavailable, "demo.files", "The example cannot "+what+".").
		WithFix("Check that the data directory is writable and has space left.").Wrap(err)
}
