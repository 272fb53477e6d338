package tenancy

import (
	"context"
	"strings"
	"testing"

	"github.com/google/uuid"
)

// A session is the login that its tokens were minted for, the same for the same user; one that is not ours is nobody.
func TestSubject(t *testing.T) {
	w := newWorld(t)
	w.tend()
	ctx := context.Background()
	l := Logins{w.db}
	m := w.mustLogin(w.a)
	got, err := l.Subject(ctx, "shop", m.Token.Claims().Session)
	want := one[string](w, `SELECT 'login:' || encode(subject, 'hex') FROM tenancy.minting WHERE session = $1`, uuid.UUID(m.Token.Claims().Session))
	if err != nil || got != want || !strings.HasPrefix(got, "login:") || len(got) < 30 {
		t.Errorf("%s, %v; want %s", got, err, want)
	}
	if got, err := l.Subject(ctx, "shop", uuid.New()); got != "" || err != nil {
		t.Error("a session of nobody:", got, err)
	}
}
