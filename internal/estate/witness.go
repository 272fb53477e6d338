package estate

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/garant-project/garant/internal/audit/merkle"
)

// Witness is a process of another administrator that looks from outside and signs what it sees.
type Witness struct {
	Name     string
	Key      ed25519.PublicKey
	Cosigner string        // C2SP vkey with which it cosigns checkpoints of the audit log; empty: it does not
	Every    time.Duration // how often it says something; silence is told after three times that
	Refused  []string      // host:port that must not be reachable from where it stands
	Line     int
}

// Target is the scope name of an address that must not be reachable from where the witness stands.
func (w Witness) Target(address string) string { return "reach:" + w.Name + "/" + address }

// Targets lists the scope names of all that must not be reachable.
func (w Witness) Targets() []string {
	targets := make([]string, 0, len(w.Refused))
	for _, r := range w.Refused {
		targets = append(targets, w.Target(r))
	}
	slices.Sort(targets)
	return targets
}

// Log is the scope name of its cosignatures of the audit log.
func (w Witness) Log() string { return "cosigned:" + w.Name }

// KeyText writes the key as garant.yaml has it.
func (w Witness) KeyText() string { return FormatWitnessKey(w.Key) }

const keyPrefix = "ed25519:"

// FormatWitnessKey writes a public key: "ed25519:" and its 32 bytes in base64.
func FormatWitnessKey(key ed25519.PublicKey) string {
	return keyPrefix + base64.StdEncoding.EncodeToString(key)
}

// ParseWitnessKey reads what FormatWitnessKey writes.
func ParseWitnessKey(s string) (ed25519.PublicKey, bool) {
	text, found := strings.CutPrefix(s, keyPrefix)
	key, err := base64.StdEncoding.Strict().DecodeString(text)
	return key, found && err == nil && len(key) == ed25519.PublicKeySize
}

func (p *parser) witnesses(n *yaml.Node) []Witness {
	const at = "witness"
	var list []Witness
	names, keys := map[string]int{}, map[string]int{}
	for i, item := range p.list(n, at, "List each witness with a name and its key, or remove the section.") {
		key := fmt.Sprintf("%s[%d]", at, i)
		w, values := p.witness(item, key)
		if first, seen := names[w.Name]; seen && w.Name != "" {
			p.add(values["name"], key+".name", fmt.Sprintf("The name %s is taken by the witness on line %d.", quote(w.Name), first), "Names are unique: statements are filed under them.")
		}
		if first, seen := keys[string(w.Key)]; seen && w.Key != nil {
			p.add(values["key"], key+".key", fmt.Sprintf("The key is that of the witness on line %d.", first), "Each witness has a key of its own.")
		}
		if first, seen := keys[w.Cosigner]; seen && w.Cosigner != "" {
			p.add(values["cosigner"], key+".cosigner", fmt.Sprintf("The key is that of the witness on line %d.", first), "Each witness has a key of its own: two names of one witness are worth one.")
		}
		names[w.Name], keys[string(w.Key)], keys[w.Cosigner] = item.Line, item.Line, item.Line
		list = append(list, w)
	}
	return list
}

func (p *parser) witness(n *yaml.Node, at string) (Witness, map[string]*yaml.Node) {
	w := Witness{Line: n.Line, Every: 5 * time.Minute}
	values := p.fields(n, at, "name", "key", "cosigner", "every", "refused")
	if values == nil {
		return w, nil
	}
	w.Name = p.entryName(p.required(n, values, at, "name", "Write the name that its witness.yaml has."), at+".name")
	key := p.required(n, values, at, "key", "Write the public key that garant witness init prints.")
	if v, ok := p.text(key, at+".key"); ok {
		if w.Key, ok = ParseWitnessKey(v); !ok {
			w.Key = nil
			p.add(key, at+".key", "This is not the public key of a witness.", "Write ed25519:… as garant witness init prints it.")
		}
	}
	if v, ok := p.text(values["cosigner"], at+".cosigner"); ok {
		w.Cosigner = p.cosigner(values["cosigner"], v, at+".cosigner", w.Key)
	}
	if v := values["every"]; v != nil {
		w.Every = p.duration(v, at+".every", 10*time.Second, day)
	}
	w.Refused = p.addresses(values["refused"], at+".refused")
	return w, values
}

// cosigner reads the key with which a witness cosigns. One that is that of its statements is refused: who rotates the one, or loses it,
// must not touch the other.
func (p *parser) cosigner(n *yaml.Node, text, at string, statements ed25519.PublicKey) string {
	key, err := merkle.NewWitness(text)
	if err != nil {
		p.add(n, at, "This is not the key with which a witness cosigns.", "Write NAME+HASH+BASE64 as garant witness init prints it under cosigner.")
		return ""
	}
	if statements != nil && key.Key().Equal(statements) {
		p.add(n, at, "The key is that of its statements.", "Make another with garant witness cosigner: each has one use.")
		return ""
	}
	return key.String()
}

// addresses reads a list of host:port, each once.
func (p *problems) addresses(n *yaml.Node, at string) []string {
	var list []string
	for i, item := range p.list(n, at, "List addresses as HOST:PORT, or remove the key.") {
		key := fmt.Sprintf("%s[%d]", at, i)
		switch address := p.hostPort(item, key); {
		case address == "":
		case slices.Contains(list, address):
			p.add(item, key, quote(address)+" is listed twice.", "Keep one of them.")
		default:
			list = append(list, address)
		}
	}
	slices.Sort(list)
	return list
}

// witnessSection says what of witnesses is compared.
func witnessSection() section[Witness] {
	return section[Witness]{
		name: "witness", of: func(e *Estate) *[]Witness { return &e.Witnesses },
		id: func(w Witness) string { return w.Name }, target: func(w Witness) string { return "witness:" + w.Name }, shown: Witness.KeyText,
		measures: func(w Witness) []string {
			measures := []string{crtProduction, crtOther, encTransport, encHSTS}
			if len(w.Refused) > 0 {
				measures = append(measures, "NET-1")
			}
			if w.Cosigner != "" {
				measures = append(measures, accRecord, "LOG-1")
				slices.Sort(measures)
			}
			return measures
		},
		parts: []part[Witness]{
			{"key", IdentityChanged, Witness.KeyText, differ(Witness.KeyText), func(to *Witness, x Witness) { to.Key = x.Key }},
			{"cosigner", IdentityChanged, func(w Witness) string { return w.Cosigner },
				func(x, now Witness) bool { return x.Cosigner != "" && now.Cosigner != x.Cosigner }, func(to *Witness, x Witness) { to.Cosigner = x.Cosigner }},
			{"every", Slowed, func(w Witness) string { return span(w.Every) },
				func(x, now Witness) bool { return now.Every > x.Every }, func(to *Witness, x Witness) { to.Every = x.Every }},
			{"refused", TargetRemoved, func(w Witness) string { return sorted(w.Refused) },
				func(x, now Witness) bool { return lacks(x.Refused, now.Refused) },
				func(to *Witness, x Witness) { to.Refused = union(to.Refused, x.Refused) }},
		},
	}
}

// CosignerKeys are the keys by which witnesses cosign the audit log, in their order in garant.yaml.
func (e *Estate) CosignerKeys() []string {
	var keys []string
	for _, w := range e.Witnesses {
		if w.Cosigner != "" {
			keys = append(keys, w.Cosigner)
		}
	}
	return keys
}
