package estate

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
	"golang.org/x/mod/sumdb/note"

	"github.com/garant-project/garant/internal/audit/merkle"
)

// WitnessFileName is what the configuration of a witness is called in messages.
const WitnessFileName = "witness.yaml"

// WitnessFile is the configuration of a witness. It belongs to another administrator than garant.yaml, and
// has its own copy of what is to be looked at.
type WitnessFile struct {
	Name     string
	Language string // of alarms: "fr" or "en"
	Company  string // legal name that the annex must bear
	Key      Secret // file of the private key
	Annex    WebAddress
	Garant   *WebAddress // where statements are sent; nil: nowhere
	Token    Secret      // of the interface for programs, with the permission evidence:import
	Every    time.Duration
	Grace    time.Duration // a disagreement is looked at again after this, before it counts
	Misses   int           // how often the annex may be silent before that is an alarm
	State    string        // file in which it remembers; its own account alone may write it

	Endpoints []Endpoint
	Policy    Policy
	Refused   []string // host:port that must not be reachable from here
	Log       *WitnessLog
	Alarm     Alarm
}

// WitnessLog is the audit log that a witness follows and cosigns.
type WitnessLog struct {
	WebAddress
	Key      string        // verifier of the log's generation, as golang.org/x/mod/sumdb/note writes it; its name is the origin
	Cosigner Secret        // file of the private key that cosigns
	Name     string        // that cosignatures bear
	Quiet    time.Duration // how long it may not grow before that is an alarm
}

// WebAddress is an address with how to reach it.
type WebAddress struct {
	URL      string
	Connect  string // host:port to connect to instead
	TrustPEM []byte // authorities to trust; nil: the machine's
}

// Alarm says how people are told.
type Alarm struct {
	Command []string // run with the alarm as JSON on its standard input
	Outbox  string   // directory in which a mail is left as a file
	Mail    string   // address that such a mail is for
	Webhook string   // address that gets the alarm as JSON
	Exit    bool     // the process ends with an error, for a supervisor to see
}

// ParseWitness reads witness.yaml; dir is where it stands. The error is a *Problems.
func ParseWitness(source []byte, dir Dir) (*WitnessFile, error) {
	p := newParser(dir)
	p.file = WitnessFileName
	w := p.witnessFile(source, dir)
	if err := p.err(); err != nil {
		return nil, err
	}
	return w, nil
}

func (p *parser) witnessFile(source []byte, dir Dir) *WitnessFile {
	known := []string{"name", "language", "company", "key", "annex", "garant", "every", "grace", "misses", "state", "endpoints", "policy", "refused", "log", "alarm"}
	values := p.sections(source, known, known)
	if values == nil {
		return nil
	}
	root := &yaml.Node{Line: 1, Kind: yaml.MappingNode}
	w := &WitnessFile{Language: "en", Every: 5 * time.Minute, Grace: 2 * time.Minute, Misses: 3, State: dir.resolve("witness.state")}
	w.Name = p.entryName(p.required(root, values, "", "name", "Write the name that garant.yaml has for it under witness."), "name")
	if v, ok := p.oneOf(values["language"], "language", "a language of alarms", "fr", "en"); ok {
		w.Language = v
	}
	w.Company, _ = p.text(p.required(root, values, "", "company", "Write the legal name that the annex must bear."), "company")
	key := p.required(root, values, "", "key", "Write file:PATH of the private key that garant witness init made.")
	if w.Key = p.secret(key, "key", dir); w.Key.kind == "env" {
		p.add(key, "key", "The key stands in a file.", "Write file:PATH.")
	}
	if v := p.required(root, values, "", "annex", "Write {url: https://trust.company.example}."); v != nil {
		w.Annex, _ = p.reach(v, "annex")
	}
	if v := values["garant"]; v != nil {
		address, token := p.reach(v, "garant", "token")
		w.Garant = &address
		w.Token = p.secret(p.required(v, token, "garant", "token", "Write env:NAME or file:PATH of a token with the permission evidence:import."), "garant.token", dir)
	}
	span := func(key string, into *time.Duration, least, most time.Duration) {
		if v := values[key]; v != nil {
			*into = p.duration(v, key, least, most)
		}
	}
	span("every", &w.Every, time.Second, day)
	span("grace", &w.Grace, time.Second, time.Hour)
	if v := values["misses"]; v != nil {
		w.Misses = p.number(v, "misses", 1, 100)
	}
	if v, ok := p.text(values["state"], "state"); ok {
		w.State = dir.resolve(v)
	}
	if v := values["endpoints"]; v != nil {
		w.Endpoints = p.endpoints(v)
	}
	w.Policy = p.policy(values["policy"])
	w.Refused = p.addresses(values["refused"], "refused")
	if v := values["log"]; v != nil {
		w.Log = p.witnessLog(v, dir, w.Name, w.Key)
	}
	if len(w.Endpoints) == 0 && len(w.Refused) == 0 && values["log"] == nil {
		p.addAt(1, 0, "", "There is nothing to look at.", "List endpoints, as garant.yaml has them, what must be refused, or the log to follow.")
	}
	if v := p.required(root, values, "", "alarm", "Say how people are told: command, outbox, webhook or exit."); v != nil {
		w.Alarm = p.alarm(v, dir)
	}
	return w
}

// witnessLog reads the log to follow. Its key has to be pinned: a checkpoint does not tell by whose key it should be signed.
func (p *parser) witnessLog(n *yaml.Node, dir Dir, name string, statements Secret) *WitnessLog {
	const at = "log"
	address, values := p.reach(n, at, "key", "cosigner", "name", "quiet")
	if values == nil {
		return nil
	}
	l := &WitnessLog{WebAddress: address, Name: name, Quiet: 5 * time.Minute}
	key := p.required(n, values, at, "key", "Write the key of the log, which you got from the company by another way than this address.")
	if v, ok := p.text(key, at+".key"); ok {
		verifier, err := note.NewVerifier(v)
		if err != nil {
			p.add(key, at+".key", "This is not the key of a log.", "Write NAME+HASH+BASE64, as the company gives it to its customers.")
		} else if _, err := merkle.ParseCheckpoint(merkle.Checkpoint{Origin: verifier.Name()}.Text()); err != nil {
			p.add(key, at+".key", "This is not the key of a log.", "Write NAME+HASH+BASE64, as the company gives it to its customers.")
		}
		l.Key = v
	}
	cosigner := p.required(n, values, at, "cosigner", "Write file:PATH of the key that garant witness init or garant witness cosigner made.")
	if l.Cosigner = p.secret(cosigner, at+".cosigner", dir); l.Cosigner.kind == "env" {
		p.add(cosigner, at+".cosigner", "The key stands in a file.", "Write file:PATH.")
	} else if cosigner != nil && l.Cosigner.Path() != "" && l.Cosigner.Path() == statements.Path() {
		p.add(cosigner, at+".cosigner", "The key is that of its statements.", "Make another with garant witness cosigner: each has one use.")
	}
	if v, ok := p.text(values["name"], at+".name"); ok {
		if l.Name = v; !merkle.ValidName(v) {
			p.add(values["name"], at+".name", "This cannot be the name of a key.", "Write one without spaces and plus signs, best an address such as witness.example/vigie.")
		}
	}
	if v := values["quiet"]; v != nil {
		l.Quiet = p.duration(v, at+".quiet", 2*time.Minute, day)
	}
	return l
}

// reach reads an address of the web with how to reach it, and whatever more keys it has.
func (p *parser) reach(n *yaml.Node, at string, more ...string) (WebAddress, map[string]*yaml.Node) {
	values := p.fields(n, at, append([]string{"url", "connect", "trust"}, more...)...)
	if values == nil {
		return WebAddress{}, nil
	}
	return WebAddress{
		URL:      strings.TrimRight(p.webAddress(p.required(n, values, at, "url", "Write the address, such as https://trust.company.example."), at+".url"), "/"),
		Connect:  p.hostPort(values["connect"], at+".connect"),
		TrustPEM: p.trust(values["trust"], at+".trust"),
	}, values
}

func (p *parser) alarm(n *yaml.Node, dir Dir) Alarm {
	const at = "alarm"
	values := p.fields(n, at, "command", "outbox", "mail", "webhook", "exit")
	var a Alarm
	for i, item := range p.list(values["command"], at+".command", "List the program and its arguments.") {
		arg := strings.TrimSpace(item.Value)
		switch key := fmt.Sprintf("%s.command[%d]", at, i); {
		case item.Kind != yaml.ScalarNode || arg == "" || utf8.RuneCountInString(arg) > 1000 || strings.ContainsRune(arg, 0):
			p.add(item, key, "An argument belongs here, not "+kindOf(item)+".", "Write one text for each.")
		case i == 0 && !strings.HasPrefix(arg, "/"):
			p.add(item, key, "The program is not named from the root.", "Write its whole path: nothing is looked up.")
		default:
			a.Command = append(a.Command, arg)
		}
	}
	if v, ok := p.text(values["outbox"], at+".outbox"); ok {
		a.Outbox = dir.resolve(v)
		if a.Mail = p.mailAddress(p.required(n, values, at, "mail", "Write whom the mail is for."), at+".mail"); a.Mail == "" {
			a.Outbox = ""
		}
	}
	a.Webhook = p.webAddressIf(values["webhook"], at+".webhook")
	a.Exit, _ = p.boolean(values["exit"], at+".exit")
	if values != nil && len(p.found) == 0 && len(a.Command) == 0 && a.Outbox == "" && a.Webhook == "" && !a.Exit {
		p.add(n, at, "Nobody would be told.", "Write command, outbox, webhook or exit: true.")
	}
	return a
}

func (p *problems) webAddressIf(n *yaml.Node, key string) string {
	if n == nil {
		return ""
	}
	return p.webAddress(n, key)
}
