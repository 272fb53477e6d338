package cloudtrail

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/garant-project/garant/internal/measure"
)

// dayLook is at one day of a chain: its digests, the log files that they name, and the copies of all.
type dayLook struct {
	*look

	c      chain
	date   time.Time
	start  time.Time // of the time that is looked at
	recent bool

	mu    sync.Mutex
	found verdict
}

func (d *dayLook) add(p Problem, expected, actual string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.found.items = append(d.found.items, measure.Item{Target: d.look.c.Name, Problem: string(p), Expected: measure.Shown(expected, longItem), Actual: measure.Shown(actual, longItem)})
}

func (d *dayLook) refuse(err error, permission string) {
	d.add(told(err, permission))
}

// lookAtDay reads a day. recent: what was read in earlier runs and is, as far as listings tell, the same, is not read again.
func (l *look) lookAtDay(ctx context.Context, c chain, date, start time.Time, recent bool) *verdict {
	d := &dayLook{look: l, c: c, date: date, start: start, recent: recent, found: verdict{at: l.now}}
	d.run(ctx)
	return &d.found
}

func (d *dayLook) run(ctx context.Context) {
	digests, _, ok := d.digestsOf(ctx, d.date)
	if !ok {
		return
	}
	d.linked(ctx, digests)
	if d.date.Equal(d.now.UTC().Truncate(oneDay)) {
		d.fresh(ctx, digests)
	}
	d.named(ctx, digests)
	for _, below := range []string{d.c.logs(), d.c.digests()} {
		here, ok := d.list(ctx, d.here, below+folder(d.date))
		if !ok {
			return
		}
		copied, ok := d.list(ctx, d.copy, below+folder(d.date))
		if !ok {
			return
		}
		if below == d.c.logs() {
			d.unnamed(ctx, here, copied)
			d.copies(ctx, here, copied, nil)
		} else {
			d.copies(ctx, here, copied, digests)
		}
	}
}

// list reads what a bucket has in the folder of a day.
func (d *dayLook) list(ctx context.Context, s *store, folder string) (map[string]object, bool) {
	d.spent.Add(1)
	found, err := s.list(ctx, folder)
	if err != nil {
		d.refuse(err, s.permission("s3:ListBucket"))
		return nil, false
	}
	return found, true
}

func folderOf(key string) string { return key[:strings.LastIndexByte(key, '/')+1] }

// digestsOf reads and verifies the digests of a day of this trail, in the order of time. What is wrong with one is added, and it is left
// out: then the list is not sound.
func (d *dayLook) digestsOf(ctx context.Context, date time.Time) (list []*Digest, sound, ok bool) {
	here, ok := d.list(ctx, d.here, d.c.digests()+folder(date))
	if !ok {
		return nil, false, false
	}
	copied, ok := d.list(ctx, d.copy, d.c.digests()+folder(date))
	if !ok {
		return nil, false, false
	}
	ours := func(key string) (digestKey, bool) {
		k, ok := parseDigestKey(key)
		return k, ok && k.trail == d.look.c.TrailName && k.home == d.look.c.Home
	}
	sound = true
	for _, key := range slices.Sorted(maps.Keys(copied)) {
		if _, there := here[key]; !there {
			if _, ok := ours(key); ok {
				d.add(DigestMissing, key, "in the copy alone")
				sound = false
			}
		}
	}
	var keys []digestKey
	for key := range here {
		if k, ok := ours(key); ok {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b digestKey) int { return cmp.Or(a.end.Compare(b.end), strings.Compare(a.key, b.key)) })
	read := make([]*Digest, len(keys))
	blind := make([]bool, len(keys))
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i, k := range keys {
		group.Go(guard(func() error {
			one, err := d.digest(gctx, k.key, here[k.key], d.recent || !date.Equal(d.date))
			if err == nil && !one.End.Equal(k.end) {
				err = &fault{DigestChanged, "is named after another time"}
			}
			if err == nil {
				read[i] = one
				return nil
			}
			blind[i] = !d.disbelieve(k.key, err)
			return nil
		}))
	}
	if err := group.Wait(); err != nil { // else each says by itself what is wrong
		d.refuse(err, d.here.permission("s3:GetObject"))
		return nil, false, false
	}
	if slices.Contains(blind, true) {
		return nil, false, false
	}
	list = slices.DeleteFunc(read, func(one *Digest) bool { return one == nil })
	return list, sound && len(list) == len(keys), true
}

// disbelieve says what is wrong with a digest, and reports whether it was seen: false, something hides it.
func (d *dayLook) disbelieve(key string, err error) bool {
	if wrong := (*fault)(nil); errors.As(err, &wrong) {
		d.add(wrong.problem, key, wrong.text)
		return true
	}
	if !errors.Is(err, errHandled) {
		d.refuse(err, d.here.permission("s3:GetObject"))
	}
	return false
}

// guard turns a panic, which only a fault of ours can cause, into an error.
func guard(work func() error) func() error {
	return func() (err error) {
		defer func() {
			if recover() != nil {
				err = errBroken
			}
		}()
		return work()
	}
}

var errHandled = errors.New("said already")

// digest reads a digest of the first bucket and verifies its signature; remembered: or knows it from before.
func (d *dayLook) digest(ctx context.Context, key string, here object, remembered bool) (*Digest, error) {
	if k, ok := d.mem.digest(key, here); ok && remembered {
		return k.digest, nil
	}
	keys, err := d.keysOf(ctx, d.c.region, d.start)
	if err != nil {
		d.refuse(err, "cloudtrail:ListPublicKeys in "+d.c.region)
		return nil, errHandled
	}
	d.spent.Add(1)
	c, err := d.here.read(ctx, key, true)
	switch {
	case gone(err):
		return nil, &fault{DigestMissing, "deleted"}
	case errors.Is(err, errNotGzip):
		return nil, &fault{DigestChanged, "not a gzip file"}
	case err != nil:
		return nil, err
	}
	digest, err := ParseDigest(c.text)
	if err != nil {
		return nil, err
	}
	if err := digest.Verify(d.here.name, key, c.signature, c.algorithm, keys); err != nil {
		return nil, err
	}
	d.mem.keep(key, known{here: here, digest: digest, raw: c.raw})
	return digest, nil
}

// linked holds every digest to the one before, the first of the day to the last of an earlier one.
func (d *dayLook) linked(ctx context.Context, digests []*Digest) {
	var last *Digest
	for _, one := range digests {
		if k, _ := parseDigestKey(one.Object); k.backfill {
			continue
		}
		d.link(ctx, one, last)
		last = one
	}
}

func (d *dayLook) link(ctx context.Context, one, last *Digest) {
	if one.PrevObject == nil {
		// The first digest of a trail, or of a region; also the first after logging or validation was off.
		if !one.End.Equal(d.begun[d.c]) {
			d.add(Gap, "one chain of digests in "+d.c.name(), "a new one begins with "+one.Object)
		}
		return
	}
	previous := last
	if last == nil || last.Object != *one.PrevObject {
		k, ok := parseDigestKey(*one.PrevObject)
		if !ok || one.PrevBucket == nil || *one.PrevBucket != d.here.name {
			d.add(DigestChanged, one.Object, "names a digest of another place as the one before")
			return
		}
		date := k.end.UTC().Truncate(oneDay)
		if date.Before(d.start) {
			return // older than what must be there
		}
		here, ok := d.list(ctx, d.here, folderOf(*one.PrevObject))
		if !ok {
			return
		}
		o, there := here[*one.PrevObject]
		switch {
		case !there:
			d.add(DigestMissing, *one.PrevObject, "deleted")
			return
		case last != nil && last.End.After(k.end):
			d.add(DigestChanged, last.Object, "stands where another digest is named")
			return
		case last != nil: // it is there and was not believed, which was said when the day was read
			return
		}
		read, err := d.digest(ctx, *one.PrevObject, o, true)
		if err != nil {
			d.disbelieve(*one.PrevObject, err)
			return
		}
		previous = read
	}
	if wrong := (*fault)(nil); errors.As(one.Follows(previous), &wrong) {
		d.add(wrong.problem, previous.Object, wrong.text)
	}
	if one.Start.Sub(previous.End) > seam {
		d.add(Gap, "a digest from "+previous.End.Format(time.RFC3339), "the next begins at "+one.Start.Format(time.RFC3339)+" in "+d.c.name())
	}
}

// fresh holds that digests still come. d is today, on which there may be none yet.
func (d *dayLook) fresh(ctx context.Context, digests []*Digest) {
	if len(digests) == 0 {
		var ok bool
		if digests, _, ok = d.digestsOf(ctx, d.date.Add(-oneDay)); !ok {
			return
		}
	}
	var newest time.Time
	for _, one := range digests {
		if k, _ := parseDigestKey(one.Object); !k.backfill {
			newest = one.End
		}
	}
	d.settled[d.c] = newest.Add(-settle)
	switch {
	case newest.After(d.now.Add(settle)):
		d.add(Clock, "a digest of an hour that is over", "one of the future in "+d.c.name())
	case newest.IsZero():
		d.add(NoDigest, "a digest every hour", "none today or yesterday in "+d.c.name())
	case d.now.Sub(newest) > digestWithin:
		d.add(NoDigest, "a digest every hour", "the newest of "+d.c.name()+" is of "+newest.Format(time.RFC3339))
	}
}

// named reads every log file that the digests name, and its copy, and holds both to the hash.
func (d *dayLook) named(ctx context.Context, digests []*Digest) {
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for _, one := range digests {
		for _, f := range one.Logs {
			group.Go(guard(func() error {
				d.logFile(gctx, f)
				return gctx.Err()
			}))
		}
	}
	if err := group.Wait(); err != nil {
		d.refuse(err, d.here.permission("s3:GetObject"))
	}
}

func (d *dayLook) logFile(ctx context.Context, f LogFile) {
	if f.Bucket != d.here.name {
		d.add(Elsewhere, d.here.name, f.Bucket)
		return
	}
	here, ok := d.list(ctx, d.here, folderOf(f.Object))
	if !ok {
		return
	}
	copied, ok := d.list(ctx, d.copy, folderOf(f.Object))
	if !ok {
		return
	}
	o, there := here[f.Object]
	if !there {
		d.add(LogMissing, f.Object, "deleted")
		return
	}
	co, there := copied[f.Object]
	if p, ok := d.mem.proven(f.Object, f.Hash, o, co); ok && d.recent && there {
		d.locked(f.Object, o, p.until)
		d.count()
		return
	}
	read, ok := d.read(ctx, d.here, f.Object)
	if !ok {
		return
	}
	if !strings.EqualFold(hex.EncodeToString(read.plain[:]), f.Hash) {
		d.add(LogChanged, f.Object, "its hash is not the one that the digest has")
		return
	}
	if !there { // said with all that are missing
		return
	}
	d.compare(ctx, f.Object, f.Hash, o, co, read.raw)
}

// read reads a log file; not ok: what is wrong was said.
func (d *dayLook) read(ctx context.Context, s *store, key string) (*content, bool) {
	d.spent.Add(1)
	c, err := s.read(ctx, key, false)
	missing, changed := LogMissing, LogChanged
	if s.copy {
		missing, changed = CopyMissing, CopyDifferent
	}
	switch {
	case err == nil:
		return c, true
	case gone(err):
		d.add(missing, key, "deleted")
	case errors.Is(err, errNotGzip):
		d.add(changed, key, "not a gzip file")
	default:
		d.refuse(err, s.permission("s3:GetObject"))
	}
	return nil, false
}

// compare holds the copy of a file to its bytes and its lock, and remembers that both are right.
func (d *dayLook) compare(ctx context.Context, key, hash string, o, co object, raw [32]byte) {
	copied, ok := d.read(ctx, d.copy, key)
	if !ok {
		return
	}
	if copied.raw != raw {
		d.add(CopyDifferent, key, "other bytes")
		return
	}
	d.spent.Add(1)
	until, err := d.copy.retention(ctx, key)
	switch {
	case gone(err):
		d.add(CopyMissing, key, "deleted")
		return
	case err != nil:
		d.refuse(err, d.copy.permission("s3:GetObjectRetention"))
		return
	}
	if d.locked(key, o, until) {
		d.mem.prove(key, proof{hash: hash, here: o, copy: co, until: until})
		d.count()
	}
}

// locked holds that a copy cannot be deleted by anybody for as long as was agreed.
func (d *dayLook) locked(key string, o object, until time.Time) bool {
	switch {
	case until.IsZero():
		d.add(CopyUnlocked, key, "not locked in COMPLIANCE mode")
	case until.Before(o.modified.Add(d.look.c.Keep).Add(-time.Minute)):
		d.add(CopyShort, key+" until "+o.modified.Add(d.look.c.Keep).Format(time.DateOnly), "until "+until.Format(time.DateOnly))
	default:
		return true
	}
	return false
}

func (d *dayLook) count() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.found.files++
}

// unnamed finds files that no digest names: added by somebody, or deleted here and still in the copy.
func (d *dayLook) unnamed(ctx context.Context, here, copied map[string]object) {
	for _, key := range slices.Sorted(maps.Keys(copied)) {
		if _, there := here[key]; !there {
			d.add(LogMissing, key, "in the copy alone")
		}
	}
	for _, key := range slices.Sorted(maps.Keys(here)) {
		o := here[key]
		if o.modified.After(d.settled[d.c]) { // the digest that names it is still to come
			continue
		}
		delivered := o.modified.UTC().Truncate(oneDay)
		known := false
		for _, date := range []time.Time{d.date, d.date.Add(oneDay), delivered, o.modified.UTC().Add(digestWithin).Truncate(oneDay)} {
			names, sound, ok := d.names(ctx, date)
			if !ok {
				return
			}
			if known = known || names[key] || !sound; known { // what a digest named that is not believed is not known
				break
			}
		}
		if !known {
			d.add(LogAdded, "a file that a digest names", key)
		}
	}
}

// names lists the log files that the digests of a day name; not sound: some digest of the day is not believed.
func (d *dayLook) names(ctx context.Context, date time.Time) (names map[string]bool, sound, ok bool) {
	at := day{d.c.digests(), date}
	if n, done := d.allNames[at]; done {
		return n.files, n.sound, true
	}
	digests, sound, ok := d.digestsOf(ctx, date)
	if !ok {
		return nil, false, false
	}
	names = map[string]bool{}
	for _, one := range digests {
		for _, f := range one.Logs {
			names[f.Object] = true
		}
	}
	if len(d.allNames) >= mostNames {
		clear(d.allNames)
	}
	d.allNames[at] = namedFiles{names, sound}
	return names, sound, true
}

// namedFiles is what the digests of a day name.
type namedFiles struct {
	files map[string]bool
	sound bool
}

// copies holds that all that was delivered on a day is in the copy; digests are compared too.
func (d *dayLook) copies(ctx context.Context, here, copied map[string]object, digests []*Digest) {
	newest := d.copiedTo[d.c] // that is in the copy; of a day that is over, those of today count
	for key, o := range here {
		if _, there := copied[key]; there && o.modified.After(newest) {
			newest = o.modified
		}
		if d.recent && o.modified.After(d.newest) {
			d.newest = o.modified
		}
	}
	if d.recent {
		d.copiedTo[d.c] = newest
		if newest.After(d.newestCopied) {
			d.newestCopied = newest
		}
	}
	for _, key := range slices.Sorted(maps.Keys(here)) {
		o := here[key]
		age := d.now.Sub(o.modified)
		if _, there := copied[key]; there || age <= d.look.c.MaxLag {
			continue
		}
		if o.modified.Before(newest) || age > oneDay {
			d.add(CopyMissing, key, "not in the copy")
		} else {
			d.add(CopyLate, key, "not in the copy, delivered at "+o.modified.UTC().Format(time.RFC3339))
		}
	}
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for _, one := range digests {
		o, co := here[one.Object], copied[one.Object]
		k, known := d.mem.digest(one.Object, o)
		if _, there := copied[one.Object]; !there || !known {
			continue
		}
		group.Go(guard(func() error {
			if p, ok := d.mem.proven(one.Object, one.Hash, o, co); ok && d.recent {
				d.locked(one.Object, o, p.until)
				return nil
			}
			d.compare(gctx, one.Object, one.Hash, o, co, k.raw)
			return gctx.Err()
		}))
	}
	if err := group.Wait(); err != nil {
		d.refuse(err, d.copy.permission("s3:GetObject"))
	}
}
