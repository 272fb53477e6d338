// Package shiptest is a cluster for tests: it speaks what of Elasticsearch and OpenSearch shipping and finding log lines needs, over HTTP on the loopback address.
//
// It is strict where the products are: a bulk request has the right content type, lines of JSON, and a line break after the last
// (https://www.elastic.co/guide/en/elasticsearch/reference/current/docs-bulk.html); a document is created once under its ID, and 409 after that; the first document with a
// field decides what the field is, and one that does not fit is refused alone with 400; a document is found after the next refresh
// (index.refresh_interval); a request that is too large gets 413, one too many 429 (https://www.elastic.co/docs/troubleshoot/elasticsearch/rejected-requests). What it does not know it refuses with 400.
//
// It has no analysis but lower case and words of letters and digits, one shard, and no query but match_phrase.
package shiptest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"
)

// Faults are what is wrong with the cluster. The zero value is a sound one.
type Faults struct {
	Swallow bool          // documents are taken and never found
	Delay   time.Duration // until a document is found, besides the refresh

	// Of searches.
	Denied   bool // 403
	Missing  bool // 404, as for a pattern that names no index
	Redirect bool
	Garbage  bool // no JSON
	Foreign  bool // JSON of something else
	Partial  bool // a shard fails
	TimedOut bool
	Busy     bool // 429
	Cut      bool // the connection ends
	Echo     bool // finds whatever is asked, made of the question
	Old      bool // finds what was there before, whatever is asked, and nothing newer
	Other    bool // finds another document, which quotes the question as a log of queries does
	Honest   int  // so many searches of each pattern are answered well before

	// Of bulk requests.
	BulkBusy   int     // so many get 429
	BulkDenied bool    // 403
	BulkHang   bool    // never answered
	BulkCut    float64 // share of connections that end, before or after the documents are kept
	ItemBusy   float64 // share of documents that get 429 alone
	Short      bool    // one document less in the answer than asked
	Forbidden  string  // a request in which it stands gets 403, as from a filter in front of the cluster; empty: none
	MaxRequest int     // bytes above which a request gets 413; 0: none
}

// Server is a cluster.
type Server struct {
	*httptest.Server
	Refresh time.Duration // from keeping to finding
	Product string        // "elasticsearch" or "opensearch"
	Read    string        // Authorization that may search; empty: anybody
	Write   string        // Authorization that may write

	mu       sync.Mutex
	faults   Faults
	since    time.Time      // of the faults
	asked    map[string]int // searches since then, by pattern
	indices  map[string]*index
	requests int // of the bulk protocol
	wrong    []string
	random   *rand.Rand
	release  chan struct{}
}

type index struct {
	docs  map[string]*doc
	order []string
	kinds map[string]string
	again int // documents that were sent once more
}

type doc struct {
	source  map[string]any
	raw     json.RawMessage
	kept    time.Time
	swallow bool
	visible time.Time
}

// Start starts a cluster that ends with the test, and fails it when a request was malformed.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{Product: "opensearch", indices: map[string]*index{}, asked: map[string]int{}, random: rand.New(rand.NewPCG(1, 2)), release: make(chan struct{})} //nolint:gosec // no secret
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(func() {
		close(s.release)
		s.CloseClientConnections()
		s.Close()
		for _, wrong := range s.wrong {
			t.Errorf("a request that the products refuse: %s", wrong)
		}
	})
	return s
}

// Set changes what is wrong.
func (s *Server) Set(f Faults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults, s.since, s.asked = f, time.Now(), map[string]int{}
}

// Create makes an index.
func (s *Server) Create(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.index(name)
}

// Index keeps a document without HTTP, as a shipper of somebody else does.
func (s *Server) Index(name, id string, source []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.create(name, id, source)
}

// Documents returns what an index keeps, by ID, and how many times one was sent that it had.
func (s *Server) Documents(name string) (docs map[string]json.RawMessage, again int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	docs = map[string]json.RawMessage{}
	if i := s.indices[name]; i != nil {
		for id, d := range i.docs {
			docs[id] = d.raw
		}
		again = i.again
	}
	return docs, again
}

// Requests returns how many bulk requests came.
func (s *Server) Requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// Wrong returns why requests were refused as malformed, and forgets it.
func (s *Server) Wrong() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.wrong
	s.wrong = nil
	return list
}

func (s *Server) index(name string) *index {
	i := s.indices[name]
	if i == nil {
		i = &index{docs: map[string]*doc{}, kinds: map[string]string{}}
		s.indices[name] = i
	}
	return i
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case r.URL.Path == "/" && r.Method == http.MethodGet:
		s.info(w, r)
	case len(parts) == 2 && parts[1] == "_bulk" && r.Method == http.MethodPost:
		s.bulk(w, r, parts[0], body)
	case len(parts) == 2 && parts[1] == "_search" && r.Method == http.MethodPost:
		s.search(w, r, parts[0], body)
	case len(parts) == 2 && parts[1] == "_count" && r.Method == http.MethodGet:
		docs, _ := s.Documents(parts[0])
		answer(w, http.StatusOK, map[string]any{"count": len(docs), "_shards": shards(1, 0)})
	default:
		s.malformed(w, "no handler found for "+r.Method+" "+r.URL.Path)
	}
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func failed(w http.ResponseWriter, status int, kind string) {
	answer(w, status, map[string]any{"error": map[string]any{"type": kind, "reason": "as the test asks", "root_cause": []any{map[string]string{"type": kind, "reason": "as the test asks"}}}, "status": status})
}

func (s *Server) malformed(w http.ResponseWriter, why string) {
	s.mu.Lock()
	s.wrong = append(s.wrong, why)
	s.mu.Unlock()
	failed(w, http.StatusBadRequest, "illegal_argument_exception")
}

func shards(total, failed int) map[string]int {
	return map[string]int{"total": total, "successful": total - failed, "skipped": 0, "failed": failed}
}

func (s *Server) info(w http.ResponseWriter, r *http.Request) {
	if s.Read != "" && r.Header.Get("Authorization") != s.Read {
		failed(w, http.StatusUnauthorized, "security_exception")
		return
	}
	if s.Product == "opensearch" {
		answer(w, http.StatusOK, map[string]any{"name": "n1", "version": map[string]string{"distribution": "opensearch", "number": "3.1.0"}, "tagline": "The OpenSearch Project: https://opensearch.org/"})
		return
	}
	answer(w, http.StatusOK, map[string]any{"name": "n1", "version": map[string]string{"number": "9.1.0"}, "tagline": "You Know, for Search"})
}

// cut ends the connection without an answer.
func cut(w http.ResponseWriter) {
	if h, ok := w.(http.Hijacker); ok {
		if conn, _, err := h.Hijack(); err == nil {
			_ = conn.Close()
		}
	}
}

type action struct {
	id     string
	source []byte
}

// actions reads a bulk request as strictly as the products do.
func actions(r *http.Request, body []byte) ([]action, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-ndjson" && kind != "application/json" {
		return nil, fmt.Errorf("Content-Type header [%s] is not supported", r.Header.Get("Content-Type"))
	}
	if len(body) == 0 {
		return nil, errors.New("request body is required")
	}
	if body[len(body)-1] != '\n' {
		return nil, errors.New("The bulk request must be terminated by a newline [\\n]") //nolint:revive // as the product says it
	}
	lines := bytes.Split(body[:len(body)-1], []byte("\n"))
	if len(lines)%2 != 0 {
		return nil, errors.New("an action without a document")
	}
	var list []action
	for i := 0; i < len(lines); i += 2 {
		var a map[string]struct {
			ID string `json:"_id"`
		}
		decoder := json.NewDecoder(bytes.NewReader(lines[i]))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&a); err != nil || len(a) != 1 {
			return nil, fmt.Errorf("Malformed action/metadata line [%d]", i+1) //nolint:revive // as the product says it
		}
		one, ok := a["create"]
		if !ok || one.ID == "" || len(one.ID) > 512 {
			return nil, fmt.Errorf("Malformed action/metadata line [%d], expected create with _id", i+1) //nolint:revive // as above
		}
		if !json.Valid(lines[i+1]) || !bytes.HasPrefix(lines[i+1], []byte("{")) {
			return nil, fmt.Errorf("no document on line %d", i+2)
		}
		list = append(list, action{one.ID, lines[i+1]})
	}
	return list, nil
}

func (s *Server) bulk(w http.ResponseWriter, r *http.Request, name string, body []byte) {
	list, err := actions(r, body)
	if err == nil && strings.ContainsAny(name, "*, ") {
		err = errors.New("no pattern can be written into")
	}
	if err != nil {
		s.malformed(w, err.Error())
		return
	}
	s.mu.Lock()
	s.requests++
	f := s.faults
	ends := s.random.Float64() < f.BulkCut
	early := s.random.IntN(2) == 0
	busy := f.BulkBusy > 0
	if busy {
		s.faults.BulkBusy--
	}
	s.mu.Unlock()
	switch {
	case s.Write != "" && r.Header.Get("Authorization") != s.Write:
		failed(w, http.StatusUnauthorized, "security_exception")
		return
	case f.BulkHang:
		select {
		case <-r.Context().Done():
		case <-s.release:
		}
		return
	case f.BulkDenied, f.Forbidden != "" && bytes.Contains(body, []byte(f.Forbidden)):
		failed(w, http.StatusForbidden, "security_exception")
		return
	case f.MaxRequest > 0 && len(body) > f.MaxRequest:
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	case busy:
		w.Header().Set("Retry-After", "0")
		failed(w, http.StatusTooManyRequests, "es_rejected_execution_exception")
		return
	case ends && early:
		cut(w)
		return
	}
	s.mu.Lock()
	items, wrong := []any{}, false
	for _, a := range list {
		status, kind := http.StatusTooManyRequests, "es_rejected_execution_exception"
		if s.random.Float64() >= f.ItemBusy {
			status, kind = s.create(name, a.id, a.source)
		}
		item := map[string]any{"_index": name, "_id": a.id, "status": status}
		if kind == "" {
			item["result"], item["_version"], item["_seq_no"], item["_primary_term"], item["_shards"] = "created", 1, 1, 1, shards(1, 0)
		} else {
			item["error"], wrong = map[string]any{"type": kind, "reason": "as the test asks: " + string(a.source[:min(len(a.source), 40)])}, true
		}
		items = append(items, map[string]any{"create": item})
	}
	s.mu.Unlock()
	if ends {
		cut(w)
		return
	}
	if f.Short {
		items = items[1:]
	}
	answer(w, http.StatusOK, map[string]any{"took": 1, "errors": wrong, "items": items})
}

// create keeps a document once; kind is that of the error, empty when there is none.
func (s *Server) create(name, id string, source []byte) (status int, kind string) {
	i := s.index(name)
	if _, there := i.docs[id]; there {
		i.again++
		return http.StatusConflict, "version_conflict_engine_exception"
	}
	d := &doc{raw: bytes.Clone(source), kept: time.Now(), swallow: s.faults.Swallow, visible: time.Now().Add(s.Refresh + s.faults.Delay)}
	if json.Unmarshal(source, &d.source) != nil {
		return http.StatusBadRequest, "document_parsing_exception"
	}
	for field, v := range d.source {
		if known := i.kinds[field]; known != "" && !fits(known, v) {
			return http.StatusBadRequest, "document_parsing_exception"
		}
	}
	for field, v := range d.source {
		if i.kinds[field] == "" {
			i.kinds[field] = kindOf(v)
		}
	}
	i.docs[id] = d
	i.order = append(i.order, id)
	return http.StatusCreated, ""
}

func kindOf(v any) string {
	switch v.(type) {
	case map[string]any:
		return "object"
	case float64:
		return "number"
	case bool:
		return "boolean"
	case string:
		return "text"
	}
	return ""
}

// fits reports whether a field takes a value: text takes numbers and words, an object objects alone, a number what reads as one.
func fits(kind string, v any) bool {
	is := kindOf(v)
	switch kind {
	case "text":
		return is != "object"
	case "number":
		return is == "number" || is == ""
	}
	return is == kind || is == ""
}

type query struct {
	Query struct {
		MatchPhrase map[string]string `json:"match_phrase"`
	} `json:"query"`
	Source []string `json:"_source"`
	Fields []string `json:"fields"`
	Size   int      `json:"size"`
}

func (s *Server) search(w http.ResponseWriter, r *http.Request, pattern string, body []byte) {
	var q query
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&q); err != nil || len(q.Query.MatchPhrase) != 1 || q.Size < 0 || q.Size > 10000 || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		s.malformed(w, "a search that is not understood: "+string(body))
		return
	}
	var field, phrase string
	for field, phrase = range q.Query.MatchPhrase { //nolint:revive // there is one
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.faults
	if s.asked[pattern]++; s.asked[pattern] <= f.Honest {
		f = Faults{}
	}
	hits, matched := s.find(pattern, field, phrase, f)
	switch {
	case s.Read != "" && r.Header.Get("Authorization") != s.Read:
		failed(w, http.StatusUnauthorized, "security_exception")
	case f.Denied:
		failed(w, http.StatusForbidden, "security_exception")
	case f.Missing, !matched && r.URL.Query().Get("allow_no_indices") == "false":
		failed(w, http.StatusNotFound, "index_not_found_exception")
	case f.Redirect:
		http.Redirect(w, r, "/login", http.StatusFound)
	case f.Garbage:
		_, _ = io.WriteString(w, "<html>"+phrase+"</html>")
	case f.Foreign:
		answer(w, http.StatusOK, map[string]any{"ok": true, "you_asked": q})
	case f.Busy:
		failed(w, http.StatusTooManyRequests, "es_rejected_execution_exception")
	case f.Cut:
		cut(w)
	default:
		total, bad := 1, 0
		if f.Partial {
			total, bad = 2, 1
		}
		if f.Partial || f.TimedOut {
			hits = []any{}
		}
		answer(w, http.StatusOK, map[string]any{
			"took": 1, "timed_out": f.TimedOut, "_shards": shards(total, bad),
			"hits": map[string]any{"total": map[string]any{"value": len(hits), "relation": "eq"}, "max_score": 1.0, "hits": hits[:min(len(hits), q.Size)]},
		})
	}
}

func hit(index, id string, source any) map[string]any {
	return map[string]any{"_index": index, "_id": id, "_score": 1.0, "_source": source}
}

// find returns the hits of a phrase in the indices of a pattern, and whether there is such an index.
func (s *Server) find(pattern, field, phrase string, f Faults) (hits []any, matched bool) {
	hits = []any{}
	for name, i := range s.indices {
		if !slices.ContainsFunc(strings.Split(pattern, ","), func(p string) bool { ok, _ := path.Match(p, name); return ok }) {
			continue
		}
		matched = true
		for _, id := range i.order {
			d := i.docs[id]
			if f.Old && d.kept.Before(s.since) {
				hits = append(hits, hit(name, id, d.source))
			}
			if f.Old || d.swallow || time.Now().Before(d.visible) || !slices.ContainsFunc(values(d.source, field), func(v string) bool { return contains(words(v), words(phrase)) }) {
				continue
			}
			if f.Other {
				hits = append(hits, hit("queries", "q", map[string]any{field: "searched for " + phrase}))
				continue
			}
			hits = append(hits, hit(name, id, d.source))
		}
	}
	if f.Echo {
		hits = []any{hit("logs", "x", map[string]any{field: phrase})}
	}
	return hits, matched
}

// values returns what a document has in a field, whose name may be a path.
func values(source map[string]any, field string) []string {
	if v, ok := source[field].(string); ok {
		return []string{v}
	}
	first, rest, ok := strings.Cut(field, ".")
	if inner, is := source[first].(map[string]any); ok && is {
		return values(inner, rest)
	}
	return nil
}

func words(s string) []string {
	return strings.FieldsFunc(strings.ToLower(s), func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) })
}

func contains(all, some []string) bool {
	if len(some) == 0 {
		return false
	}
	for i := 0; i+len(some) <= len(all); i++ {
		if slices.Equal(all[i:i+len(some)], some) {
			return true
		}
	}
	return false
}
