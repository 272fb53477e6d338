package tenant

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"
)

// Source gives tokens of one login, or of one job.
type Source interface {
	Token(ctx context.Context) (Token, error)
}

// Placed is a [Source] that can be asked for tokens of the same login for another database: [Exchange], [Job], and what
// [Cache] makes of them. It is what lets a login follow its tenant to a database of its own.
type Placed interface {
	Source
	At(database string) Source // the name is that of Garant's estate
}

// ask asks a source, and once more where the tenant of the login lives, if it says that this is in another database.
func ask(ctx context.Context, from Source) (Token, error) {
	t, err := from.Token(ctx)
	var refused *RefusedError
	if placed, ok := from.(Placed); ok && errors.As(err, &refused) && refused.Place != "" {
		return placed.At(refused.Place).Token(ctx)
	}
	return t, err
}

// SourceFunc is a function that is a [Source].
type SourceFunc func(ctx context.Context) (Token, error)

// Token calls the function.
func (f SourceFunc) Token(ctx context.Context) (Token, error) { return f(ctx) }

// Fixed is a source of one token.
func Fixed(t Token) Source {
	return SourceFunc(func(context.Context) (Token, error) { return t, nil })
}

// Cached keeps the token of a source and asks for the next before it ends. However many ask, the
// source is asked once at a time. Its zero value is of no use: see [Cache].
type Cached struct {
	from Source

	mu     sync.Mutex
	held   Token
	renew  time.Time // from then on the next is asked for, while this one is still given
	end    time.Time // from then on this one is not given any more
	flight *flight
	at     map[string]*Cached // of the same login, for other databases
}

// flight is one question to the source.
type flight struct {
	done  chan struct{} // closed when the others are set
	token Token
	err   error
}

const (
	// askTime is how long a source may take. It does not end with the context of who asked first: others wait too.
	askTime = 30 * time.Second
	// pause is how long the source is left alone after it failed, while there still is a good token.
	pause = time.Second
)

// Cache keeps the tokens of a source: one for each login, kept as long as the login's session.
func Cache(from Source) *Cached { return &Cached{from: from} }

// Token gives a token that does not end within the next moment.
func (c *Cached) Token(ctx context.Context) (Token, error) {
	c.mu.Lock()
	now := time.Now()
	good := !c.held.IsZero() && now.Before(c.end)
	if c.flight == nil && (!good || !now.Before(c.renew)) {
		c.flight = &flight{done: make(chan struct{})}
		go c.ask(context.WithoutCancel(ctx), c.flight)
	}
	held, f := c.held, c.flight
	c.mu.Unlock()
	if good {
		return held, nil
	}
	select {
	case <-f.done:
		return f.token, f.err
	case <-ctx.Done():
		return Token{}, fmt.Errorf("tenant: waiting for a token: %w", ctx.Err())
	}
}

func (c *Cached) ask(ctx context.Context, f *flight) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	f.err = errors.New("tenant: the source of tokens gave none") // if it panics or exits
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.flight = nil
		now := time.Now()
		if f.err == nil {
			left := f.token.Expires().Sub(now)
			c.held, c.renew, c.end = f.token, now.Add(left*4/5), now.Add(left-min(5*time.Second, left/10))
		} else if next := now.Add(pause); c.renew.Before(next) {
			c.renew = next
		}
		close(f.done)
	}()
	f.token, f.err = ask(ctx, c.from)
	if f.err == nil && f.token.IsZero() {
		f.err = ErrNoToken
	}
}

// Forget lets go of a token that was refused, so that the next is another.
func (c *Cached) Forget(t Token) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held == t {
		c.held = Token{}
	}
}

// At keeps the tokens of the same login for another database, if the source can be asked for them; else it is as good as this.
func (c *Cached) At(database string) Source {
	from, ok := c.from.(Placed)
	if !ok {
		return c
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	there := c.at[database]
	if there == nil {
		if c.at == nil {
			c.at = map[string]*Cached{}
		}
		there = Cache(from.At(database))
		c.at[database] = there
	}
	return there
}

// KeyFile mints tokens for development with a key in a file, without asking anybody: for a database of
// one's own, whose key is in nobody else's hands. garant token mint --development makes such a file too.
type KeyFile struct {
	Path    string
	Tenant  ID
	Access  Access        // Write when it is not set
	Life    time.Duration // of a token; 15 minutes when it is not set
	Session [16]byte      // one of its own for each token when it is not set
}

// Token mints a token.
func (f KeyFile) Token(context.Context) (Token, error) {
	key, err := ReadKeyFile(f.Path)
	if err != nil {
		return Token{}, err
	}
	c := Claims{Tenant: f.Tenant, Session: f.Session, Kind: Development, Access: f.Access, Expires: time.Now().Add(f.Life)}
	if f.Life <= 0 {
		c.Expires = time.Now().Add(15 * time.Minute)
	}
	if f.Access == 0 {
		c.Access = Write
	}
	if f.Session == [16]byte{} {
		_, _ = rand.Read(c.Session[:]) // never fails
	}
	return key.Mint(c)
}

// keyFile is how a key stands in a file. garant token mint --development writes more beside it.
type keyFile struct {
	ID       byte   `json:"id"`
	Audience string `json:"audience"` // 32 hexadecimal digits
	Secret   string `json:"secret"`   // 64 hexadecimal digits
}

// WriteKeyFile writes a key for development to a new file that only its owner may read.
func WriteKeyFile(path string, k Key) error {
	b, err := json.Marshal(keyFile{k.ID, hex.EncodeToString(k.Audience[:]), hex.EncodeToString(k.Secret[:])})
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // where the caller says
	if err != nil {
		return fmt.Errorf("tenant: writing a key: %w", err)
	}
	_, err = f.Write(append(b, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		_ = os.Remove(path) // half a key is none
		return fmt.Errorf("tenant: writing a key: %w", err)
	}
	return nil
}

// ReadKeyFile reads a key for development. It refuses a file that others may read.
func ReadKeyFile(path string) (Key, error) {
	f, err := os.Open(path) //nolint:gosec // where the caller says
	if err != nil {
		return Key{}, fmt.Errorf("tenant: reading a key: %w", err)
	}
	defer func() { _ = f.Close() }()
	st, err := f.Stat()
	if err != nil {
		return Key{}, fmt.Errorf("tenant: reading a key: %w", err)
	}
	if !st.Mode().IsRegular() || st.Mode().Perm()&(fs.ModePerm&^0o700) != 0 {
		return Key{}, fmt.Errorf("tenant: others may read the key in %s: run chmod 600 on it, and make a new key if it was ever more than yours", path)
	}
	var raw keyFile
	bad := fmt.Errorf("tenant: %s holds no key: it is {\"id\": 0 to 255, \"audience\": 32 hexadecimal digits, \"secret\": 64}", path)
	in := json.NewDecoder(io.LimitReader(f, 4096))
	if err := in.Decode(&raw); err != nil || in.More() {
		return Key{}, bad // what stands there is not quoted
	}
	k := Key{ID: raw.ID}
	audience, err1 := hex.DecodeString(strings.TrimSpace(raw.Audience))
	secret, err2 := hex.DecodeString(strings.TrimSpace(raw.Secret))
	if err1 != nil || err2 != nil || copy(k.Audience[:], audience) != 16 || len(audience) != 16 || copy(k.Secret[:], secret) != 32 || len(secret) != 32 {
		return Key{}, bad
	}
	return k, nil
}
