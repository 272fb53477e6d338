package stream

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// ledger is what a receiver keeps: every line once, by its uid. It finds what no receiver may see.
type ledger struct {
	mu     sync.Mutex
	uids   map[string]bool
	last   int64 // position
	twice  int
	wrong  []string
	single bool // lines come one by one: a repeated stretch may end anywhere
}

type received struct {
	UID        string
	Position   int64
	Tree       string
	Index      *int64
	Leaf       string
	Checkpoint string
	Shortened  bool
	Detail     map[string]any
	Changes    []map[string]any
	Outcome    string
}

// take keeps a batch. Lines come in order and without a gap; those that are there already come as whole batches.
func (l *ledger) take(lines []received) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.uids == nil {
		l.uids = map[string]bool{}
	}
	known := 0
	for _, r := range lines {
		switch {
		case l.uids[r.UID]:
			known++
		case r.Position != l.last+1:
			l.wrong = append(l.wrong, fmt.Sprintf("position %d after %d", r.Position, l.last))
			fallthrough
		default:
			l.uids[r.UID], l.last = true, r.Position
		}
	}
	l.twice += known
	if known != 0 && known != len(lines) && !l.single {
		l.wrong = append(l.wrong, fmt.Sprintf("a batch of %d lines, %d of them known", len(lines), known))
	}
}

func (l *ledger) sound(t testing.TB, want int64) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range l.wrong {
		t.Error(w)
	}
	if l.last != want || int64(len(l.uids)) != want {
		t.Errorf("%d lines up to position %d, want %d", len(l.uids), l.last, want)
	}
}

func (l *ledger) at() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// receiver is a webhook that verifies by the specification, and can be told to misbehave.
type receiver struct {
	ledger
	t      testing.TB
	now    func() time.Time
	server *httptest.Server
	trust  []byte
	secret string
	behave func(w http.ResponseWriter, r *http.Request, lines int) bool // true: it has answered; the batch is not kept
	ids    []string
	bodies [][]byte
	hold   chan struct{}
}

func newReceiver(t testing.TB, now func() time.Time) *receiver {
	r := &receiver{t: t, now: now, secret: secretText, hold: make(chan struct{})}
	r.server = httptest.NewUnstartedServer(http.HandlerFunc(r.serve))
	r.server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // handshakes that fail are meant to
	r.server.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	r.server.StartTLS()
	r.trust = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.server.Certificate().Raw})
	t.Cleanup(func() { close(r.hold); r.server.CloseClientConnections(); r.server.Close() })
	return r
}

func (r *receiver) url() string { return r.server.URL + "/take" }

func (r *receiver) set(behave func(w http.ResponseWriter, r *http.Request, lines int) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.behave = behave
}

func (r *receiver) serve(w http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	behave, secret := r.behave, r.secret
	r.mu.Unlock()
	if behave != nil && behave(w, q, -1) {
		return
	}
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return
	}
	lines := bytes.Count(body, []byte{'\n'})
	if behave != nil && behave(w, q, lines) {
		return
	}
	if why := r.verify(q, body, secret); why != "" {
		http.Error(w, why, http.StatusUnauthorized)
		return
	}
	var batch []received
	for _, text := range strings.Split(strings.TrimSuffix(string(body), "\n"), "\n") {
		var one received
		if err := json.Unmarshal([]byte(text), &one); err != nil {
			http.Error(w, "no JSON", http.StatusBadRequest)
			return
		}
		batch = append(batch, one)
	}
	r.take(batch)
	r.mu.Lock()
	r.ids, r.bodies = append(r.ids, q.Header.Get("webhook-id")), append(r.bodies, body)
	r.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

// verify does what a receiver does by the specification of Standard Webhooks; written apart from the sender.
func (r *receiver) verify(q *http.Request, body []byte, secret string) string {
	id, stamp := q.Header.Get("webhook-id"), q.Header.Get("webhook-timestamp")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	switch {
	case q.Method != http.MethodPost || q.TLS == nil || q.TLS.Version < tls.VersionTLS12:
		return "not posted over TLS"
	case q.Header.Get("Content-Type") != "application/x-ndjson":
		return "content type"
	case id == "" || strings.Contains(id, "."):
		return "id"
	case err != nil || r.now().Sub(time.Unix(seconds, 0)).Abs() > 5*time.Minute:
		return "time"
	case !bytes.HasSuffix(body, []byte("\n")):
		return "no line"
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return "secret"
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", id, stamp, body)
	for _, signature := range strings.Split(q.Header.Get("webhook-signature"), " ") {
		version, encoded, _ := strings.Cut(signature, ",")
		given, err := base64.StdEncoding.DecodeString(encoded)
		if version == "v1" && err == nil && hmac.Equal(given, mac.Sum(nil)) {
			return ""
		}
	}
	return "signature"
}

// The ways in which a receiver misbehaves.
func answers(status int, header ...string) func(http.ResponseWriter, *http.Request, int) bool {
	return func(w http.ResponseWriter, _ *http.Request, lines int) bool {
		if lines < 0 {
			return false
		}
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		return true
	}
}

func (r *receiver) hangs(_ http.ResponseWriter, q *http.Request, _ int) bool {
	select {
	case <-r.hold:
	case <-q.Context().Done():
	}
	return true
}

// cuts takes half of what comes, and resets.
func cuts(w http.ResponseWriter, q *http.Request, _ int) bool {
	_, _ = io.CopyN(io.Discard, q.Body, 10)
	panic(http.ErrAbortHandler)
}

// dribbles answers one byte at a time, for ever.
func (r *receiver) dribbles(w http.ResponseWriter, q *http.Request, _ int) bool {
	w.Header().Set("X-Slow", "1")
	for q.Context().Err() == nil {
		if _, err := w.Write([]byte(" ")); err != nil {
			return true
		}
		_ = http.NewResponseController(w).Flush()
		select {
		case <-r.hold:
			return true
		case <-time.After(20 * time.Millisecond):
		}
	}
	return true
}

// floods answers without end.
func floods(w http.ResponseWriter, _ *http.Request, lines int) bool {
	if lines < 0 {
		return false
	}
	w.WriteHeader(http.StatusOK)
	for range 100 {
		if _, err := w.Write(make([]byte, 64<<10)); err != nil {
			break
		}
	}
	return true
}
