package trees

import (
	"compress/gzip"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

// Serving is what Handler serves.
type Serving struct {
	On         pg.Querier
	Generation int // not 0: what is under an address never changes, so that a later generation needs another one
	Tree       string
	Keys       *crypt.Box // of Tree.Keys

	// Signer signs checkpoints of a tree other than the root log; nil: there are none of it.
	Signer note.Signer

	// Failed is told what went wrong on our side; nil: nobody.
	Failed func(*http.Request, error)
}

// Handler serves a tree under the paths of C2SP tlog-tiles: /checkpoint, /tile/L/N[.p/W], /tile/entries/N[.p/W]. The root log may be cached by anybody;
// whoever mounts another tree has asked who may see it, and nobody but the reader caches it.
func Handler(s Serving) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /checkpoint", func(w http.ResponseWriter, r *http.Request) { s.answer(w, r, s.checkpoint) })
	mux.HandleFunc("GET /tile/", func(w http.ResponseWriter, r *http.Request) { s.answer(w, r, s.tile) })
	return mux
}

// answer is what is sent.
type answer struct {
	body  []byte
	kind  string
	cache string
	pack  bool // with gzip, for who takes it
}

func (s *Serving) answer(w http.ResponseWriter, r *http.Request, get func(*http.Request) (answer, error)) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	a, err := get(r)
	if err != nil {
		status := errs.HTTPStatus(err)
		var e *errs.Error
		if errors.As(err, &e) && e.ID == ErrDropped {
			status = http.StatusGone
		}
		if status >= http.StatusInternalServerError && s.Failed != nil {
			s.Failed(r, err)
		}
		text, _ := errs.Sentence(err)
		h.Set("Cache-Control", "no-store")
		http.Error(w, text, status)
		return
	}
	h.Set("Content-Type", a.kind)
	h.Set("Cache-Control", a.cache)
	if a.pack {
		h.Add("Vary", "Accept-Encoding")
		if takesGzip(r) && len(a.body) > 1024 {
			h.Set("Content-Encoding", "gzip")
			if r.Method == http.MethodHead {
				return
			}
			z := gzip.NewWriter(w)
			_, _ = z.Write(a.body) // the reader may be gone
			_ = z.Close()
			return
		}
	}
	h.Set("Content-Length", strconv.Itoa(len(a.body)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(a.body) // the reader may be gone
	}
}

func takesGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, q, _ := strings.Cut(strings.TrimSpace(part), ";")
		if name == "gzip" && strings.ReplaceAll(q, " ", "") != "q=0" {
			return true
		}
	}
	return false
}

func (s *Serving) checkpoint(r *http.Request) (a answer, err error) {
	t, err := s.open(r)
	if err != nil {
		return a, err
	}
	a.kind, a.cache = "text/plain; charset=utf-8", "no-cache"
	if s.Tree == Root {
		latest, err := t.Latest(r.Context())
		a.body = []byte(latest.Note)
		return a, err
	}
	a.cache = "private, no-cache"
	if s.Signer == nil {
		return a, errs.New(errs.NotFound, "trees.no_signer", "No checkpoints of this tree are signed here: its heads are in the root log.")
	}
	signed, err := t.SignedBy(r.Context(), s.Signer)
	a.body = []byte(signed)
	return a, err
}

func (s *Serving) open(r *http.Request) (*Tree, error) {
	if s.Generation <= 0 {
		return nil, errs.New(errs.Internal, "trees.generation", "A log is served by the number of its generation.")
	}
	t, err := Open(r.Context(), s.On, s.Generation, s.Tree)
	if err == nil {
		t.Keys = s.Keys
	}
	return t, err
}

func (s *Serving) tile(r *http.Request) (a answer, err error) {
	level, n, wide, err := parseTilePath(r.URL.Path)
	if err != nil {
		return a, err
	}
	t, err := s.open(r)
	if err != nil {
		return a, err
	}
	a.kind = "application/octet-stream"
	who := "public"
	if s.Tree != Root {
		who = "private"
	}
	a.cache = who + ", max-age=31536000, immutable"
	if wide < merkle.TileWidth { // it does not change either, but nobody needs it for long
		a.cache = who + ", max-age=3600, immutable"
	}
	if level < 0 {
		a.pack = true
		if s.Tree != Root {
			a.cache = "private, no-store" // entries of a customer stay nowhere
		}
		a.body, err = t.EntryBundle(r.Context(), n, wide)
		return a, err
	}
	a.body, err = t.Tile(r.Context(), level, n, wide)
	return a, err
}

// TilePath is the path of a tile, level -1 of an entry bundle. C2SP tlog-tiles.
func TilePath(level int, n int64, wide int) string {
	path := fmt.Sprintf("%03d", n%1000)
	for n /= 1000; n > 0; n /= 1000 {
		path = fmt.Sprintf("x%03d/%s", n%1000, path)
	}
	kind := "entries"
	if level >= 0 {
		kind = strconv.Itoa(level)
	}
	path = "/tile/" + kind + "/" + path
	if wide < merkle.TileWidth {
		path += ".p/" + strconv.Itoa(wide)
	}
	return path
}

// parseTilePath reads one; level -1: of an entry bundle. Only the one way to write it is taken.
func parseTilePath(path string) (level int, n int64, wide int, err error) {
	bad := errs.New(errs.NotFound, "trees.path", "There is no such part of the log.")
	const longest = 60 // tile/63/ and six groups of a number
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	if len(path) > longest || len(parts) < 3 || parts[0] != "tile" {
		return 0, 0, 0, bad
	}
	level, wide = -1, merkle.TileWidth
	if parts[1] != "entries" {
		if level, err = strconv.Atoi(parts[1]); err != nil || level < 0 || level > 63 {
			return 0, 0, 0, bad
		}
	}
	groups := slices.Clone(parts[2:])
	if last := len(groups) - 2; last >= 0 && strings.HasSuffix(groups[last], ".p") {
		if wide, err = strconv.Atoi(groups[last+1]); err != nil || wide < 1 || wide >= merkle.TileWidth {
			return 0, 0, 0, bad
		}
		groups[last] = strings.TrimSuffix(groups[last], ".p")
		groups = groups[:last+1]
	}
	if len(groups) > 6 {
		return 0, 0, 0, bad
	}
	for _, g := range groups {
		digits, err := strconv.ParseUint(strings.TrimPrefix(g, "x"), 10, 10)
		if err != nil || digits > 999 {
			return 0, 0, 0, bad
		}
		n = n*1000 + int64(digits)
	}
	if TilePath(level, n, wide) != "/"+strings.TrimPrefix(path, "/") {
		return 0, 0, 0, bad
	}
	return level, n, wide, nil
}
