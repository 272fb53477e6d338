package estate

import (
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// CloudLog is an AWS CloudTrail trail whose files are verified and compared with their copy in a second account. docs/cloud-logs.md.
type CloudLog struct {
	Name    string
	Trail   string // its ARN; Home, Account and TrailName are parts of it
	Home    string // region in which the trail was made
	Account string // twelve digits
	// TrailName is what the trail is called there: part of the names of digest files.
	TrailName     string
	Bucket        string
	BucketRegion  string // Home unless told
	BucketAccount string // who owns the bucket; Account unless told
	Reader        Secret // ACCESS_KEY_ID:SECRET_ACCESS_KEY
	Since         time.Time
	Keep          time.Duration // how far back files must be there
	MaxLag        time.Duration // from delivery to the copy
	Endpoint      string        // of S3 and CloudTrail; empty: AWS's
	Copy          CloudCopy
	Line          int
}

// CloudCopy is where the second account keeps the same files under the same names.
type CloudCopy struct {
	Bucket   string
	Account  string
	Region   string
	Reader   Secret // ACCESS_KEY_ID:SECRET_ACCESS_KEY
	Endpoint string // of S3; empty: AWS's
}

// Workspace is a Google Workspace whose logs must be fresh. docs/cloud-logs.md.
type Workspace struct {
	Name     string
	Customer string // the customer id that every answer must have, such as C03az79cb
	Admin    string // on whose behalf the service account asks
	Key      Secret // of the service account, as Google's console gave it: JSON
	// Applications are the logs that are looked at, by Google's name, with the age that the newest entry may have.
	Applications map[string]time.Duration
	Line         int
}

// TokenApplication is the log in which Google records what the check itself does.
const TokenApplication = "token"

// The measures that lean on them.
const (
	logCloud     = "LOG-2"
	logWorkspace = "LOG-6"
)

// The bounds.
const (
	minLag      = time.Minute
	maxLag      = day
	maxKept     = 3650 * day
	minFresh    = 10 * time.Minute
	maxFresh    = 180 * day // Google keeps most logs for six months
	earliestDay = "2013-11-13"
)

var (
	trailForm    = regexp.MustCompile(`^arn:(aws|aws-cn|aws-us-gov):cloudtrail:([a-z]{2}(-[a-z]+)+-[0-9]+):([0-9]{12}):trail/([A-Za-z0-9._-]{3,128})$`)
	accountForm  = regexp.MustCompile(`^[0-9]{12}$`)
	regionForm   = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]+$`)
	bucketForm   = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	customerForm = regexp.MustCompile(`^C[0-9A-Za-z]{5,20}$`)
)

// Applications lists the logs that Google's Reports API has, by the names that it gives them
// (developers.google.com/workspace/admin/reports/reference/rest/v1/activities/list).
func Applications() []string {
	return []string{
		"access_evaluation", "access_transparency", "admin", "admin_data_action", "assignments", "calendar", "chat", "chrome", "classroom", "cloud_search",
		"contacts", "context_aware_access", "data_migration", "data_studio", "directory_sync", "drive", "gcp", "gmail", "graduation", "groups", "groups_enterprise",
		"keep", "ldap", "login", "meet", "meet_hardware", "mobile", "profile", "rules", "saml", "tasks", TokenApplication, "user_accounts", "vault", "voice",
	}
}

// Names lists the applications that are looked at, sorted.
func (w Workspace) Names() []string { return slices.Sorted(maps.Keys(w.Applications)) }

func (p *parser) cloudLogs(n *yaml.Node) []CloudLog {
	const at = "cloud_logs"
	var list []CloudLog
	trails := map[string]int{}
	for i, item := range p.list(n, at, "List each trail with a name, its trail, bucket and reader, since, keep, max_lag and its copy, or remove the section.") {
		key := fmt.Sprintf("%s[%d]", at, i)
		c, values := p.cloudLog(item, key)
		p.taken(values["name"], key, c.Name, "trail", item.Line)
		if first, seen := trails[c.Trail]; seen && c.Trail != "" {
			p.add(values["trail"], key+".trail", fmt.Sprintf("The same trail is declared on line %d.", first), "Keep one of them: a trail counts once.")
		}
		trails[c.Trail] = item.Line
		list = append(list, c)
	}
	return list
}

func (p *parser) cloudLog(n *yaml.Node, at string) (CloudLog, map[string]*yaml.Node) {
	c := CloudLog{Line: n.Line}
	values := p.fields(n, at, "name", "trail", "bucket", "bucket_region", "bucket_account", "reader", "since", "keep", "max_lag", "endpoint", "copy")
	if values == nil {
		return c, nil
	}
	c.Name = p.entryName(p.required(n, values, at, "name", "Give the trail a short name that will not change, such as cloud."), at+".name")
	if v := p.required(n, values, at, "trail", "Write its ARN, such as arn:aws:cloudtrail:eu-west-1:111122223333:trail/audit."); v != nil {
		if written, ok := p.text(v, at+".trail"); ok {
			if m := trailForm.FindStringSubmatch(written); m != nil {
				c.Trail, c.Home, c.Account, c.TrailName = written, m[2], m[4], m[5]
			} else {
				p.add(v, at+".trail", quote(written)+" is not the ARN of a trail.", "Write it as aws cloudtrail describe-trails shows it, such as arn:aws:cloudtrail:eu-west-1:111122223333:trail/audit.")
			}
		}
	}
	c.Bucket = p.shaped(p.required(n, values, at, "bucket", "Write the bucket to which CloudTrail delivers."), at+".bucket", bucketForm, "the name of a bucket", "Write the name alone, such as ardoise-trail.")
	c.BucketRegion, c.BucketAccount = c.Home, c.Account
	if v := values["bucket_region"]; v != nil {
		c.BucketRegion = p.region(v, at+".bucket_region")
	}
	if v := values["bucket_account"]; v != nil {
		c.BucketAccount = p.accountID(v, at+".bucket_account")
	}
	c.Reader = p.connection(p.required(n, values, at, "reader", "Write env:NAME or file:/PATH, with ACCESS_KEY_ID:SECRET_ACCESS_KEY of a user that only reads."), at+".reader")
	c.Since = p.date(p.required(n, values, at, "since", "Write the day from which the trail and its copy are there, such as 2026-01-01."), at+".since")
	if v := p.required(n, values, at, "keep", "Write for how long the files are kept, such as 365d."); v != nil {
		c.Keep = p.duration(v, at+".keep", 30*day, maxKept)
	}
	if v := p.required(n, values, at, "max_lag", "Write how long after delivery the copy may be there, such as 15m."); v != nil {
		c.MaxLag = p.duration(v, at+".max_lag", minLag, maxLag)
	}
	c.Endpoint = p.storeEndpoint(values["endpoint"], at+".endpoint")
	c.Copy = p.cloudCopy(p.required(n, values, at, "copy", "Say where the second account keeps the same files: bucket, account, region and reader."), at+".copy", c)
	return c, values
}

func (p *parser) cloudCopy(n *yaml.Node, at string, of CloudLog) CloudCopy {
	if n == nil {
		return CloudCopy{}
	}
	values := p.fields(n, at, "bucket", "account", "region", "reader", "endpoint")
	if values == nil {
		return CloudCopy{}
	}
	c := CloudCopy{
		Bucket:   p.shaped(p.required(n, values, at, "bucket", "Write the bucket of the second account."), at+".bucket", bucketForm, "the name of a bucket", "Write the name alone, such as ardoise-trail-copy."),
		Account:  p.accountID(p.required(n, values, at, "account", "Write the twelve digits of the second account, in quotes."), at+".account"),
		Region:   p.region(p.required(n, values, at, "region", "Write the region of the bucket, such as eu-central-1."), at+".region"),
		Reader:   p.connection(p.required(n, values, at, "reader", "Write env:NAME or file:/PATH, with ACCESS_KEY_ID:SECRET_ACCESS_KEY of a user of the second account."), at+".reader"),
		Endpoint: p.storeEndpoint(values["endpoint"], at+".endpoint"),
	}
	if account := values["account"]; c.Account != "" && (c.Account == of.Account || c.Account == of.BucketAccount) {
		p.add(account, at+".account", "The copy is in the account that it is copied from.", "Copy into a second account: whoever administers one must not be able to delete both.")
	}
	if c.Bucket != "" && c.Bucket == of.Bucket && c.Endpoint == of.Endpoint {
		p.add(values["bucket"], at+".bucket", "The copy is the bucket that it is copied from.", "Name the bucket of the second account.")
	}
	if !c.Reader.IsZero() && c.Reader.reference() == of.Reader.reference() {
		p.add(values["reader"], at+".reader", "The copy is read with the credentials of the trail.", "Give Garant a user of its own in the second account.")
	}
	return c
}

func (p *parser) workspaces(n *yaml.Node) []Workspace {
	const at = "workspace"
	var list []Workspace
	customers := map[string]int{}
	for i, item := range p.list(n, at, "List each Google Workspace with a name, its customer, admin, key and applications, or remove the section.") {
		key := fmt.Sprintf("%s[%d]", at, i)
		w, values := p.workspaceOf(item, key)
		p.taken(values["name"], key, w.Name, "workspace", item.Line)
		if first, seen := customers[w.Customer]; seen && w.Customer != "" {
			p.add(values["customer"], key+".customer", fmt.Sprintf("The same customer is declared on line %d.", first), "Keep one of them: a workspace counts once.")
		}
		customers[w.Customer] = item.Line
		list = append(list, w)
	}
	return list
}

func (p *parser) workspaceOf(n *yaml.Node, at string) (Workspace, map[string]*yaml.Node) {
	w := Workspace{Line: n.Line}
	values := p.fields(n, at, "name", "customer", "admin", "key", "applications")
	if values == nil {
		return w, nil
	}
	w.Name = p.entryName(p.required(n, values, at, "name", "Give the workspace a short name that will not change, such as google."), at+".name")
	w.Customer = p.shaped(p.required(n, values, at, "customer", "Write the customer id that the Admin console shows under Account settings."), at+".customer", customerForm,
		"a customer id of Google", "Write it as the Admin console shows it under Account settings, such as C03az79cb.")
	w.Admin = p.mailAddress(p.required(n, values, at, "admin", "Write the address of the administrator on whose behalf the logs are asked for."), at+".admin")
	w.Key = p.connection(p.required(n, values, at, "key", "Write env:NAME or file:/PATH, with the JSON key of the service account."), at+".key")
	const form = "List logs with the age that their newest entry may have: {token: 6h, login: 1d}."
	applications := p.required(n, values, at, "applications", form)
	if applications == nil {
		return w, values
	}
	w.Applications = map[string]time.Duration{}
	for name, v := range p.fields(applications, at+".applications", Applications()...) {
		w.Applications[name] = p.duration(v, at+".applications."+name, minFresh, maxFresh)
	}
	if _, ok := w.Applications[TokenApplication]; !ok && applications.Kind == yaml.MappingNode {
		p.add(applications, at+".applications", "The log token is not among them.", "Add it, such as token: 6h: Google records there what the check itself does, by which silence is told from loss.")
	}
	return w, values
}

// shaped reads a text of a form. what says what it is, with its article.
func (p *problems) shaped(n *yaml.Node, key string, form *regexp.Regexp, what, fix string) string {
	written, ok := p.text(n, key)
	if ok && !form.MatchString(written) {
		p.add(n, key, quote(written)+" is not "+what+".", fix)
		return ""
	}
	return written
}

func (p *problems) region(n *yaml.Node, key string) string {
	return p.shaped(n, key, regionForm, "a region of AWS", "Write its code, such as eu-west-1.")
}

// accountID reads twelve digits, which YAML takes for a number unless they are in quotes.
func (p *problems) accountID(n *yaml.Node, key string) string {
	if n != nil && n.Kind == yaml.ScalarNode && n.Tag == "!!int" {
		p.add(n, key, "The account is a text, not a number.", "Put its twelve digits in quotes.")
		return ""
	}
	return p.shaped(n, key, accountForm, "an account of AWS", `Write its twelve digits in quotes, such as "444455556666".`)
}

// date reads a day of the calendar, which begins at midnight in UTC.
func (p *problems) date(n *yaml.Node, key string) time.Time {
	if n == nil {
		return time.Time{}
	}
	const form = "Write a day as YEAR-MONTH-DAY, such as 2026-01-01."
	t, err := time.Parse(time.DateOnly, strings.TrimSpace(n.Value))
	switch {
	case n.Kind != yaml.ScalarNode || err != nil:
		p.add(n, key, "This is not a day of the calendar.", form)
	case n.Value < earliestDay:
		p.add(n, key, "CloudTrail was not there yet on this day.", form)
	default:
		return t
	}
	return time.Time{}
}

// storeEndpoint reads where a store that speaks AWS's protocols answers. Plain HTTP is for this machine alone.
func (p *problems) storeEndpoint(n *yaml.Node, key string) string {
	written, ok := p.text(n, key)
	if !ok {
		return ""
	}
	const form = "Write https://HOST or https://HOST:PORT, or leave the key out for AWS itself."
	u, err := url.Parse(written)
	if strings.Contains(written, "@") || err != nil || u.Opaque != "" || u.Hostname() == "" || u.RawQuery != "" || u.ForceQuery || strings.Contains(written, "#") || strings.Trim(u.Path, "/") != "" {
		p.add(n, key, "This is not the address of a store.", form)
		return ""
	}
	host, named := hostName(u.Hostname())
	address, err := netip.ParseAddr(host)
	switch {
	case !named:
		p.add(n, key, quote(u.Hostname())+" is not a host name.", form)
	case u.Scheme == "http" && (err != nil || !address.IsLoopback()):
		p.add(n, key, "The address is plain HTTP, and not on this machine.", form)
	case u.Scheme != "http" && u.Scheme != "https":
		p.add(n, key, quote(u.Scheme)+" is not a protocol of stores.", form)
	default:
		return u.Scheme + "://" + u.Host
	}
	return ""
}

// cloudLogSection says what of trails is compared.
func cloudLogSection() section[CloudLog] {
	at := func(c CloudLog) string {
		return strings.Join([]string{c.Bucket, c.BucketRegion, c.BucketAccount, c.Endpoint, c.Reader.reference()}, ", ")
	}
	copied := func(c CloudLog) string {
		return strings.Join([]string{c.Copy.Bucket, c.Copy.Region, c.Copy.Endpoint, c.Copy.Reader.reference()}, ", ")
	}
	account := func(c CloudLog) string { return c.Copy.Account }
	trail := func(c CloudLog) string { return c.Trail }
	return section[CloudLog]{
		name: "cloud_logs", of: func(e *Estate) *[]CloudLog { return &e.CloudLogs },
		id: func(c CloudLog) string { return c.Name }, target: func(c CloudLog) string { return c.Name }, shown: trail,
		measures: func(CloudLog) []string { return []string{logCloud} },
		parts: []part[CloudLog]{
			{"trail", IdentityChanged, trail, differ(trail), func(to *CloudLog, x CloudLog) {
				to.Trail, to.Home, to.Account, to.TrailName = x.Trail, x.Home, x.Account, x.TrailName
			}},
			{"bucket", Replaced, at, differ(at), func(to *CloudLog, x CloudLog) {
				to.Bucket, to.BucketRegion, to.BucketAccount, to.Endpoint, to.Reader = x.Bucket, x.BucketRegion, x.BucketAccount, x.Endpoint, x.Reader
			}},
			{"since", Weakened, func(c CloudLog) string { return c.Since.Format(time.DateOnly) },
				func(x, now CloudLog) bool { return now.Since.After(x.Since) }, func(to *CloudLog, x CloudLog) { to.Since = x.Since }},
			{"keep", Weakened, func(c CloudLog) string { return span(c.Keep) },
				func(x, now CloudLog) bool { return now.Keep < x.Keep }, func(to *CloudLog, x CloudLog) { to.Keep = x.Keep }},
			{"max_lag", Weakened, func(c CloudLog) string { return span(c.MaxLag) },
				func(x, now CloudLog) bool { return now.MaxLag > x.MaxLag }, func(to *CloudLog, x CloudLog) { to.MaxLag = x.MaxLag }},
			{"copy", Replaced, copied, differ(copied), func(to *CloudLog, x CloudLog) {
				kept := to.Copy.Account
				to.Copy = x.Copy
				to.Copy.Account = kept
			}},
			{"copy.account", IdentityChanged, account, differ(account), func(to *CloudLog, x CloudLog) { to.Copy.Account = x.Copy.Account }},
		},
	}
}

// workspaceSection says what of Google Workspaces is compared.
func workspaceSection() section[Workspace] {
	customer := func(w Workspace) string { return w.Customer }
	by := func(w Workspace) string { return w.Admin + ", " + w.Key.reference() }
	return section[Workspace]{
		name: "workspace", of: func(e *Estate) *[]Workspace { return &e.Workspaces },
		id: func(w Workspace) string { return w.Name }, target: func(w Workspace) string { return w.Name }, shown: customer,
		measures: func(Workspace) []string { return []string{logWorkspace} },
		parts: []part[Workspace]{
			{"customer", IdentityChanged, customer, differ(customer), func(to *Workspace, x Workspace) { to.Customer = x.Customer }},
			{"admin", Replaced, by, never[Workspace], func(*Workspace, Workspace) {}},
			{"applications", Weakened, shownApplications, func(x, now Workspace) bool {
				for name, age := range x.Applications {
					if is, ok := now.Applications[name]; !ok || is > age {
						return true
					}
				}
				return false
			}, func(to *Workspace, x Workspace) {
				kept := maps.Clone(to.Applications) // an estate is never changed
				if kept == nil {
					kept = map[string]time.Duration{}
				}
				for name, age := range x.Applications {
					if is, ok := kept[name]; !ok || is > age {
						kept[name] = age
					}
				}
				to.Applications = kept
			}},
		},
	}
}

func shownApplications(w Workspace) string {
	parts := make([]string, 0, len(w.Applications))
	for _, name := range w.Names() {
		parts = append(parts, name+" "+span(w.Applications[name]))
	}
	return strings.Join(parts, ", ")
}
