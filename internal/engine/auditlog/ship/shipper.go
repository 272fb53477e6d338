package ship

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/engine/auditlog/ship/elastic"
	"github.com/garant-project/garant/internal/engine/auditlog/ship/redact"
	"github.com/garant-project/garant/internal/engine/auditlog/ship/spool"
	"github.com/garant-project/garant/internal/engine/auditlog/ship/tail"
	"github.com/garant-project/garant/internal/estate"
)

// The bounds of shipping.
const (
	batchLines  = 500
	batchBytes  = 1 << 20
	gather      = 200 * time.Millisecond // how long lines wait for others
	bulkTimeout = 30 * time.Second
	firstWait   = 100 * time.Millisecond // after a refusal; doubled each time
	longestWait = 30 * time.Second
	insist      = 4           // how often a line is refused before it is at fault
	sayAgain    = time.Minute // between two lines about the same trouble
)

// pace is what tests make faster.
type pace struct {
	gather, bulk, first, longest, look, settle time.Duration
}

func usualPace() pace {
	return pace{gather, bulkTimeout, firstWait, longestWait, lookEvery, tail.DefaultSettle}
}

// shipper ships one log until its context ends.
type shipper struct {
	log     estate.Log
	dir     string
	from    origin
	queue   *queue // of Garant's own log; nil: a file is followed
	now     func() time.Time
	say     *slog.Logger
	secrets func() []string
	pace    pace

	red   *redact.Redactor
	spool *spool.Spool

	mu   sync.Mutex
	held bool                 // lines are not delivered
	said map[string]time.Time // by what it was about; "" is that it goes on
}

// spoolDir is where the lines of a log wait.
func spoolDir(dataDir, name string) string { return filepath.Join(dataDir, "ship", name) }

// run ships. It returns when ctx ends, and lets go of the spool.
func (s *shipper) run(ctx context.Context) {
	for {
		var err error
		if s.spool, err = spool.Open(s.dir, s.log.Ship.Spool, s.now); err == nil {
			break
		}
		s.troubled("spool", err)
		if !sleep(ctx, s.pace.longest) {
			return
		}
	}
	defer s.spool.Close()
	var err error
	if s.red, err = redact.New(s.log.Ship.Fields, s.log.Ship.Patterns, s.hidden()); err != nil { // the estate compiled the patterns
		s.troubled("redaction", errors.New("a pattern that is none"))
		return
	}
	var both sync.WaitGroup
	both.Go(func() { s.deliver(ctx) })
	both.Go(func() {
		if s.queue != nil {
			s.takeOwn(ctx)
		} else {
			s.follow(ctx)
		}
	})
	both.Wait()
}

// hidden are the secrets that must not be in a line.
func (s *shipper) hidden() []string {
	var all []string
	if s.secrets != nil {
		all = s.secrets()
	}
	for _, ref := range []estate.Secret{s.log.Search.Password, s.log.Search.APIKey, s.log.Ship.Password, s.log.Ship.APIKey, s.log.Canary.Token} {
		if ref.IsZero() {
			continue
		}
		if value, err := ref.Reveal(); err == nil {
			all = append(all, value)
		}
	}
	return all
}

// sleep waits, and reports whether the context still holds.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// troubled says what is wrong, of each thing once a minute at most: the line is shipped too.
func (s *shipper) troubled(what string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = true
	if s.once(what) {
		s.say.Warn("shipping of a log is held up", "log.name", s.log.Name, "error.message", err.Error())
	}
}

func (s *shipper) once(what string) bool {
	if last, ok := s.said[what]; ok && s.now().Sub(last) < sayAgain {
		return false
	}
	if s.said == nil {
		s.said = map[string]time.Time{}
	}
	s.said[what] = s.now()
	return true
}

func (s *shipper) untroubled() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held {
		s.held = false
		if s.once("") {
			s.say.Info("shipping of a log goes on", "log.name", s.log.Name)
		}
	}
}

// takeOwn puts Garant's own lines into the spool. What there is no room for is left out: whoever logs does not wait.
func (s *shipper) takeOwn(ctx context.Context) {
	var left losses
	for {
		lines, more := s.some(ctx)
		if left.untold > 0 {
			notice := fmt.Sprintf(`{"log.level":"WARN","message":"log lines were left out for want of room","garant.lines":%d}`, left.untold)
			if n, _ := s.spool.Append(s.record([]byte(notice), false, uuid.Must(uuid.NewV7()).String())); n == 1 {
				left.untold = 0
			}
		}
		records := make([]spool.Record, 0, len(lines))
		for _, line := range lines {
			cut := len(line) > tail.MaxLine
			records = append(records, s.record(line[:min(len(line), tail.MaxLine)], cut, uuid.Must(uuid.NewV7()).String()))
		}
		lost := s.queue.dropped.Swap(0)
		for len(records) > 0 {
			n, err := s.spool.Append(records...)
			if records = records[n:]; err == nil {
				continue
			}
			if errors.Is(err, spool.ErrTooBig) {
				lost++
				records = records[1:]
				continue
			}
			lost += int64(len(records))
			records = nil
			s.troubled("room", err)
		}
		left.add(s, lost, !more)
		if !more {
			return
		}
	}
}

// losses counts lines that were left out; the disk is told once a second at most.
type losses struct {
	untold, unnoted int64
	noted           time.Time
}

func (l *losses) add(s *shipper, lost int64, last bool) {
	l.untold, l.unnoted = l.untold+lost, l.unnoted+lost
	if now := s.now(); l.unnoted > 0 && (last || now.Sub(l.noted) >= time.Second) {
		n := l.unnoted
		s.spool.Note(func(st *spool.State) { st.Dropped += n; st.DroppedAt = now.UTC() })
		l.unnoted, l.noted = 0, now
	}
}

// some waits for lines and takes those that come within a moment. more is false once the context has ended and nothing is left.
func (s *shipper) some(ctx context.Context) (lines [][]byte, more bool) {
	size := 0
	take := func(line []byte) {
		s.queue.taken(line)
		lines, size = append(lines, line), size+len(line)
	}
	until := time.NewTimer(max(s.pace.gather, time.Second)) // so that losses are told though nobody logs
	defer until.Stop()
	select {
	case line := <-s.queue.lines:
		take(line)
		until.Reset(s.pace.gather)
	case <-until.C:
		return nil, true
	case <-ctx.Done():
	}
	for len(lines) < batchLines && size < batchBytes {
		if ctx.Err() != nil {
			select {
			case line := <-s.queue.lines:
				take(line)
				continue
			default:
				return lines, false
			}
		}
		select {
		case line := <-s.queue.lines:
			take(line)
		case <-until.C:
			return lines, true
		case <-ctx.Done():
		}
	}
	return lines, true
}

func (s *shipper) record(line []byte, cut bool, id string) spool.Record {
	return spool.Record{ID: id, Body: document(line, cut, s.now(), s.from, s.red)}
}

// follow puts the lines of a file into the spool. While that is full the file waits.
func (s *shipper) follow(ctx context.Context) {
	name := sha256.Sum256([]byte(s.log.Ship.File))
	var t *tail.Tail
	var keys redact.Block
	defer func() {
		if t != nil {
			t.Close()
		}
	}()
	for {
		if t == nil {
			var err error
			if t, err = tail.Open(s.log.Ship.File, filepath.Join(s.dir, "position-"+hex.EncodeToString(name[:8])), s.now); err != nil {
				s.troubled("file", err)
			} else {
				t.Settle = s.pace.settle
			}
		}
		var lines []tail.Line
		if t != nil {
			var err error
			if lines, err = t.Read(batchBytes); err != nil {
				s.troubled("file", err)
			}
			if n := t.Missed(); n > 0 {
				s.spool.Note(func(st *spool.State) { st.Missed += int64(n); st.MissedAt = s.now().UTC() })
			}
		}
		records := make([]spool.Record, 0, len(lines))
		for _, l := range lines {
			records = append(records, s.record(keys.Line(l.Text), l.Cut, l.ID))
		}
		for len(records) > 0 {
			n, err := s.spool.Append(records...)
			if records = records[n:]; err == nil {
				continue
			}
			if errors.Is(err, spool.ErrTooBig) {
				s.spool.SetAside(records[0], "too_big")
				records = records[1:]
				continue
			}
			s.troubled("room", err)
			if !sleep(ctx, s.pace.gather) {
				return // the position was not kept: these lines are read again, under the same IDs
			}
		}
		if t != nil {
			if err := t.Commit(); err != nil {
				s.troubled("position", err)
			}
		}
		if ctx.Err() != nil || len(lines) == 0 && !sleep(ctx, s.pace.gather) {
			return
		}
	}
}

// client makes one from what the secrets say now: they may have been replaced.
func (s *shipper) client() (*elastic.Client, error) {
	o, err := options(s.log.Search)
	if err != nil {
		return nil, err
	}
	o.Timeout = s.pace.bulk
	if ship := s.log.Ship; !ship.APIKey.IsZero() || !ship.Password.IsZero() {
		if o.User, o.Password, o.APIKey, err = credentials(ship.User, ship.Password, ship.APIKey); err != nil {
			return nil, err
		}
	}
	return elastic.New(o)
}

// deliver sends what is in the spool.
func (s *shipper) deliver(ctx context.Context) {
	wait := s.pace.first
	for ctx.Err() == nil {
		batch, err := s.spool.Next(batchLines, batchBytes)
		if err != nil {
			s.troubled("spool", err)
			sleep(ctx, s.pace.longest)
			continue
		}
		if len(batch) == 0 {
			select {
			case <-ctx.Done():
			case <-s.spool.Wake():
			}
			continue
		}
		if !s.settle(ctx, batch, &wait) {
			return // not committed: sent again, under the same IDs
		}
		if err := s.spool.Commit(); err != nil {
			s.troubled("spool", err)
		}
	}
}

// settle sends a batch until the fate of each line is known. It reports false when the context ended before.
func (s *shipper) settle(ctx context.Context, batch []spool.Record, wait *time.Duration) bool {
	most := batchLines
	for len(batch) > 0 {
		chunk := batch[:min(len(batch), most)]
		var again []spool.Record
		results, err := s.send(ctx, chunk)
		pause := time.Duration(0)
		switch why := elastic.Why(err); {
		case ctx.Err() != nil:
			return false
		case err == nil:
			again = s.sort(chunk, results)
		case (why.Reason == elastic.TooLarge || why.Whole()) && len(chunk) > 1:
			most = len(chunk) / 2
			continue
		case why.Reason == elastic.TooLarge:
			s.spool.SetAside(chunk[0], "request_too_large")
		case why.Whole() && s.barred(ctx, chunk[0]):
			s.spool.SetAside(chunk[0], "request_refused")
		default:
			again, pause = chunk, why.After
			s.troubled(string(why.Reason), err)
		}
		batch = append(again[:len(again):len(again)], batch[len(chunk):]...)
		if len(again) == 0 {
			*wait = s.pace.first
			most = min(2*most, batchLines)
			s.untroubled()
			continue
		}
		if len(again) < len(chunk) {
			*wait = s.pace.first // some were taken: it is busy, not away
		}
		pause = max(pause, *wait)
		if !sleep(ctx, pause+rand.N(pause/4+1)) { //nolint:gosec // no secret
			return false
		}
		*wait = min(2**wait, s.pace.longest)
	}
	return true
}

func (s *shipper) send(ctx context.Context, chunk []spool.Record) ([]elastic.Result, error) {
	client, err := s.client()
	if err != nil {
		return nil, err
	}
	docs := make([]elastic.Doc, 0, len(chunk))
	for _, r := range chunk {
		docs = append(docs, elastic.Doc(r))
	}
	return client.Bulk(ctx, s.log.Ship.Into, docs)
}

// barred reports whether it is for what a line says that requests with it are refused, by something in front of the cluster, and not for the login or for a moment:
// it is refused again and again, and a line that says so in its place is taken each time.
func (s *shipper) barred(ctx context.Context, line spool.Record) bool {
	notice := s.record([]byte(`{"log.level":"WARN","message":"a log line was refused on its way to the index"}`), false, line.ID+"-refused")
	for range insist {
		if results, err := s.send(ctx, []spool.Record{notice}); err != nil || results[0].Fate != elastic.Kept {
			return false
		}
		if _, err := s.send(ctx, []spool.Record{line}); err == nil || !elastic.Why(err).Whole() {
			return false // and it is sent once more, under its ID
		}
	}
	return true
}

// sort puts aside what will never be taken, and returns what is to be sent again.
func (s *shipper) sort(chunk []spool.Record, results []elastic.Result) (again []spool.Record) {
	for i, r := range results {
		switch r.Fate {
		case elastic.Kept:
		case elastic.Never:
			s.spool.SetAside(chunk[i], cmp.Or(r.Type, "refused"))
		case elastic.Blocked:
			s.troubled("index", fmt.Errorf("the index takes nothing (%s)", cmp.Or(r.Type, "refused")))
			again = append(again, chunk[i])
		default:
			again = append(again, chunk[i])
		}
	}
	return again
}
