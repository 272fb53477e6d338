package estate

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Stream is where entries of the record are sent as they come: a SIEM, or whoever keeps them. docs/audit-streams.md.
type Stream struct {
	Name   string
	Kind   string        // one of StreamKinds
	Format string        // one of StreamFormats
	Values bool          // the values before and after a change are sent, not only the names of the fields
	MaxLag time.Duration // that an entry may wait
	Line   int

	TrustPEM []byte // authorities to trust; nil: the machine's
	Private  bool   // the address may be loopback or of a private network

	URL      string // of a webhook: https
	Secret   Secret // whsec_ and base64, as Standard Webhooks has it
	Previous Secret // of which signatures are sent besides, while the receiver changes over

	Address     string // of syslog: host:port, TLS
	Certificate []byte // PEM, which the client shows; nil: none
	Key         Secret // of that certificate
	Enterprise  int    // private enterprise number of the company, for structured data; 0: none is sent
	MaxMessage  int    // bytes of a message

	Endpoint  string // of s3; empty: Amazon's
	Region    string
	Bucket    string
	Prefix    string
	Owner     string // account that has to own the bucket; empty: not looked at
	AccessKey Secret
	SecretKey Secret
	PathStyle bool
	Keep      time.Duration // retention of each object
}

// The kinds of streams.
const (
	WebhookStream = "webhook"
	SyslogStream  = "syslog"
	S3Stream      = "s3"
)

// The formats of streams.
const (
	StreamJSON = "json"
	StreamOCSF = "ocsf"
)

// What holds unless told, and the bounds.
const (
	DefaultMaxLag     = 5 * time.Minute
	MinMaxLag         = 10 * time.Second
	MaxMaxLag         = 7 * day
	DefaultMaxMessage = 8 << 10
	MinMaxMessage     = 8 << 10
	MaxMaxMessage     = 1 << 20
	MaxStreams        = 20
	maxEnterprise     = 1<<31 - 1
)

// DocumentationEnterprise is the private enterprise number that examples use (RFC 5612); it is nobody's.
const DocumentationEnterprise = 32473

const accRecord = "ACC-6"

// StreamKinds lists the kinds of streams.
func StreamKinds() []string { return []string{WebhookStream, SyslogStream, S3Stream} }

// StreamFormats lists what lines of a stream may be written as.
func StreamFormats() []string { return []string{StreamJSON, StreamOCSF} }

// Target is the scope name of the stream.
func (s Stream) Target() string { return "stream:" + s.Name }

// Place is where the stream leads to, as far as somebody may see it.
func (s Stream) Place() string {
	switch s.Kind {
	case WebhookStream:
		return s.URL
	case SyslogStream:
		return "syslog+tls://" + s.Address
	case S3Stream:
		place := "s3://" + s.Bucket + "/" + s.Prefix
		if s.Endpoint != "" {
			place += " at " + s.Endpoint
		}
		return place + " (" + s.Region + ")"
	}
	return ""
}

var (
	placeForm  = regexp.MustCompile(`^[a-z0-9-]{1,40}$`) // of a store that need not be AWS
	prefixForm = regexp.MustCompile(`^[A-Za-z0-9._=-]+(/[A-Za-z0-9._=-]+)*/?$`)
	ownerForm  = regexp.MustCompile(`^[0-9]{12}$`)
)

// streams reads audit.streams; n may be nil.
func (p *parser) streams(n *yaml.Node, at string) []Stream {
	var list []Stream
	names, places := map[string]int{}, map[string]int{}
	items := p.list(n, at, "List each stream with a name, a kind and where it leads to, or remove the key.")
	if len(items) > MaxStreams {
		p.add(n, at, fmt.Sprintf("More than %d streams are listed.", MaxStreams), "Send to one receiver that passes on.")
		return nil
	}
	for i, item := range items {
		key := fmt.Sprintf("%s[%d]", at, i)
		s, values := p.stream(item, key)
		if first, seen := names[s.Name]; seen && s.Name != "" {
			p.add(values["name"], key+".name", fmt.Sprintf("The name %s is taken by the stream on line %d.", quote(s.Name), first), "Names are unique: how far each stream is is kept under its name.")
		}
		if first, seen := places[s.Place()]; seen && s.Place() != "" {
			p.add(item, key, fmt.Sprintf("The stream on line %d leads to the same place.", first), "Keep one of them, or send to two addresses.")
		}
		names[s.Name], places[s.Place()] = item.Line, item.Line
		list = append(list, s)
	}
	return list
}

// streamKeys lists the keys of a kind of stream, after those of every kind.
func streamKeys(kind string) []string {
	all := []string{"name", "kind", "format", "values", "max_lag", "trust"}
	switch kind {
	case WebhookStream:
		return append(all, "private", "url", "secret", "previous_secret")
	case SyslogStream:
		return append(all, "private", "address", "certificate", "key", "enterprise", "max_message")
	case S3Stream:
		return append(all, "endpoint", "region", "bucket", "prefix", "owner", "access_key", "secret_key", "path_style", "keep")
	}
	for _, k := range StreamKinds() {
		for _, key := range streamKeys(k) {
			if !slices.Contains(all, key) {
				all = append(all, key)
			}
		}
	}
	return all
}

func (p *parser) stream(n *yaml.Node, at string) (Stream, map[string]*yaml.Node) {
	s := Stream{Line: n.Line, Format: StreamJSON, MaxLag: DefaultMaxLag, MaxMessage: DefaultMaxMessage}
	kind := ""
	if n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == "kind" {
				kind = strings.TrimSpace(n.Content[i+1].Value)
			}
		}
	}
	values := p.fields(n, at, streamKeys(kind)...)
	if values == nil {
		return s, nil
	}
	s.Name = p.entryName(p.required(n, values, at, "name", "Give the stream a short name that will not change, such as siem."), at+".name")
	s.Kind, _ = p.oneOf(p.required(n, values, at, "kind", "Write webhook, syslog or s3."), at+".kind", "a kind of stream", StreamKinds()...)
	if v := values["format"]; v != nil {
		s.Format, _ = p.oneOf(v, at+".format", "a format of streams", StreamFormats()...)
	}
	s.Values, _ = p.boolean(values["values"], at+".values")
	s.Private, _ = p.boolean(values["private"], at+".private")
	if v := values["max_lag"]; v != nil {
		s.MaxLag = p.duration(v, at+".max_lag", MinMaxLag, MaxMaxLag)
	}
	s.TrustPEM = p.trust(values["trust"], at+".trust")
	switch s.Kind {
	case WebhookStream:
		p.webhook(n, values, at, &s)
	case SyslogStream:
		p.syslog(n, values, at, &s)
	case S3Stream:
		p.bucket(n, values, at, &s)
	}
	return s, values
}

func (p *parser) webhook(n *yaml.Node, values map[string]*yaml.Node, at string, s *Stream) {
	const secret = "Write env:NAME or file:/PATH, with whsec_ and the base64 of 32 random bytes in it." //nolint:gosec // what to write, and no secret
	address := p.required(n, values, at, "url", "Write the address that takes the entries, such as https://siem.company.example/garant.")
	if s.URL = p.webAddress(address, at+".url"); s.URL != "" {
		if u, err := url.Parse(s.URL); err != nil || u.Scheme != "https" {
			p.add(address, at+".url", "The address is plain HTTP.", "Write an https:// address: entries are for the receiver alone.")
			s.URL = ""
		}
	}
	s.Secret = p.connection(p.required(n, values, at, "secret", secret), at+".secret")
	s.Previous = p.connection(values["previous_secret"], at+".previous_secret")
	if !s.Secret.IsZero() && s.Secret.Equal(s.Previous) {
		p.add(values["previous_secret"], at+".previous_secret", "Both secrets are the same one.", "Name the one before, or remove the line.")
	}
}

func (p *parser) syslog(n *yaml.Node, values map[string]*yaml.Node, at string, s *Stream) {
	s.Address = p.hostPort(p.required(n, values, at, "address", "Write HOST:PORT of the receiver; syslog over TLS has port 6514."), at+".address")
	certificate, key := values["certificate"], values["key"]
	s.Certificate = p.attached(certificate, at+".certificate", "The certificate stands in a file.", "Write file:PATH, with the PEM chain that the client shows.", authorities)
	s.Key = p.connection(key, at+".key")
	switch {
	case certificate != nil && key == nil:
		p.add(n, at+".key", "The key of the certificate is missing.", "Write env:NAME or file:/PATH, with the private key in PEM.")
	case certificate == nil && key != nil:
		p.add(key, at+".key", "There is no certificate that this key belongs to.", "Name it under certificate, or remove the line.")
	}
	if v := values["enterprise"]; v != nil {
		if s.Enterprise = p.number(v, at+".enterprise", 1, maxEnterprise); s.Enterprise == DocumentationEnterprise {
			p.add(v, at+".enterprise", "This number is kept for examples (RFC 5612).", "Write the private enterprise number that IANA gave to the company, or remove the line: no structured data are sent then.")
		}
	}
	if v := values["max_message"]; v != nil {
		s.MaxMessage = p.number(v, at+".max_message", MinMaxMessage, MaxMaxMessage)
	}
}

func (p *parser) bucket(n *yaml.Node, values map[string]*yaml.Node, at string, s *Stream) {
	const bucket, region = "Use 3 to 63 small letters, digits, dots and hyphens.", "Write the region of the bucket, such as eu-west-3; where the store has none, us-east-1."
	p.required(n, values, at, "bucket", bucket)
	p.required(n, values, at, "region", region)
	s.Bucket, s.Region = p.formed(values, at, "bucket", bucket, bucketForm), p.formed(values, at, "region", region, placeForm)
	s.Prefix = p.formed(values, at, "prefix", "Use letters, digits and . _ = - with single slashes between them.", prefixForm)
	if s.Prefix != "" && !strings.HasSuffix(s.Prefix, "/") {
		s.Prefix += "/"
	}
	if v := values["owner"]; v != nil && v.Tag == "!!int" {
		p.add(v, at+".owner", "The account is a text, not a number.", "Put its twelve digits in quotes.")
	} else {
		s.Owner = p.formed(values, at, "owner", "Write the twelve digits of the account, in quotes.", ownerForm)
	}
	if v := values["endpoint"]; v != nil {
		if s.Endpoint = p.webAddress(v, at+".endpoint"); s.Endpoint != "" {
			if u, err := url.Parse(s.Endpoint); err != nil || u.Scheme != "https" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
				p.add(v, at+".endpoint", "This is not the address of a store.", "Write https://HOST or https://HOST:PORT.")
				s.Endpoint = ""
			}
		}
	}
	s.AccessKey = p.connection(p.required(n, values, at, "access_key", "Write env:NAME or file:/PATH: credentials that may only put objects there."), at+".access_key")
	s.SecretKey = p.connection(p.required(n, values, at, "secret_key", "Write env:NAME or file:/PATH: credentials that may only put objects there."), at+".secret_key")
	s.PathStyle, _ = p.boolean(values["path_style"], at+".path_style")
	if v := p.required(n, values, at, "keep", "Write how long objects are kept, such as 1y."); v != nil {
		s.Keep = p.duration(v, at+".keep", day, 100*365*day)
	}
}

// streamSection says what of streams is compared.
func streamSection() section[Stream] {
	reference := func(of func(Stream) Secret) func(Stream) string {
		return func(s Stream) string { return of(s).reference() }
	}
	plain := func(key string, show func(Stream) string) part[Stream] {
		return part[Stream]{key: key, show: show, reduced: never[Stream]}
	}
	return section[Stream]{
		name: "audit.streams", of: func(e *Estate) *[]Stream { return &e.Streams },
		id: func(s Stream) string { return s.Name }, target: Stream.Target, shown: Stream.Place,
		measures: func(Stream) []string { return []string{accRecord} },
		parts: []part[Stream]{
			{"place", Replaced, Stream.Place, differ(Stream.Place), func(to *Stream, x Stream) {
				to.Kind, to.URL, to.Address = x.Kind, x.URL, x.Address
				to.Endpoint, to.Region, to.Bucket, to.Prefix = x.Endpoint, x.Region, x.Bucket, x.Prefix
			}},
			{"max_lag", Weakened, func(s Stream) string { return span(s.MaxLag) }, func(x, now Stream) bool { return now.MaxLag > x.MaxLag },
				func(to *Stream, x Stream) { to.MaxLag = x.MaxLag }},
			{"keep", Weakened, func(s Stream) string { return span(s.Keep) }, func(x, now Stream) bool { return now.Keep < x.Keep },
				func(to *Stream, x Stream) { to.Keep = x.Keep }},
			{"owner", IdentityChanged, func(s Stream) string { return s.Owner }, func(x, now Stream) bool { return x.Owner != "" && x.Owner != now.Owner },
				func(to *Stream, x Stream) { to.Owner = x.Owner }},
			{"trust", TrustWidened, func(s Stream) string { return describePEM(s.TrustPEM) }, func(x, now Stream) bool { return !narrower(x.TrustPEM, now.TrustPEM) },
				func(to *Stream, x Stream) { to.TrustPEM = x.TrustPEM }},
			plain("format", func(s Stream) string { return s.Format }),
			plain("values", func(s Stream) string { return strconv.FormatBool(s.Values) }),
			plain("private", func(s Stream) string { return strconv.FormatBool(s.Private) }),
			plain("secret", reference(func(s Stream) Secret { return s.Secret })),
			plain("previous_secret", reference(func(s Stream) Secret { return s.Previous })),
			plain("certificate", func(s Stream) string { return describePEM(s.Certificate) }),
			plain("key", reference(func(s Stream) Secret { return s.Key })),
			plain("access_key", reference(func(s Stream) Secret { return s.AccessKey })),
			plain("secret_key", reference(func(s Stream) Secret { return s.SecretKey })),
			plain("enterprise", func(s Stream) string { return strconv.Itoa(s.Enterprise) }),
			plain("max_message", func(s Stream) string { return strconv.Itoa(s.MaxMessage) }),
		},
	}
}

// Stream returns a stream by its name.
func (e *Estate) Stream(name string) (Stream, bool) {
	i := slices.IndexFunc(e.Streams, func(s Stream) bool { return s.Name == name })
	if i < 0 {
		return Stream{}, false
	}
	return e.Streams[i], true
}
