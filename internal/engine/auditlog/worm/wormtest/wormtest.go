// Package wormtest gives tests a second account of their own: a real versitygw with a bucket under object lock, stores that
// speak with it, and a network in between that can be cut.
package wormtest

import (
	"context"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/demo/servers/secondaccount"
	"github.com/garant-project/garant/internal/engine/auditlog/worm"
)

// Keep is the retention that stores of tests put objects with.
const Keep = 30 * 24 * time.Hour

// Account is a second account that runs until the test ends.
type Account struct {
	*secondaccount.Account
	t testing.TB
}

// Start starts an account. The test fails, saying which script to run, when versitygw is missing.
func Start(t testing.TB) *Account { return StartWith(t, secondaccount.Config{}) }

// StartWith is Start with a configuration, whose empty directory becomes one of the test's.
func StartWith(t testing.TB, config secondaccount.Config) *Account {
	t.Helper()
	if config.Dir == "" {
		config.Dir = t.TempDir()
	}
	a, err := secondaccount.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err) // it names the script
	}
	t.Cleanup(a.Close)
	return &Account{Account: a, t: t}
}

// Config opens the account's bucket with the given credentials.
func (a *Account) Config(c secondaccount.Credentials) worm.Config {
	return worm.Config{
		Endpoint: a.Endpoint(), Region: secondaccount.Region, Bucket: a.Bucket(), Prefix: "garant", PathStyle: true,
		AccessKey: c.AccessKey, SecretKey: c.SecretKey, Keep: Keep, Timeout: 9 * time.Second,
	}
}

// Open opens a store until the test ends.
func Open(t testing.TB, c worm.Config) *worm.Store {
	t.Helper()
	s, err := worm.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// Verifier is a store with the verifier's credentials.
func (a *Account) Verifier() *worm.Store {
	a.t.Helper()
	return Open(a.t, a.Config(a.Account.Verifier()))
}

// Writer is a store with the writer's credentials, which compares with the verifier's.
func (a *Account) Writer() *worm.Store {
	a.t.Helper()
	c := a.Config(a.Account.Writer())
	c.Compare = a.Verifier()
	return Open(a.t, c)
}

// Root is a store with the credentials of the second account's owner.
func (a *Account) Root() *worm.Store {
	a.t.Helper()
	return Open(a.t, a.Config(a.Account.Root()))
}

// Wire is a network between a store and its account, which can be cut.
type Wire struct {
	listener net.Listener
	target   string

	mu       sync.Mutex
	requests int64 // bytes towards the account that are let through before the cut; negative: all
	mute     int   // how many connections to come are cut when the account answers, in place of its answer
	cuts     int   // how many connections were cut
	open     map[net.Conn]bool
}

// NewWire lays a network to the account until the test ends.
func (a *Account) NewWire() *Wire {
	a.t.Helper()
	u, err := url.Parse(a.Endpoint())
	if err != nil {
		a.t.Fatal(err)
	}
	l, err := new(net.ListenConfig).Listen(a.t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		a.t.Fatal(err)
	}
	w := &Wire{listener: l, target: u.Host, requests: -1, open: map[net.Conn]bool{}}
	go w.accept()
	a.t.Cleanup(w.close)
	return w
}

// Endpoint is the account's, by way of the wire.
func (w *Wire) Endpoint() string { return "http://" + w.listener.Addr().String() }

// CutRequests cuts each connection from now on after n bytes towards the account.
func (w *Wire) CutRequests(n int64) { w.set(n, 0) }

// CutAnswers ends all connections, and of those to come cuts the first n when the account answers: it has done what was
// asked, and nobody hears of it.
func (w *Wire) CutAnswers(n int) { w.set(-1, n) }

// Mend lets everything through again.
func (w *Wire) Mend() { w.set(-1, 0) }

// Cuts is how often the wire has cut a connection.
func (w *Wire) Cuts() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cuts
}

// set changes what new connections meet and ends those that there are.
func (w *Wire) set(requests int64, mute int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.requests, w.mute = requests, mute
	for c := range w.open {
		c.Close()
	}
}

func (w *Wire) accept() {
	for {
		client, err := w.listener.Accept()
		if err != nil {
			return
		}
		go w.carry(client)
	}
}

func (w *Wire) carry(client net.Conn) {
	defer client.Close()
	dialer := net.Dialer{Timeout: 5 * time.Second}
	account, err := dialer.DialContext(context.Background(), "tcp", w.target)
	if err != nil {
		return
	}
	defer account.Close()
	w.mu.Lock()
	w.open[client] = true
	requests, mute := w.requests, w.mute > 0
	if mute {
		w.mute--
	}
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.open, client)
	}()
	done := make(chan bool, 2) // true: cut by us
	go func() {
		if requests >= 0 {
			n, _ := io.CopyN(account, client, requests)
			done <- n == requests
			return
		}
		_, _ = io.Copy(account, client) // either end may go at any time
		done <- false
	}()
	go func() {
		if mute {
			n, _ := account.Read(make([]byte, 1))
			done <- n == 1
			return
		}
		_, _ = io.Copy(client, account)
		done <- false
	}()
	if <-done {
		w.mu.Lock()
		w.cuts++
		w.mu.Unlock()
	}
}

func (w *Wire) close() {
	w.listener.Close()
	w.set(-1, 0)
}
