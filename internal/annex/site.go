package annex

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/garant-project/garant/internal/annex/page"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/ui"
)

// pageFor is how long a rendered page may be shown again, in this process and in caches of
// others: a sentence withdraws itself within seconds.
const pageFor = 2 * time.Second

// feedFor is how long caches of others may show the feed of changes.
const feedFor = time.Minute

// Site is the public pages.
type Site struct {
	reader *Reader
	words  *ui.Messages
	pages  *page.Pages
	origin string // as browsers write it
	now    func() time.Time

	mu    sync.Mutex
	cache map[string]*rendered
}

// NewSite makes the pages. origin is where readers find them.
func NewSite(reader *Reader, words *ui.Messages, origin string, now func() time.Time) (*Site, error) {
	pages, err := page.New(words)
	if err != nil {
		return nil, err
	}
	return &Site{reader: reader, words: words, pages: pages, origin: origin, now: now, cache: map[string]*rendered{}}, nil
}

// Routes are the addresses of the public annex.
func (s *Site) Routes() []web.Route {
	return []web.Route{
		{Pattern: "GET /{$}", Permission: web.Public, Handler: s.annex},
		{Pattern: "GET /m/{id}", Permission: web.Public, Handler: s.proof},
		{Pattern: "GET /changes", Permission: web.Public, Handler: s.changes},
		{Pattern: "GET /changes.atom", Permission: web.Public, Handler: s.feed},
		{Pattern: "GET /subprocessors", Permission: web.Public, Handler: s.subprocessors},
		{Pattern: "GET /verify", Permission: web.Public, Handler: s.verify},
		{Pattern: "GET /document.json", Permission: web.Public, Handler: s.document},
		{Pattern: "GET /subprocessors.json", Permission: web.Public, Handler: s.subprocessorsJSON},
		{Pattern: "GET /annex.json", Permission: web.Public, Handler: s.annexJSON},
		{Pattern: "GET /m/{id}/proof.json", Permission: web.Public, Handler: s.proofJSON},
		{Pattern: "GET /changes.json", Permission: web.Public, Handler: s.changesJSON},
		{Pattern: "GET /static/", Permission: web.Public, Handler: web.Serve(ui.Static())},
	}
}

// rendered is a page as bytes.
type rendered struct {
	once       sync.Once
	snapshot   string
	until      time.Time
	body, gzip []byte
	etag, kind string
	changed    time.Time // when what it tells of last changed; zero: within the second of the look
	err        error
}

// show serves a page of the present from memory, writing it anew when the annex or the moment
// changed. ask is what distinguishes pages; it must come from a bounded set.
func (s *Site) show(w http.ResponseWriter, r *web.Request, ask, kind string, write func(io.Writer, *Snapshot, time.Time) error) error {
	snapshot, err := s.reader.Now()
	if err != nil {
		return err
	}
	now := r.Now
	s.mu.Lock()
	p := s.cache[ask]
	if p == nil || p.snapshot != snapshot.key || !now.Before(p.until) || p.until.Sub(now) > pageFor {
		p = &rendered{snapshot: snapshot.key, until: now.Add(pageFor), kind: kind, changed: snapshot.settled()}
		s.cache[ask] = p
	}
	s.mu.Unlock()
	p.once.Do(func() {
		var b bytes.Buffer
		p.err = errs.New(errs.Internal, "annex.render", "The page could not be written.") // stays if writing panics
		if p.err = write(&b, snapshot, now); p.err == nil {
			p.seal(b.Bytes())
		}
	})
	if p.err != nil {
		s.mu.Lock()
		if s.cache[ask] == p {
			delete(s.cache, ask)
		}
		s.mu.Unlock()
		return p.err
	}
	return p.serve(w, r.Request)
}

func (p *rendered) seal(body []byte) {
	p.body = body
	sum := sha256.Sum256(body)
	p.etag = `"` + hex.EncodeToString(sum[:16]) + `"`
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write(body)
	if errors.Join(err, z.Close()) == nil {
		p.gzip = b.Bytes()
	}
}

func (p *rendered) serve(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	h.Set("Content-Type", p.kind)
	keep := pageFor
	if p.kind == kindAtom { // it tells of changes, and asserts nothing of the present
		keep = feedFor
		if !p.changed.IsZero() {
			h.Set("Last-Modified", p.changed.UTC().Format(http.TimeFormat))
		}
	}
	h.Set("Cache-Control", "public, max-age="+strconv.Itoa(int(keep.Seconds()))+", must-revalidate")
	h.Set("Expires", p.until.Add(keep-pageFor).UTC().Format(http.TimeFormat))
	h.Set("Vary", "Accept-Encoding, Accept-Language, Cookie")
	h.Set("ETag", p.etag)
	if p.fresh(r) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	body := p.body
	if p.gzip != nil && ui.AcceptsGzip(r.Header.Get("Accept-Encoding")) {
		h.Set("Content-Encoding", "gzip")
		body = p.gzip
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // a reader who went away is nobody to tell
	return nil
}

// fresh reports whether a reader has the page already. A date counts for feeds alone, and where no
// digest is given (RFC 9110 §13.1.3).
func (p *rendered) fresh(r *http.Request) bool {
	if known := r.Header.Get("If-None-Match"); known != "" || p.kind != kindAtom {
		return known == p.etag
	}
	since, err := http.ParseTime(r.Header.Get("If-Modified-Since"))
	return err == nil && !p.changed.IsZero() && !p.changed.Truncate(time.Second).After(since)
}

// moment reads ?at=: a day, which means its end in the company's zone, or a time (RFC 3339).
// zero: the present.
func (s *Site) moment(r *web.Request) (time.Time, error) {
	text := r.URL.Query().Get("at")
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	zone := time.UTC
	if now, err := s.reader.Now(); err == nil {
		zone = now.zone()
	}
	day, err := time.ParseInLocation(time.DateOnly, text, zone)
	if err != nil {
		return time.Time{}, errs.New(errs.Invalid, "annex.bad_day", "This is not a day.").WithFix("Write it as 2026-03-01.")
	}
	today := midnight(s.now(), zone)
	switch end := day.AddDate(0, 0, 1).Add(-time.Microsecond); {
	case day.After(today):
		return day, nil // refused by the reader: it has not come yet
	case day.Equal(today):
		return time.Time{}, nil
	default:
		return end, nil
	}
}

// replay serves a page of the past, which is not kept.
func (s *Site) replay(w http.ResponseWriter, r *web.Request, at time.Time, kind string, write func(io.Writer, *Snapshot, time.Time) error) error {
	snapshot, err := s.reader.At(r.Context(), at)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := write(&b, snapshot, at); err != nil {
		return err
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	_, _ = w.Write(b.Bytes())
	return nil
}

// answer serves a page of the moment that the reader asks for.
func (s *Site) answer(w http.ResponseWriter, r *web.Request, ask, kind string, write func(io.Writer, *Snapshot, time.Time) error) error {
	at, err := s.moment(r)
	if err != nil {
		return err
	}
	if !at.IsZero() {
		return s.replay(w, r, at, kind, write)
	}
	return s.show(w, r, ask+" "+r.Lang, kind, write)
}

const (
	kindHTML = "text/html; charset=utf-8"
	kindJSON = "application/json; charset=utf-8"
	kindAtom = "application/atom+xml; charset=utf-8"
)

func writeJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}
