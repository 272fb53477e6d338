package cloudtrail

import (
	"context"
	"crypto/rsa"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"

	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
)

// How CloudTrail keeps time. A digest is delivered every hour, also for an hour without log files; it comes some minutes after the hour is over.
const (
	digestWithin = 3 * time.Hour
	seam         = 5 * time.Minute  // between the end of a digest and the start of the next
	settle       = 15 * time.Minute // around the end of a digest, in which a delivered file may belong to either
	firstWithin  = 48 * time.Hour   // of the declared day, in which the chain must begin
	oneDay       = 24 * time.Hour
)

// look is at one trail and its copy.
type look struct {
	c      estate.CloudLog
	now    time.Time
	mem    *memory
	clock  *skewed
	budget int // requests for days that are over

	trail    *cloudtrail.Client
	provider aws.CredentialsProvider
	here     *store
	copy     *store

	mu    sync.Mutex
	items []measure.Item
	keys  map[string]map[string]*rsa.PublicKey // of regions, by fingerprint
	spent atomic.Int64

	begun    map[chain]time.Time // end of the oldest digest in either bucket
	settled  map[chain]time.Time // what was delivered before must be named by a digest
	allNames map[day]namedFiles

	newest, newestCopied time.Time           // delivered, as the first bucket has it
	copiedTo             map[chain]time.Time // the same as newestCopied, of each chain: days are looked at from the newest back
	oldest               time.Time
	lag                  time.Duration
	files                int
	regions              []string
	days                 int
}

func (l *look) add(p Problem, expected, actual string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.items = append(l.items, measure.Item{Target: l.c.Name, Problem: string(p), Expected: measure.Shown(expected, longItem), Actual: measure.Shown(actual, longItem)})
}

// refuse adds what an error of AWS means; permission is what the call needs.
func (l *look) refuse(err error, permission string) {
	l.add(told(err, permission))
}

// told is an item about an error of AWS.
func told(err error, permission string) (p Problem, expected, actual string) {
	p, actual = why(err, permission)
	switch p {
	case Denied:
		return p, "the permission", actual
	case BadCredentials:
		return p, "credentials that AWS accepts", actual
	case NoTrail, NoBucket:
		return p, "one that is there", actual + ": " + permission
	case Oversized:
		return p, fmt.Sprintf("at most %d MiB, and %d uncompressed", maxCompressed>>20, maxLogPlain>>20), actual
	}
	return p, "an answer", actual
}

// permission names what a call to S3 needs.
func (s *store) permission(action string) string { return action + " on " + s.name }

// guarded looks within its time. A panic, which only a fault of ours can cause, blinds this trail and no other.
func (l *look) guarded(ctx context.Context) {
	l.mem.busy.Lock()
	defer l.mem.busy.Unlock()
	defer func() {
		if recover() != nil {
			l.items = nil
			l.add(CheckBroken, "an observation", "the check itself failed")
		}
	}()
	l.keys, l.begun, l.settled, l.copiedTo, l.allNames = map[string]map[string]*rsa.PublicKey{}, map[chain]time.Time{}, map[chain]time.Time{}, map[chain]time.Time{}, map[day]namedFiles{}
	if l.open() {
		l.look(ctx)
	}
	if skew := l.clock.most(); skew > mostSkew {
		l.add(Clock, "at most "+mostSkew.String()+" apart", "the clocks are further apart")
	}
	l.shorten()
}

// shorten keeps of each problem as many items as can be read, each once.
func (l *look) shorten() {
	slices.SortStableFunc(l.items, func(a, b measure.Item) int { return strings.Compare(a.Problem, b.Problem) })
	l.items = slices.Compact(l.items)
	count, kept := map[string]int{}, make([]measure.Item, 0, len(l.items))
	for _, i := range l.items {
		if count[i.Problem]++; count[i.Problem] <= mostItems {
			kept = append(kept, i)
		}
	}
	for problem, n := range count {
		if n > mostItems {
			kept = append(kept, measure.Item{Target: l.c.Name, Problem: problem, Actual: fmt.Sprintf("and %d more", n-mostItems)})
		}
	}
	l.items = kept
}

func (l *look) open() bool {
	client := &http.Client{
		Transport:     l.clock,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // a signed request goes nowhere else
	}
	provider, err := keyPair(l.c.Reader)
	if err != nil {
		l.add(BadCredentials, "ACCESS_KEY_ID:SECRET_ACCESS_KEY", "those of the trail cannot be read")
		return false
	}
	copied, err := keyPair(l.c.Copy.Reader)
	if err != nil {
		l.add(BadCredentials, "ACCESS_KEY_ID:SECRET_ACCESS_KEY", "those of the copy cannot be read")
		return false
	}
	l.provider = provider
	l.trail = openTrail(client, provider, l.c.Home, l.c.Endpoint)
	l.here = openStore(client, provider, l.c.Bucket, l.c.BucketAccount, l.c.BucketRegion, l.c.Endpoint)
	l.copy = openStore(client, copied, l.c.Copy.Bucket, l.c.Copy.Account, l.c.Copy.Region, l.c.Copy.Endpoint)
	l.copy.copy = true
	return true
}

// chain is the digest files of one region of one account.
type chain struct {
	prefix  string // of the account's files: …AWSLogs/111122223333/
	account string
	region  string
}

func (c chain) digests() string { return c.prefix + "CloudTrail-Digest/" + c.region + "/" }
func (c chain) logs() string    { return c.prefix + "CloudTrail/" + c.region + "/" }
func (c chain) name() string    { return c.account + " " + c.region }

func folder(d time.Time) string { return d.Format("2006/01/02/") }

// look sees the trail, its chains, and the days of each.
func (l *look) look(ctx context.Context) {
	prefix, ok := l.lookAtTrail(ctx)
	if !ok {
		return
	}
	chains, ok := l.chains(ctx, prefix)
	if !ok {
		return
	}
	today := l.now.UTC().Truncate(oneDay)
	start := l.c.Since
	// The day on which a file's time is over is not asked for: lifecycle rules delete in the course of it.
	if kept := l.now.UTC().Add(-l.c.Keep).Truncate(oneDay).Add(oneDay); kept.After(start) {
		start = kept
	}
	if start.After(today) {
		start = today
	}
	var recent, over []day
	byDay := map[day]chain{}
	for _, c := range chains {
		l.regions = append(l.regions, c.name())
		from, ok := l.begins(ctx, c, start)
		if !ok {
			continue
		}
		for d := today; !d.Before(from); d = d.Add(-oneDay) {
			at := day{c.digests(), d}
			byDay[at] = c
			if today.Sub(d) <= oneDay {
				recent = append(recent, at)
			} else {
				over = append(over, at)
			}
		}
	}
	slices.SortStableFunc(over, func(a, b day) int { return b.date.Compare(a.date) })
	for _, d := range recent {
		v := l.lookAtDay(ctx, byDay[d], d.date, start, true)
		l.items = append(l.items, v.items...)
		if hopeless(v.items) {
			return
		}
	}
	l.lookAtOver(ctx, byDay, over, start)
	l.lag = max(0, l.newest.Sub(l.newestCopied))
	if l.newestCopied.IsZero() {
		l.lag = 0
	}
}

// lookAtOver reads the days that are over, as many as there is time for, and takes the verdict on all of them.
func (l *look) lookAtOver(ctx context.Context, byDay map[day]chain, over []day, start time.Time) {
	l.spent.Store(0)
	deadline, limited := ctx.Deadline()
	for _, d := range l.mem.due(over, l.now) {
		if ctx.Err() != nil || limited && time.Until(deadline) < reserve || l.spent.Load() > int64(l.budget) {
			break
		}
		v := l.lookAtDay(ctx, byDay[d], d.date, start, false)
		if blinded(v.items) && l.mem.days[d] != nil { // what was seen before is not forgotten by going blind
			l.items = append(l.items, v.items...)
		} else {
			l.mem.days[d] = v
		}
		if hopeless(v.items) {
			break
		}
	}
	l.days = len(over)
	missing := 0
	for _, d := range over {
		v := l.mem.days[d]
		if v == nil || l.now.Sub(v.at) > overdue {
			missing++
			continue
		}
		l.files += v.files
		l.items = append(l.items, v.items...)
	}
	if missing > 0 {
		l.add(Unfinished, fmt.Sprintf("%d days of files", len(over)), fmt.Sprintf("%d still to be read", missing))
	}
	for d := range l.mem.days { // kept long enough
		if _, asked := byDay[d]; !asked {
			delete(l.mem.days, d)
		}
	}
}

func blinded(items []measure.Item) bool {
	return slices.ContainsFunc(items, func(i measure.Item) bool { return Problem(i.Problem).Blind() })
}

// hopeless reports whether the same will keep from seeing other days too.
func hopeless(items []measure.Item) bool {
	return slices.ContainsFunc(items, func(i measure.Item) bool {
		p := Problem(i.Problem)
		return p == Throttled || p == Unreachable || p == BadCredentials
	})
}

// lookAtTrail holds the trail to what is declared of it, and returns the prefix of its files.
func (l *look) lookAtTrail(ctx context.Context) (prefix string, ok bool) {
	described, err := l.trail.DescribeTrails(ctx, &cloudtrail.DescribeTrailsInput{TrailNameList: []string{l.c.Trail}, IncludeShadowTrails: aws.Bool(false)})
	if err != nil {
		l.refuse(err, "cloudtrail:DescribeTrails in "+l.c.Home)
		return "", false
	}
	for _, t := range described.TrailList {
		if aws.ToString(t.TrailARN) != l.c.Trail {
			continue
		}
		if !aws.ToBool(t.LogFileValidationEnabled) {
			l.add(ValidationOff, "log file validation", "switched off")
		}
		if !aws.ToBool(t.IsMultiRegionTrail) {
			l.add(OneRegion, "all regions", aws.ToString(t.HomeRegion)+" alone")
		}
		if !aws.ToBool(t.IncludeGlobalServiceEvents) {
			l.add(NoGlobal, "events of global services", "left out")
		}
		if bucket := aws.ToString(t.S3BucketName); bucket != l.c.Bucket {
			l.add(Elsewhere, l.c.Bucket, bucket)
			return "", false
		}
		if prefix = aws.ToString(t.S3KeyPrefix); prefix != "" {
			prefix = strings.TrimSuffix(prefix, "/") + "/"
		}
		return prefix + "AWSLogs/", l.lookAtStatus(ctx)
	}
	l.add(NoTrail, l.c.Trail, "no trail of this name")
	return "", false
}

func (l *look) lookAtStatus(ctx context.Context) bool {
	s, err := l.trail.GetTrailStatus(ctx, &cloudtrail.GetTrailStatusInput{Name: &l.c.Trail})
	if err != nil {
		l.refuse(err, "cloudtrail:GetTrailStatus in "+l.c.Home)
		return false
	}
	if !aws.ToBool(s.IsLogging) {
		l.add(Stopped, "logging", "stopped")
	}
	if e := aws.ToString(s.LatestDeliveryError); e != "" {
		l.add(NotDelivered, "log files delivered", e)
	}
	if e := aws.ToString(s.LatestDigestDeliveryError); e != "" {
		l.add(NotDelivered, "digest files delivered", e)
	}
	return true
}

// chains finds the regions of which there are files, in either bucket: what was deleted in one is still in the other. Of an organisation's trail
// it finds the accounts too.
func (l *look) chains(ctx context.Context, prefix string) ([]chain, bool) {
	folders := func(prefix string) ([]string, bool) {
		var names []string
		for _, s := range []*store{l.here, l.copy} {
			found, err := s.below(ctx, prefix)
			if err != nil {
				l.refuse(err, s.permission("s3:ListBucket"))
				return nil, false
			}
			names = append(names, found...)
		}
		return slices.Compact(slices.Sorted(slices.Values(names))), true
	}
	roots := []chain{{prefix: prefix + l.c.Account + "/", account: l.c.Account}}
	top, ok := folders(prefix)
	if !ok {
		return nil, false
	}
	for _, organisation := range top {
		if !strings.HasPrefix(organisation, "o-") {
			continue
		}
		accounts, ok := folders(prefix + organisation + "/")
		if !ok {
			return nil, false
		}
		roots = roots[:0]
		for _, account := range accounts {
			roots = append(roots, chain{prefix: prefix + organisation + "/" + account + "/", account: account})
		}
	}
	var chains []chain
	for _, root := range roots {
		digested, ok := folders(root.prefix + "CloudTrail-Digest/")
		if !ok {
			return nil, false
		}
		logged, ok := folders(root.prefix + "CloudTrail/")
		if !ok {
			return nil, false
		}
		for _, region := range slices.Compact(slices.Sorted(slices.Values(append(digested, logged...)))) {
			chains = append(chains, chain{root.prefix, root.account, region})
		}
	}
	if !slices.ContainsFunc(chains, l.home) {
		l.add(NoDigest, "digest files of "+l.c.Home, "none at all")
		return nil, false
	}
	return chains, true
}

// home reports whether the chain is that of the region in which the trail was made, which is as old as the trail.
func (l *look) home(c chain) bool { return c.account == l.c.Account && c.region == l.c.Home }

// begins finds the day from which the chain of a region must be there: the chain of the trail's own region from the day that is declared, others from
// their oldest digest in either bucket.
func (l *look) begins(ctx context.Context, c chain, start time.Time) (time.Time, bool) {
	var oldest time.Time
	for _, s := range []*store{l.here, l.copy} {
		key, err := s.first(ctx, c.digests())
		if err != nil {
			l.refuse(err, s.permission("s3:ListBucket"))
			return start, false
		}
		k, ok := parseDigestKey(key)
		if key == "" || !ok {
			continue
		}
		if l.home(c) && k.end.After(start.Add(firstWithin)) {
			where := "the bucket"
			if s.copy {
				where = "the copy"
			}
			l.add(NotKept, "from "+start.Format(time.DateOnly), where+" of "+c.name()+" from "+k.end.Format(time.DateOnly))
		}
		if l.home(c) && (l.oldest.IsZero() || k.end.After(l.oldest)) { // of both
			l.oldest = k.end
		}
		if oldest.IsZero() || k.end.Before(oldest) {
			oldest = k.end
		}
	}
	if oldest.IsZero() {
		l.add(NoDigest, "digest files of "+c.name(), "none at all")
		return start, false
	}
	l.begun[c] = oldest
	if first := oldest.UTC().Truncate(oneDay); first.After(start) {
		start = first
	}
	return start, true
}

// keysOf reads the public keys of a region for all the time that is looked at, once a look.
func (l *look) keysOf(ctx context.Context, region string, start time.Time) (map[string]*rsa.PublicKey, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if keys := l.keys[region]; keys != nil {
		return keys, nil
	}
	client := l.trail
	if region != l.c.Home {
		client = openTrail(&http.Client{Transport: l.clock, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, l.provider, region, l.c.Endpoint)
	}
	keys := map[string]*rsa.PublicKey{}
	pager := cloudtrail.NewListPublicKeysPaginator(client, &cloudtrail.ListPublicKeysInput{StartTime: aws.Time(start.Add(-2 * oneDay)), EndTime: aws.Time(l.now)})
	for n := 0; pager.HasMorePages() && n < maxPages; n++ {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, k := range page.PublicKeyList {
			if key := ParsePublicKey(k.Value); key != nil {
				keys[aws.ToString(k.Fingerprint)] = key
			}
		}
	}
	l.keys[region] = keys
	return keys, nil
}
