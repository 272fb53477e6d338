package secondaccount

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/garant-project/garant/internal/demo/servers"
	"github.com/garant-project/garant/internal/errs"
)

// Region is the one that the account is in.
const Region = "eu-west-3"

// DefaultBucket is made under object lock when Config names none.
const DefaultBucket = "garant-audit"

const certificateLife = 365 * 24 * time.Hour // renewed by each Open

// Credentials are one pair.
type Credentials struct {
	AccessKey string `json:"access_key"`
	SecretKey string `json:"secret_key"`
}

// String leaves the secret out.
func (c Credentials) String() string { return c.AccessKey }

// GoString leaves the secret out.
func (c Credentials) GoString() string { return c.AccessKey }

// Config says what the account is.
type Config struct {
	Dir      string      // absolute; holds the objects, the credentials and the server's log
	Bucket   string      // empty: DefaultBucket
	Program  string      // versitygw; empty: see Find
	Port     int         // on 127.0.0.1; 0: the one of before, at first any free one
	UID, GID int         // account of the operating system that the server runs as; 0: that of this process
	CA       *servers.CA // issues its certificate; nil: without TLS
}

// Account is the running second account.
type Account struct {
	config  Config
	port    int
	sidecar bool // metadata beside the files: the file system keeps no extended attributes
	keys    keys
	lock    *os.File // held while the account is open

	mu      sync.Mutex
	running *process // nil: it is not
	fault   string
}

// keys are what credentials.json holds.
type keys struct {
	Port     int         `json:"port"`
	Root     Credentials `json:"root"`
	Writer   Credentials `json:"writer"`
	Verifier Credentials `json:"verifier"`
}

// Open makes the account in Config.Dir or takes up the one that is there, starts its server and returns when it answers and
// its bucket is under lock. The caller closes it.
func Open(ctx context.Context, config Config) (*Account, error) {
	if !filepath.IsAbs(config.Dir) {
		return nil, errs.New(errs.Invalid, "secondaccount.dir", "The second account needs an absolute directory.").WithFix("Give one.")
	}
	if config.Bucket == "" {
		config.Bucket = DefaultBucket
	}
	if config.Program == "" {
		var err error
		if config.Program, err = Find(); err != nil {
			return nil, err
		}
	}
	a := &Account{config: config}
	if err := a.found(); err != nil {
		a.Close()
		return nil, err
	}
	if err := a.first(ctx); err != nil {
		a.Close()
		return nil, err
	}
	if err := a.NewBucket(ctx, config.Bucket, true); err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

// first starts the server, on another port when a stranger took the free one between our look and its start.
func (a *Account) first(ctx context.Context) (err error) {
	fixed := a.config.Port
	if fixed == 0 {
		fixed = a.keys.Port
	}
	var free servers.Ports
	for range 5 {
		if a.port = fixed; fixed == 0 {
			if a.port, err = free.Free(); err != nil {
				return err
			}
		}
		if err = a.Start(ctx); err == nil || fixed != 0 || ctx.Err() != nil {
			break
		}
	}
	if err != nil || a.keys.Port == a.port {
		return err
	}
	a.keys.Port = a.port
	return a.keep()
}

func (a *Account) path(name string) string { return filepath.Join(a.config.Dir, name) }

// found makes the directories, and the credentials where there are none.
func (a *Account) found() error {
	if err := os.MkdirAll(a.config.Dir, 0o711); err != nil { //nolint:gosec // the server's account passes through
		return cannot("make its directory", err)
	}
	if err := a.alone(); err != nil {
		return err
	}
	for _, name := range []string{"objects", "versions", "users", "metadata"} {
		if err := a.own(name, func(path string) error { return os.MkdirAll(path, 0o700) }); err != nil {
			return err
		}
	}
	// Without extended attributes versitygw keeps in files what belongs to an object.
	err := unix.Setxattr(a.path("objects"), "user.garant", []byte("second account"), 0)
	a.sidecar = errors.Is(err, unix.ENOTSUP)
	if err != nil && !a.sidecar {
		return cannot("keep attributes of files", err)
	}
	kept, err := os.ReadFile(a.path("credentials.json"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		for _, c := range []*Credentials{&a.keys.Root, &a.keys.Writer, &a.keys.Verifier} {
			*c = Credentials{AccessKey: "GA" + rand.Text()[:18], SecretKey: rand.Text() + rand.Text()[:14]}
		}
		if err := a.keep(); err != nil {
			return err
		}
	case err != nil:
		return cannot("read its credentials", err)
	default:
		if err := json.Unmarshal(kept, &a.keys); err != nil {
			return cannot("read its credentials", err)
		}
	}
	if err := a.users(); err != nil {
		return err
	}
	if a.config.CA != nil {
		return a.certify(time.Now())
	}
	return nil
}

// certify gives the server a new certificate for its address.
func (a *Account) certify(now time.Time) error {
	key, err := servers.NewKey()
	if err != nil {
		return err
	}
	text, err := servers.EncodeKey(key)
	if err != nil {
		return err
	}
	issued, err := a.config.CA.IssueFor(key, "127.0.0.1", now.Add(-time.Hour), now.Add(certificateLife), "")
	if err != nil {
		return err
	}
	var chain []byte
	for _, der := range issued.Certificate {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	for name, content := range map[string][]byte{"tls.crt": chain, "tls.key": text} {
		if err := a.own(name, func(path string) error { return os.WriteFile(path, content, 0o600) }); err != nil {
			return err
		}
	}
	return nil
}

// alone makes sure that no other process has the account open: the answers of its server would be taken for ours.
func (a *Account) alone() (err error) {
	if a.lock, err = os.OpenFile(a.path("lock"), os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return cannot("be locked", err)
	}
	err = unix.Flock(int(a.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return errs.New(errs.Conflict, "secondaccount.open", "Another process has this second account open.").WithFix("Stop it, or choose another directory.")
	}
	if err != nil {
		return cannot("be locked", err)
	}
	return nil
}

// keep writes the credentials and the port, whole or not at all.
func (a *Account) keep() error {
	b, err := json.MarshalIndent(a.keys, "", "  ")
	if err == nil {
		err = os.WriteFile(a.path("credentials.json.new"), b, 0o600)
	}
	if err == nil {
		err = os.Rename(a.path("credentials.json.new"), a.path("credentials.json"))
	}
	if err != nil {
		return cannot("keep its credentials", err)
	}
	return nil
}

// users writes versitygw's list of accounts besides the root. Plain users own nothing and may do what a bucket's policy says.
func (a *Account) users() error {
	type user struct {
		Access string `json:"access"`
		Secret string `json:"secret"`
		Role   string `json:"role"`
	}
	all := map[string]user{}
	for _, c := range []Credentials{a.keys.Writer, a.keys.Verifier} {
		all[c.AccessKey] = user{Access: c.AccessKey, Secret: c.SecretKey, Role: "user"}
	}
	b, err := json.Marshal(map[string]any{"accessAccounts": all})
	if err != nil {
		return cannot("list its users", err)
	}
	return a.own("users/users.json", func(path string) error { return os.WriteFile(path, b, 0o600) })
}

// own makes something in the directory and gives it to the server's account.
func (a *Account) own(name string, how func(path string) error) error {
	path := a.path(name)
	if err := how(path); err != nil {
		return cannot("make "+name, err)
	}
	if a.config.UID != 0 {
		if err := os.Lchown(path, a.config.UID, a.config.GID); err != nil {
			return cannot("give "+name+" to its own user", err)
		}
	}
	return nil
}

// Endpoint is where the server listens.
func (a *Account) Endpoint() string {
	scheme := "http"
	if a.config.CA != nil {
		scheme = "https"
	}
	return scheme + "://" + a.Address()
}

// Address is host and port of the endpoint.
func (a *Account) Address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(a.port)) }

// Bucket is the bucket under object lock.
func (a *Account) Bucket() string { return a.config.Bucket }

// Root are the credentials that a company keeps away from Garant. The account's buckets belong to its access key.
func (a *Account) Root() Credentials { return a.keys.Root }

// Writer are the credentials that may put objects with a retention, and nothing else.
func (a *Account) Writer() Credentials { return a.keys.Writer }

// Verifier are the credentials that may list and read.
func (a *Account) Verifier() Credentials { return a.keys.Verifier }

// ready waits until the server answers.
func (a *Account) ready(ctx context.Context, p *process) error {
	client := &http.Client{Timeout: time.Second, Transport: a.transport()}
	defer client.CloseIdleConnections()
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, 200*time.Millisecond) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.Endpoint()+health, nil)
		if err != nil {
			return cannot("be asked whether it is ready", err)
		}
		if response, err := client.Do(request); err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-p.done:
			return cannot("start", fmt.Errorf("it ended: %w", errors.Join(p.ended, errors.New(a.lastWords()))))
		case <-ctx.Done():
			return cannot("get ready in time", ctx.Err())
		case <-time.After(wait):
		}
	}
}

// lastWords is the last line of the server's log.
func (a *Account) lastWords() string {
	b, err := os.ReadFile(a.path("server.log"))
	if err != nil {
		return "no log"
	}
	return lastLine(string(b))
}
