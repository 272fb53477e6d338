package stream

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/engine/auditlog/export"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
)

func TestMain(m *testing.M) {
	if config := os.Getenv(childEnv); config != "" {
		child(config)
		return
	}
	pgtest.Main(m)
}

// record is a Source in memory.
type record struct {
	mu         sync.Mutex
	lines      []export.Line
	checkpoint string
	broken     error
}

func (r *record) After(_ context.Context, position int64, limit int) ([]export.Line, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.broken != nil {
		return nil, r.broken
	}
	var found []export.Line
	for _, l := range r.lines {
		if l.Place.Position > position && len(found) < limit {
			found = append(found, l)
		}
	}
	return found, nil
}

func (r *record) Checkpoint(context.Context, int64) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.checkpoint, nil
}

// entryAt is the entry at a position of every record of these tests.
func entryAt(position int64, at time.Time) export.Line {
	value := "before " + fmt.Sprint(position)
	return export.Line{
		Entry: audit.Entry{
			ID: position, At: at, Actor: actor.Actor{Kind: actor.Person, ID: "p-1", Origin: "192.0.2.1"}, Action: "person.role_changed", Object: audit.Object{Kind: "person", ID: "p-2"},
			Refused: position%7 == 0, Detail: map[string]any{"n": position}, Changes: []audit.Change{{Field: "role", Before: &value}},
		},
		Place: export.Place{Log: "garant.example/log", Position: position, Tree: "company", Index: position - 1, Leaf: []byte(fmt.Sprintf("%032d", position))},
	}
}

func (r *record) add(n int, at time.Time, change func(*export.Line)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for range n {
		l := entryAt(int64(len(r.lines)+1), at)
		if change != nil {
			change(&l)
		}
		r.lines = append(r.lines, l)
	}
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// world is a sender with a real database, and receivers of every kind.
type world struct {
	t       testing.TB
	db      *pg.DB
	record  *record
	clock   *clock
	streams *Streams
	estate  *estate.Estate
	leader  *leader
	webhook *receiver
	syslog  *listener
	store   *store
}

const secretText = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

func newWorld(t *testing.T) *world {
	w := &world{t: t, db: pgtest.New(t), record: &record{}, clock: &clock{now: time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)}, store: &store{objects: map[string][]byte{}}}
	w.webhook = newReceiver(t, w.clock.Now)
	w.syslog = newListener(t)
	t.Setenv("STREAM_SECRET", secretText)
	t.Setenv("STREAM_KEY", w.syslog.clientKey)
	w.estate = &estate.Estate{Policy: estate.DefaultPolicy(), Streams: []estate.Stream{w.toWebhook(), w.toSyslog(), w.toStore()}}
	w.streams = Open(Deps{
		DB: w.db, Source: w.record, Putter: func(estate.Stream) (Putter, error) { return w.store, w.store.closed }, Declared: func() []estate.Stream { return w.estate.Streams },
		Now: w.clock.Now, Log: slog.New(slog.DiscardHandler), Build: "1.2.3", Host: "garant.example", Every: 5 * time.Millisecond, Timeout: 700 * time.Millisecond, Backoff: 5 * time.Millisecond,
	})
	w.lead()
	return w
}

// lead waits for the lock of a leader that went: PostgreSQL gives it free a moment after its connection has ended.
func (w *world) lead() {
	w.t.Helper()
	eventually(w.t, "somebody leads", func() bool {
		l, err := w.streams.lead(context.Background())
		w.must(err)
		w.leader = l
		return l != nil
	})
	w.t.Cleanup(w.leader.close)
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) toWebhook() estate.Stream {
	return estate.Stream{Name: "siem", Kind: estate.WebhookStream, Format: estate.StreamJSON, MaxLag: time.Minute, URL: w.webhook.url(), TrustPEM: w.webhook.trust, Private: true, Secret: secretOf(w.t, "STREAM_SECRET")}
}

func (w *world) toSyslog() estate.Stream {
	return estate.Stream{Name: "logs", Kind: estate.SyslogStream, Format: estate.StreamJSON, MaxLag: time.Minute, Address: w.syslog.address(), TrustPEM: w.syslog.authority.pem, Private: true, Enterprise: 60001, MaxMessage: estate.DefaultMaxMessage}
}

func (w *world) toStore() estate.Stream {
	return estate.Stream{Name: "lake", Kind: estate.S3Stream, Format: estate.StreamOCSF, MaxLag: time.Minute, Bucket: "lake", Region: "eu-west-3"}
}

// secretOf is the reference env:NAME, as an estate has it.
func secretOf(t testing.TB, name string) estate.Secret {
	t.Helper()
	e, err := estate.Parse([]byte(`company: {name: A, country: BE, languages: [en], time_zone: Europe/Brussels, contact: a@b.example}
databases:
  - {name: a, url: "env:`+name+`", database: a, system: "7312345678901234567", environment: production, customer_data: false}
`), estate.Files{})
	if err != nil {
		t.Fatal(err)
	}
	return e.Databases[0].URL
}

func (w *world) change(name string, change func(*estate.Stream)) {
	for i := range w.estate.Streams {
		if w.estate.Streams[i].Name == name {
			change(&w.estate.Streams[i])
		}
	}
}

// drive sends all that can be sent on a stream now.
func (w *world) drive(name string) error {
	w.t.Helper()
	d, ok := w.estate.Stream(name)
	if !ok {
		w.t.Fatalf("no stream %s", name)
	}
	for {
		if more, err := w.streams.step(context.Background(), w.leader, d); err != nil || !more {
			return err
		}
	}
}

func (w *world) state(name string) State {
	w.t.Helper()
	list, err := States(context.Background(), w.db.Pool(pg.Staff))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, st := range list {
		if st.Name == name {
			return st
		}
	}
	return State{}
}

func problemOf(err error) Problem {
	var f *failure
	if errors.As(err, &f) {
		return f.problem
	}
	return ""
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatal("never: " + what)
}

// authority issues certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{}
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	a.cert, _ = x509.ParseCertificate(der)
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return a
}

// issue makes a certificate for 127.0.0.1 and its key, in PEM.
func (a *authority) issue(t testing.TB) (certificate, key []byte, pair tls.Certificate) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "leaf"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &k.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	certificate, key = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})
	if pair, err = tls.X509KeyPair(certificate, key); err != nil {
		t.Fatal(err)
	}
	return certificate, key, pair
}

func freshSecret(t testing.TB) string {
	t.Helper()
	var b [32]byte
	_, _ = rand.Read(b[:])
	return "whsec_" + strings.TrimSpace(base64.StdEncoding.EncodeToString(b[:]))
}
