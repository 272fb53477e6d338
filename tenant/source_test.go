package tenant

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var devKey = Key{ID: 7, Audience: Audience{1, 2, 3}, Secret: [32]byte{9, 8, 7}}

func mint(t testing.TB, life time.Duration) Token {
	t.Helper()
	token, err := devKey.Mint(Claims{Tenant: Int(42), Session: [16]byte{1}, Kind: Login, Access: Write, Expires: time.Now().Add(life)})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// A thousand who ask at once are one question; the next token is asked for before the first has ended, and nobody waits
// for it.
func TestCacheAsksOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		c := Cache(SourceFunc(func(context.Context) (Token, error) {
			asked.Add(1)
			time.Sleep(2 * time.Second)
			return mint(t, 10*time.Minute), nil
		}))
		crowd := func() {
			var all sync.WaitGroup
			for range 1000 {
				all.Go(func() {
					token, err := c.Token(t.Context())
					if err != nil || !time.Now().Before(token.Expires()) {
						t.Error(token.Expires(), err)
					}
				})
			}
			all.Wait()
		}
		crowd()
		if n := asked.Load(); n != 1 {
			t.Fatalf("asked %d times, want 1", n)
		}
		time.Sleep(9 * time.Minute)
		began := time.Now()
		crowd()
		if waited := time.Since(began); waited != 0 {
			t.Errorf("who held a good token waited %s", waited)
		}
		time.Sleep(3 * time.Second)
		if n := asked.Load(); n != 2 {
			t.Errorf("asked %d times, want 2", n)
		}
		time.Sleep(9 * time.Minute)
		if left := time.Until(c.held.Expires()); left < 30*time.Second {
			t.Errorf("the new token is not used: %s left", left)
		}
		time.Sleep(time.Hour)
		crowd()
		if n := asked.Load(); n != 3 {
			t.Errorf("asked %d times, want 3", n)
		}
	})
}

// Who asked first may give up; the others get their token. A source that fails is asked again, not more than once a
// second while there is a good token, and its error reaches those who have none.
func TestCacheFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		down := errors.New("down")
		var broken atomic.Bool
		c := Cache(SourceFunc(func(ctx context.Context) (Token, error) {
			asked.Add(1)
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
				return Token{}, ctx.Err()
			}
			if broken.Load() {
				return Token{}, down
			}
			return mint(t, 10*time.Minute), nil
		}))
		first, stop := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := c.Token(first); !errors.Is(err, context.Canceled) {
				t.Error("who gave up got", err)
			}
		})
		synctest.Wait()
		all.Go(func() {
			if _, err := c.Token(t.Context()); err != nil {
				t.Error("who stayed got", err)
			}
		})
		synctest.Wait()
		stop()
		all.Wait()

		broken.Store(true)
		time.Sleep(8*time.Minute + time.Second)
		asked.Store(0)
		for range 300 {
			if _, err := c.Token(t.Context()); err != nil {
				t.Fatal("the token is still good:", err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		synctest.Wait()
		if n := asked.Load(); n < 10 || n > 17 {
			t.Errorf("a failing source was asked %d times in 30 s, want about 15", n)
		}
		time.Sleep(2 * time.Minute)
		if _, err := c.Token(t.Context()); !errors.Is(err, down) {
			t.Error("after the end:", err)
		}
		broken.Store(false)
		if _, err := c.Token(t.Context()); err != nil {
			t.Error("after it came back:", err)
		}

		held, _ := c.Token(t.Context())
		c.Forget(mint(t, time.Hour)) // another
		if again, _ := c.Token(t.Context()); again != held {
			t.Error("another token was forgotten")
		}
		time.Sleep(time.Second) // the next is not the same in every bit
		c.Forget(held)
		if again, err := c.Token(t.Context()); again == held || err != nil {
			t.Error("the token was not forgotten:", err)
		}
		hang := Cache(SourceFunc(func(ctx context.Context) (Token, error) { <-ctx.Done(); return Token{}, ctx.Err() }))
		if _, err := hang.Token(context.Background()); !errors.Is(err, context.DeadlineExceeded) {
			t.Error("a source that hangs:", err)
		}
		nothing := Cache(Fixed(Token{}))
		if _, err := nothing.Token(t.Context()); !errors.Is(err, ErrNoToken) {
			t.Error("a source without a token:", err)
		}
	})
}

func TestKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if err := WriteKeyFile(path, devKey); err != nil {
		t.Fatal(err)
	}
	if err := WriteKeyFile(path, devKey); err == nil {
		t.Error("a key was overwritten")
	}
	if k, err := ReadKeyFile(path); err != nil || k != devKey {
		t.Error(k, err)
	}
	token, err := KeyFile{Path: path, Tenant: Int(5)}.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if c, err := devKey.Verify(token, time.Now()); err != nil || c.Tenant != Int(5) || c.Kind != Development || c.Access != Write || time.Until(c.Expires) > 15*time.Minute {
		t.Error(c, err)
	}
	if _, err := (KeyFile{Path: path}).Token(t.Context()); err == nil {
		t.Error("a token for nobody")
	}
	more := filepath.Join(t.TempDir(), "more")
	if err := os.WriteFile(more, []byte(`{"id":7,"audience":"01020300000000000000000000000000","secret":"`+fmt.Sprintf("%x", devKey.Secret)+`","system":"7","database":"shop"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if k, err := ReadKeyFile(more); err != nil || k != devKey {
		t.Error("a file of garant token mint --development:", k, err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadKeyFile(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Error("a key that others may read:", err)
	}
	for _, bad := range []string{"", "{}", `{"id":1,"audience":"00","secret":"00"}`, `{"id":256,"audience":"` + strings.Repeat("00", 16) + `","secret":"` + strings.Repeat("00", 32) + `"}`, `sesame`} {
		p := filepath.Join(t.TempDir(), "bad")
		if err := os.WriteFile(p, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadKeyFile(p); err == nil || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := ReadKeyFile(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a file that is not there")
	}
}

// Tokens and keys print as nothing, whoever prints them and how.
func TestArgumentsPrintAsNothing(t *testing.T) {
	token := mint(t, time.Minute)
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "token", token, "arg", token.secret(), "args", []any{token, token.secret()}, "key", devKey)
	raw, err := json.Marshal([]any{token, token.secret()})
	if err != nil {
		t.Fatal(err)
	}
	said := log.String() + string(raw)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
		said += fmt.Sprintf(verb+verb+verb, token, []any{token.secret()}, devKey)
	}
	telltale(t, said, token.Bytes()[40:])
	telltale(t, said, devKey.Secret[:3])
}

// telltale fails when what was said holds the bytes in any usual form.
func telltale(t testing.TB, said string, secret []byte) {
	t.Helper()
	list := strings.Trim(fmt.Sprintf("%d", secret), "[]")
	for _, form := range []string{fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret), string(secret), list, strings.ReplaceAll(list, " ", ",")} {
		if strings.Contains(said, form) {
			t.Errorf("%q stands in %q", form, said)
		}
	}
}
