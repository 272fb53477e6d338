// Package crypttest holds key providers to what package crypt relies on. Each provider's own
// tests call Run.
package crypttest

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/garant-project/garant/internal/crypt"
)

// Run tests a provider. open returns the provider of one key, anew on each call, as after a
// start; other returns the provider of another key.
func Run(t *testing.T, open, other func(testing.TB) crypt.Provider) {
	ctx := context.Background()
	dek, aad := bytes.Repeat([]byte("data key "), 20), []byte("person:1")
	wrap := func(t *testing.T, p crypt.Provider) []byte {
		t.Helper()
		w, err := p.Wrap(ctx, dek, aad)
		if err != nil {
			t.Fatalf("Wrap: %v", err)
		}
		return w
	}
	refuses := func(t *testing.T, p crypt.Provider, wrapped, aad []byte) {
		t.Helper()
		if got, err := p.Unwrap(ctx, wrapped, aad); err == nil {
			t.Fatalf("Unwrap accepted it and gave %d bytes", len(got))
		}
	}
	t.Run("name", func(t *testing.T) {
		a, b, o := open(t).Name(), open(t).Name(), other(t).Name()
		if a != b {
			t.Errorf("the name changes from start to start: %q, %q", a, b)
		}
		if a == o {
			t.Errorf("two keys have the same name %q", a)
		}
		if a == "" || strings.TrimSpace(a) != a {
			t.Errorf("name %q", a)
		}
	})
	t.Run("opens after a start", func(t *testing.T) {
		w := wrap(t, open(t))
		if bytes.Contains(w, dek[:16]) {
			t.Error("the wrapped key shows the key")
		}
		got, err := open(t).Unwrap(ctx, w, aad)
		if err != nil || !bytes.Equal(got, dek) {
			t.Errorf("Unwrap = %q, %v", got, err)
		}
	})
	t.Run("wraps differently each time", func(t *testing.T) {
		p := open(t)
		if bytes.Equal(wrap(t, p), wrap(t, p)) {
			t.Error("the same key twice gives the same bytes: equal keys would show")
		}
	})
	t.Run("every byte counts", func(t *testing.T) {
		p := open(t)
		w := wrap(t, p)
		for i := range w {
			changed := bytes.Clone(w)
			changed[i] ^= 1
			if got, err := p.Unwrap(ctx, changed, aad); err == nil {
				t.Errorf("byte %d of %d may be changed (gives %d bytes)", i, len(w), len(got))
			}
		}
		refuses(t, p, w[:len(w)-1], aad)
		refuses(t, p, append(bytes.Clone(w), 0), aad)
		refuses(t, p, nil, aad)
	})
	t.Run("bound to the associated data", func(t *testing.T) {
		p := open(t)
		w := wrap(t, p)
		refuses(t, p, w, []byte("person:2"))
		refuses(t, p, w, nil)
	})
	t.Run("another key does not open it", func(t *testing.T) {
		refuses(t, other(t), wrap(t, open(t)), aad)
	})
}
