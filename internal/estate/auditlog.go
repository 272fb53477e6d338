package estate

import (
	"net/url"
	"regexp"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// AuditCopy is the bucket in a second account, under object lock, in which the audit log is kept a second time. docs/audit.md.
type AuditCopy struct {
	Endpoint  string // https://host; empty: Amazon's of the region
	Region    string
	Bucket    string
	Prefix    string // ends with a slash, or is empty
	Owner     string // account that has to own the bucket; empty: not looked at
	PathStyle bool
	CA        []byte // authorities that may vouch for the endpoint; nil: the machine's
	Writer    BucketKey
	Reader    BucketKey
	Keep      time.Duration // retention of each object
	MaxLag    time.Duration // that the copy may have
	Line      int
}

// BucketKey is a pair of credentials for a bucket.
type BucketKey struct {
	AccessKey Secret
	SecretKey Secret
}

// What holds unless told, and the bounds.
const (
	DefaultAuditKeep     = 1096 * day
	MinAuditKeep         = 30 * day
	MaxAuditKeep         = 100 * 365 * day
	DefaultAuditCopyKeep = 400 * day
	MinAuditCopyKeep     = day
	DefaultAuditLag      = 30 * time.Second
	MinAuditLag          = 5 * time.Second
	MaxAuditLag          = day
)

// AuditMeasures lean on the audit log.
func AuditMeasures() []string { return []string{accRecord, "LOG-1", logCloud} }

var (
	auditBucketForm = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	auditRegionForm = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)
	auditPrefixForm = regexp.MustCompile(`^[A-Za-z0-9._=-]+(/[A-Za-z0-9._=-]+)*/?$`)
	auditOwnerForm  = regexp.MustCompile(`^[0-9]{12}$`)
)

// AuditCopy returns where the audit log is kept a second time; false: nowhere.
func (e *Estate) AuditCopy() (AuditCopy, bool) {
	if len(e.AuditCopies) == 0 {
		return AuditCopy{}, false
	}
	return e.AuditCopies[0], true
}

// Place is where the copy is, as far as somebody may see it.
func (c AuditCopy) Place() string {
	place := "s3://" + c.Bucket + "/" + c.Prefix
	if c.Endpoint != "" {
		place += " at " + c.Endpoint
	}
	return place + " (" + c.Region + ")"
}

// audit reads the section: how long entries are kept, the copy, the streams.
func (p *parser) audit(n *yaml.Node, e *Estate) {
	const at = "audit"
	values := p.fields(n, at, "keep", "copy", "streams")
	if values == nil {
		return
	}
	if v := values["keep"]; v != nil {
		e.AuditKeep = p.duration(v, at+".keep", MinAuditKeep, MaxAuditKeep)
	}
	if v := values["copy"]; v != nil {
		if c, ok := p.auditCopy(v, at+".copy"); ok {
			e.AuditCopies = []AuditCopy{c}
		}
	}
	if v := values["streams"]; v != nil {
		e.Streams = p.streams(v, at+".streams")
	}
}

func (p *parser) auditCopy(n *yaml.Node, at string) (AuditCopy, bool) {
	c := AuditCopy{Line: n.Line, Keep: DefaultAuditCopyKeep, MaxLag: DefaultAuditLag}
	values := p.fields(n, at, "endpoint", "region", "bucket", "prefix", "owner", "path_style", "ca", "writer", "reader", "keep", "max_lag")
	if values == nil {
		return c, false
	}
	const bucket, region = "Use 3 to 63 small letters, digits, dots and hyphens.", "Write the region of the bucket, such as eu-west-3; where the store has none, us-east-1."
	p.required(n, values, at, "bucket", "Write the bucket in the second account: "+strings.ToLower(bucket[:1])+bucket[1:])
	p.required(n, values, at, "region", region)
	c.Bucket, c.Region = p.formed(values, at, "bucket", bucket, auditBucketForm), p.formed(values, at, "region", region, auditRegionForm)
	if c.Prefix = p.formed(values, at, "prefix", "Use letters, digits and . _ = - with single slashes between them.", auditPrefixForm); c.Prefix != "" && !strings.HasSuffix(c.Prefix, "/") {
		c.Prefix += "/"
	}
	if v := values["owner"]; v != nil && v.Tag == "!!int" {
		p.add(v, at+".owner", "The account is a text, not a number.", "Put its twelve digits in quotes.")
	} else {
		c.Owner = p.formed(values, at, "owner", "Write the twelve digits of the account, in quotes.", auditOwnerForm)
	}
	c.PathStyle, _ = p.boolean(values["path_style"], at+".path_style")
	if strings.Contains(c.Bucket, ".") && !c.PathStyle {
		p.add(values["bucket"], at+".bucket", "A bucket whose name has dots cannot be a host name in a certificate.", "Write path_style: true, or make a bucket without dots.")
	}
	if v := values["endpoint"]; v != nil {
		if c.Endpoint = p.webAddress(v, at+".endpoint"); c.Endpoint != "" {
			u, err := url.Parse(c.Endpoint)
			switch {
			case err != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "":
				p.add(v, at+".endpoint", "This is not the address of a store.", "Write https://HOST or https://HOST:PORT.")
			case u.Scheme != "https" && u.Hostname() != "127.0.0.1" && u.Hostname() != "localhost" && u.Hostname() != "::1":
				p.add(v, at+".endpoint", "The address is plain HTTP.", "Write an https:// address: credentials and entries pass there.")
			}
			c.Endpoint = strings.TrimSuffix(c.Endpoint, "/")
		}
	}
	c.CA = p.trust(values["ca"], at+".ca")
	c.Writer = p.bucketKey(p.required(n, values, at, "writer", "Write access_key and secret_key of credentials that may put objects there and nothing else."), at+".writer")
	c.Reader = p.bucketKey(p.required(n, values, at, "reader", "Write access_key and secret_key of credentials that may list and read there and nothing else."), at+".reader")
	if !c.Writer.AccessKey.IsZero() && c.Writer.AccessKey.Equal(c.Reader.AccessKey) {
		p.add(values["reader"], at+".reader", "The reader has the credentials of the writer.", "Give it credentials of its own: who steals one pair must not have the other.")
	}
	if v := values["keep"]; v != nil {
		c.Keep = p.duration(v, at+".keep", MinAuditCopyKeep, MaxAuditKeep)
	}
	if v := values["max_lag"]; v != nil {
		c.MaxLag = p.duration(v, at+".max_lag", MinAuditLag, MaxAuditLag)
	}
	return c, true
}

func (p *parser) bucketKey(n *yaml.Node, at string) (k BucketKey) {
	if n == nil {
		return k
	}
	values := p.fields(n, at, "access_key", "secret_key")
	if values == nil {
		return k
	}
	const fix = "Write env:NAME or file:/PATH."
	k.AccessKey = p.connection(p.required(n, values, at, "access_key", fix), at+".access_key")
	k.SecretKey = p.connection(p.required(n, values, at, "secret_key", fix), at+".secret_key")
	return k
}

// auditCopySection says what of the copy is compared.
func auditCopySection() section[AuditCopy] {
	reference := func(of func(AuditCopy) Secret) func(AuditCopy) string {
		return func(c AuditCopy) string { return of(c).reference() }
	}
	plain := func(key string, show func(AuditCopy) string) part[AuditCopy] {
		return part[AuditCopy]{key: key, show: show, reduced: never[AuditCopy]}
	}
	return section[AuditCopy]{
		name: "audit", of: func(e *Estate) *[]AuditCopy { return &e.AuditCopies },
		id: func(AuditCopy) string { return "copy" }, target: func(AuditCopy) string { return "audit:copy" }, shown: AuditCopy.Place,
		measures: func(AuditCopy) []string { return AuditMeasures() },
		parts: []part[AuditCopy]{
			{"place", Replaced, AuditCopy.Place, differ(AuditCopy.Place), func(to *AuditCopy, x AuditCopy) {
				to.Endpoint, to.Region, to.Bucket, to.Prefix = x.Endpoint, x.Region, x.Bucket, x.Prefix
			}},
			{"keep", Weakened, func(c AuditCopy) string { return FormatDuration(c.Keep) }, func(x, now AuditCopy) bool { return now.Keep < x.Keep },
				func(to *AuditCopy, x AuditCopy) { to.Keep = x.Keep }},
			{"max_lag", Weakened, func(c AuditCopy) string { return FormatDuration(c.MaxLag) }, func(x, now AuditCopy) bool { return now.MaxLag > x.MaxLag },
				func(to *AuditCopy, x AuditCopy) { to.MaxLag = x.MaxLag }},
			{"owner", IdentityChanged, func(c AuditCopy) string { return c.Owner }, func(x, now AuditCopy) bool { return x.Owner != "" && x.Owner != now.Owner },
				func(to *AuditCopy, x AuditCopy) { to.Owner = x.Owner }},
			{"ca", TrustWidened, func(c AuditCopy) string { return describePEM(c.CA) }, func(x, now AuditCopy) bool { return !narrower(x.CA, now.CA) },
				func(to *AuditCopy, x AuditCopy) { to.CA = x.CA }},
			plain("writer.access_key", reference(func(c AuditCopy) Secret { return c.Writer.AccessKey })),
			plain("writer.secret_key", reference(func(c AuditCopy) Secret { return c.Writer.SecretKey })),
			plain("reader.access_key", reference(func(c AuditCopy) Secret { return c.Reader.AccessKey })),
			plain("reader.secret_key", reference(func(c AuditCopy) Secret { return c.Reader.SecretKey })),
		},
	}
}

// auditKeeping is how long entries are kept, which is compared by itself.
type auditKeeping struct{}

func (auditKeeping) diff(before, after *Estate, compare func(key, from, to string)) {
	compare("audit.keep", FormatDuration(before.AuditKeep), FormatDuration(after.AuditKeep))
}

func (auditKeeping) reductions(before, after *Estate) []Reduction {
	if after.AuditKeep >= before.AuditKeep {
		return nil
	}
	return []Reduction{{Kind: Weakened, Target: "audit", Key: "audit.keep", From: FormatDuration(before.AuditKeep), To: FormatDuration(after.AuditKeep), Measures: AuditMeasures()}}
}

func (auditKeeping) expect(grown, expected *Estate) {
	grown.AuditKeep = max(grown.AuditKeep, expected.AuditKeep)
}

// formed reads a text that has to have a form, and says how to mend one that has not.
func (p *parser) formed(values map[string]*yaml.Node, at, key, fix string, form *regexp.Regexp) string {
	v, ok := p.text(values[key], at+"."+key)
	if ok && !form.MatchString(v) {
		p.add(values[key], at+"."+key, quote(v)+" cannot be used.", fix)
		return ""
	}
	return v
}
