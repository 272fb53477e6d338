package tenant

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

func testKey() Key {
	k := Key{ID: 7, Audience: Audience{1, 2, 3}}
	for i := range k.Secret {
		k.Secret[i] = byte(200 + i)
	}
	return k
}

func testClaims() Claims {
	return Claims{Tenant: Int(42), Session: [16]byte{9: 9}, Kind: Login, Access: Write, Expires: time.Date(2030, 1, 2, 3, 4, 5, 678000, time.UTC)}
}

// What was minted comes back as it was, for every kind of tenant, through bytes and through text.
func TestMintAndVerify(t *testing.T) {
	text, err := Text("école-№1")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, id := range []ID{Int(42), Int(-1), UUID([16]byte{0xde, 0xad}), text} {
		for _, kind := range []Kind{Login, Service, Development, Probe} {
			c := testClaims()
			c.Tenant, c.Kind, c.Access = id, kind, Read
			if kind == Service {
				c.Purpose = [16]byte{1}
			}
			minted, err := testKey().Mint(c)
			if err != nil {
				t.Fatal(err)
			}
			carried, err := ParseToken(minted.Encode())
			if err != nil || carried != minted {
				t.Fatalf("as text: %v", err)
			}
			got, err := testKey().Verify(carried, now)
			if err != nil || got != c {
				t.Errorf("%+v, %v; want %+v", got, err, c)
			}
			if _, err := testKey().Verify(carried, c.Expires); !errors.Is(err, ErrExpired) {
				t.Error("at its end:", err)
			}
			for i := range Size {
				b := minted.Bytes()
				b[i] ^= 0x10
				changed, err := TokenOf(b)
				if err == nil {
					_, err = testKey().Verify(changed, now)
				}
				if !errors.Is(err, ErrInvalid) {
					t.Errorf("byte %d changed: %v", i, err)
				}
			}
		}
	}
}

// The MAC is HMAC-SHA-256 by a key of 32 bytes over the first 100 bytes: a fixed value, so that
// other implementations can be held to it (docs/tenant-sdk.md quotes it).
func TestVector(t *testing.T) {
	minted, err := testKey().Mint(testClaims())
	if err != nil {
		t.Fatal(err)
	}
	const want = "01070102030000000000000000000000000069080000000000 00002a 000000000000000000000000000000000000000000000000000000000000 " +
		"00000000000000000009000000000000 6c 00000000000000000000000000000000 77 0006ba2d4473d5e6 "
	body := hex.EncodeToString(minted.Bytes()[:100])
	if w := strings.ReplaceAll(want, " ", ""); body != w {
		t.Errorf("body\n%s, want\n%s", body, w)
	}
	const mac = "252e531c4d5fc3b2b3c036727eae9d21d6f795a4acf5a1549f8253002262bf70"
	if got := hex.EncodeToString(minted.Bytes()[100:]); got != mac {
		t.Errorf("MAC %s, want %s", got, mac)
	}
}

func TestWhatIsNotMinted(t *testing.T) {
	for what, spoil := range map[string]func(*Claims){
		"no tenant":               func(c *Claims) { c.Tenant = ID{} },
		"no session":              func(c *Claims) { c.Session = [16]byte{} },
		"no kind":                 func(c *Claims) { c.Kind = 0 },
		"no access":               func(c *Claims) { c.Access = 0 },
		"no end":                  func(c *Claims) { c.Expires = time.Time{} },
		"no end at all":           func(c *Claims) { c.Expires = time.Unix(1<<50, 0) },
		"a service without a job": func(c *Claims) { c.Kind = Service },
		"a login with a job":      func(c *Claims) { c.Purpose = [16]byte{1} },
	} {
		c := testClaims()
		spoil(&c)
		if minted, err := testKey().Mint(c); err == nil || !minted.IsZero() {
			t.Error("minted:", what)
		}
	}
}

func TestIDs(t *testing.T) {
	for _, c := range []struct{ typ, text, want string }{
		{"uuid", "0198C1A2-0000-7000-8000-00000000000A", "0198c1a2-0000-7000-8000-00000000000a"},
		{"uuid", "0198c1a20000700080000000000000ff", "0198c1a2-0000-7000-8000-0000000000ff"},
		{"bigint", "-9223372036854775808", "-9223372036854775808"},
		{"text", "acme", "acme"},
	} {
		id, err := ParseID(c.typ, c.text)
		if err != nil || id.String() != c.want || id.Type() != c.typ {
			t.Errorf("%s %q: %q of %q, %v", c.typ, c.text, id, id.Type(), err)
		}
	}
	for _, c := range []struct{ typ, text string }{
		{"uuid", ""}, {"uuid", "0198c1a2"}, {"uuid", strings.Repeat("g", 32)}, {"uuid", "0198c1a2-0000-7000-8000-00000000000"}, {"uuid", "{0198c1a2-0000-7000-8000-00000000000}"},
		{"bigint", ""}, {"bigint", "9223372036854775808"}, {"bigint", "1e3"}, {"bigint", " 1"},
		{"text", ""}, {"text", strings.Repeat("x", 39)}, {"text", "a\x00b"}, {"text", "\xff"},
		{"integer", "1"}, {"", ""},
	} {
		if id, err := ParseID(c.typ, c.text); err == nil {
			t.Errorf("%s %q is taken for %q", c.typ, c.text, id)
		}
	}
}

// A token and a key print as nothing, whatever prints them.
func TestNothingIsPrinted(t *testing.T) {
	key := testKey()
	minted, err := key.Mint(testClaims())
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, nil))
	log.Info("x", "token", minted, "key", key)
	type holder struct {
		Token Token
		Key   Key
	}
	encoded, _ := json.Marshal(minted) //nolint:staticcheck // that nothing of it is exported is the point
	if b, err := json.Marshal(holder{minted, key}); err == nil {
		t.Errorf("a key is written as JSON: %s", b)
	}
	fmt.Fprintf(&out, "%v %+v %#v %s %x %q %d %v %+v %#v %x %s", minted, minted, minted, minted, minted, minted, minted, key, key, key, key, encoded)
	fmt.Fprintf(&out, "%v %+v %#v %x", holder{minted, key}, holder{minted, key}, &holder{minted, key}, []Token{minted})
	b := minted.Bytes()
	for _, secret := range []string{
		hex.EncodeToString(b[100:108]), strings.ToUpper(hex.EncodeToString(b[100:108])), base64.RawURLEncoding.EncodeToString(b)[:40],
		hex.EncodeToString(key.Secret[:8]), "200 201 202", "0xc8, 0xc9",
	} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("%q is printed in %s", secret, out.String())
		}
	}
}

func TestExplain(t *testing.T) {
	for code, want := range map[string]error{"GT001": ErrInvalid, "GT002": ErrExpired, "GT003": ErrRevoked, "GT004": ErrOther, "GT005": ErrCursor, "GT006": ErrSnapshot, "GT007": ErrMoved} {
		said := fmt.Errorf("query: %w", &pgconn.PgError{Code: code, Message: "garant: …"})
		err := Explain(said)
		var e *pgconn.PgError
		if !errors.Is(err, want) || !errors.As(err, &e) || e.Code != code {
			t.Errorf("%s: %v", code, err)
		}
	}
	other := &pgconn.PgError{Code: "42501"}
	if err := Explain(other); err != error(other) || Explain(nil) != nil { //nolint:errorlint // that very error
		t.Error("an error of something else:", err)
	}
}

func FuzzParseToken(f *testing.F) {
	minted, err := testKey().Mint(testClaims())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(minted.Encode())
	f.Add("")
	f.Add(strings.Repeat("A", 176))
	f.Fuzz(func(t *testing.T, text string) {
		token, err := ParseToken(text)
		if err != nil {
			return
		}
		if token.Encode() != text {
			t.Errorf("%q reads as a token that is written %q", text, token.Encode())
		}
		_ = token.Claims().Tenant.String()
		if _, err := testKey().Verify(token, time.Unix(0, 0)); err == nil && token != minted {
			t.Error("forged")
		}
	})
}
