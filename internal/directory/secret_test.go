package directory_test

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/directory"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

func TestRecoveryCodes(t *testing.T) {
	h := open(t)
	ctx := context.Background()
	p := h.person("lead@example.test", actor.Lead)
	h.person("second@example.test", actor.Reader)
	by, _, token := h.enrol(p.ID, now)
	old := must(h.RenewRecoveryCodes(ctx, by, now))(t)
	codes := must(h.RenewRecoveryCodes(ctx, by, now))(t)
	if len(codes) != 10 || len(codes[0]) != 19 || slices.Contains(codes, old[0]) {
		t.Fatalf("codes %v", codes)
	}
	use := func(email, code string) (directory.Opened, error) {
		return h.UseRecoveryCode(ctx, visit, email, code, now)
	}
	var texts []string
	for _, c := range [][2]string{
		{"lead@example.test", old[0]}, {"lead@example.test", "0000-0000-0000-0000"}, {"lead@example.test", ""},
		{"nobody@example.test", codes[0]}, {"second@example.test", codes[0]}, {"not an address", codes[0]}, {"", ""},
	} {
		_, err := use(c[0], c[1])
		wantID(t, err, "directory.code")
		texts = append(texts, fmt.Sprint(errs.Sentence(err)))
	}
	if len(slices.Compact(texts)) != 1 {
		t.Errorf("answers differ: %q", texts)
	}
	link := h.link(p.ID, directory.Recover, now)
	// As copied by hand: lower case, no dashes, O for 0.
	typed := strings.ReplaceAll(strings.ToLower(strings.ReplaceAll(codes[0], "-", " ")), "0", "o")
	o := must(use(" LEAD@example.test", typed))(t)
	recovered := h.actor(o.Token, now)
	if !slices.Equal(recovered.Permissions, []actor.Permission{directory.EnrolPasskey}) {
		t.Errorf("a code's session may %v", recovered.Permissions)
	}
	_, err := h.RedeemLink(ctx, visit, link, now)
	wantID(t, err, "directory.link")
	_, err = use("lead@example.test", codes[0])
	wantID(t, err, "directory.code")
	if !slices.Contains(h.notices(by), "recovery_used") {
		t.Error("the person is not told")
	}
	if n := must(h.RecoveryCodesLeft(ctx, h.actor(token, now)))(t); n != 9 {
		t.Errorf("%d codes left", n)
	}
	// One code from two places at once.
	var wg sync.WaitGroup
	good := make([]bool, 6)
	for i := range good {
		wg.Go(func() { _, err := use("lead@example.test", codes[1]); good[i] = err == nil })
	}
	wg.Wait()
	if n := len(slices.DeleteFunc(good, func(b bool) bool { return !b })); n != 1 {
		t.Errorf("%d used one code", n)
	}
}

func TestThrottling(t *testing.T) {
	h := open(t, func(p *directory.Policy) { p.CodeOrigin, p.LinkAttempts, p.PasskeyOrigin = 25, 5, 5 })
	ctx := context.Background()
	p := h.person("lead@example.test", actor.Lead)
	by, key, _ := h.enrol(p.ID, now)
	codes := must(h.RenewRecoveryCodes(ctx, by, now))(t)
	from := func(i int) directory.Visit { return directory.Visit{Origin: fmt.Sprintf("198.51.100.%d", i)} }

	// Many machines guess at one person: after ten, the right code does not help either; a person
	// who does not exist is limited alike.
	for _, email := range []string{"lead@example.test", "nobody@example.test"} {
		for i := range 12 {
			_, err := h.UseRecoveryCode(ctx, from(i), email, "0000-0000-0000-0000", now)
			want := "directory.code"
			if i >= 10 {
				want = "directory.throttled"
			}
			wantID(t, err, want)
		}
	}
	_, err := h.UseRecoveryCode(ctx, from(40), "lead@example.test", codes[0], now)
	wantID(t, err, "directory.throttled")
	if !errs.Is(err, errs.Unavailable) {
		t.Errorf("kind of %v", err)
	}
	o := must(h.UseRecoveryCode(ctx, from(40), "lead@example.test", codes[0], now.Add(16*time.Minute)))(t)
	if o.Token == "" {
		t.Error("no session after the window")
	}
	// One machine guesses at many persons.
	for i := range 27 {
		_, err := h.UseRecoveryCode(ctx, from(50), fmt.Sprintf("p%d@example.test", i), "0000-0000-0000-0000", now)
		want := "directory.code"
		if i >= 25 {
			want = "directory.throttled"
		}
		wantID(t, err, want)
	}
	for i := range 7 {
		_, err := h.RedeemLink(ctx, from(60), "forged", now)
		want := "directory.link"
		if i >= 5 {
			want = "directory.throttled"
		}
		wantID(t, err, want)
	}
	// Whoever knows a person's id and lies twenty times is stopped, and the right passkey goes on later.
	lie := *key
	lie.NotVerified = true
	for i := range 22 {
		c := must(h.BeginLogin(ctx, from(100+i), now))(t)
		_, err := h.FinishLogin(ctx, from(100+i), c.ID, lie.Login(t, c.Options), "", now)
		want := "directory.passkey"
		if i >= 20 {
			want = "directory.throttled"
		}
		wantID(t, err, want)
	}
	for i := range 6 {
		_, err := h.BeginLogin(ctx, from(200), now)
		if i >= 5 {
			wantID(t, err, "directory.throttled")
		} else if err != nil {
			t.Error(err)
		}
	}
	must(h.login(key, now.Add(16*time.Minute)))(t)
	// A clock that jumped back does not lock anybody out for good.
	_, err = h.RedeemLink(ctx, from(60), "forged", now.Add(-24*time.Hour))
	wantID(t, err, "directory.link")
	// The record says it once a window, not for each refusal.
	throttled := h.trail(audit.Filter{Action: "sign_in.throttled"})
	if len(throttled) != 6 {
		t.Errorf("%d entries about throttling: %v", len(throttled), throttled)
	}
	if err := h.Sweep(ctx, now.Add(24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"ceremony", "throttle"} {
		var n int
		must(0, h.db.Pool(pg.Login).QueryRow(ctx, "SELECT count(*) FROM directory."+table).Scan(&n))(t)
		if n != 0 {
			t.Errorf("%d rows left in %s", n, table)
		}
	}
}

// How long an answer takes must not tell whether an address belongs to somebody.
func TestEnumerationByTime(t *testing.T) {
	h := open(t, func(p *directory.Policy) { p.CodeOrigin, p.CodeAttempts = 1e6, 1e6 })
	ctx := context.Background()
	p := h.person("lead@example.test", actor.Lead)
	by, _, _ := h.enrol(p.ID, now)
	must(h.RenewRecoveryCodes(ctx, by, now))(t)
	var known, unknown []time.Duration
	for range 150 {
		for _, email := range []string{"lead@example.test", "nobody@example.test"} {
			start := time.Now()
			_, err := h.UseRecoveryCode(ctx, visit, email, "0000-0000-0000-0000", now)
			took := time.Since(start)
			wantID(t, err, "directory.code")
			if email == "lead@example.test" {
				known = append(known, took)
			} else {
				unknown = append(unknown, took)
			}
		}
	}
	slices.Sort(known)
	slices.Sort(unknown)
	a, b := known[len(known)/2], unknown[len(unknown)/2]
	if ratio := float64(a) / float64(b); ratio < 0.7 || ratio > 1.43 {
		t.Errorf("known address %v, unknown %v", a, b)
	}
}

// A token that mints is bound, and says so at each use; no other is.
func TestMintingTokens(t *testing.T) {
	h := open(t)
	ctx := context.Background()
	p := h.person("ops@example.test", actor.Operator)
	by, _, _ := h.enrol(p.ID, now)
	day := now.Add(24 * time.Hour)
	minted := func(m *actor.Minting, scopes ...actor.Permission) (string, error) {
		return h.CreateToken(ctx, by, "shop", scopes, m, day, now)
	}
	for name, m := range map[string]*actor.Minting{
		"not bound": nil, "no database": {Logins: true}, "no right": {Databases: []string{"shop"}}, "an empty name": {Databases: []string{""}, Logins: true},
		"too many": {Databases: []string{"shop"}, Jobs: strings.Split("abcdefghijklmnopqrstuvwxyz", "")},
	} {
		_, err := minted(m, actor.MintTokens)
		t.Run(name, func(t *testing.T) { wantID(t, err, "directory.token_minting") })
	}
	want := &actor.Minting{Databases: []string{"other", "shop"}, Logins: true, Jobs: []string{"invoices"}}
	mints := must(minted(&actor.Minting{Databases: []string{"shop", "other", "shop"}, Logins: true, Jobs: []string{"invoices"}}, actor.MintTokens))(t)
	if got := must(h.AuthenticateToken(ctx, mints, "", now))(t).Actor.Minting; !reflect.DeepEqual(got, want) {
		t.Errorf("bound to %+v", got)
	}
	if got := must(h.Tokens(ctx, by, now))(t); !reflect.DeepEqual(got[len(got)-1].Minting, want) {
		t.Errorf("shown as bound to %+v", got[len(got)-1].Minting)
	}
	if got := must(h.AuthenticateToken(ctx, must(minted(want, actor.ReadChecks))(t), "", now))(t).Actor.Minting; got != nil {
		t.Errorf("one that does not mint is bound to %+v", got)
	}
}

func TestTokens(t *testing.T) {
	h := open(t)
	ctx := context.Background()
	h.person("lead@example.test", actor.Lead)
	p := h.person("ops@example.test", actor.Operator)
	by, _, _ := h.enrol(p.ID, now)
	day := now.Add(24 * time.Hour)
	for name, c := range map[string]struct {
		scopes  []actor.Permission
		expires time.Time
		want    string
	}{
		"more than the role":  {[]actor.Permission{actor.ReadChecks, actor.ChangePersons}, day, "directory.token_scope"},
		"the account":         {[]actor.Permission{actor.OwnAccount}, day, "directory.token_scope"},
		"enrolling":           {[]actor.Permission{directory.EnrolPasskey}, day, "directory.token_scope"},
		"nothing":             {nil, day, "directory.token_no_scope"},
		"already over":        {[]actor.Permission{actor.ReadChecks}, now, "directory.token_expiry"},
		"longer than a year":  {[]actor.Permission{actor.ReadChecks}, now.Add(366 * 24 * time.Hour), "directory.token_expiry"},
		"without any expiry ": {[]actor.Permission{actor.ReadChecks}, time.Time{}, "directory.token_expiry"},
	} {
		_, err := h.CreateToken(ctx, by, "ci", c.scopes, nil, c.expires, now)
		t.Run(name, func(t *testing.T) { wantID(t, err, c.want) })
	}
	text := must(h.CreateToken(ctx, by, "ci", []actor.Permission{actor.ReadChecks, actor.RunChecks}, nil, day, now))(t)
	id := must(h.AuthenticateToken(ctx, text, "192.0.2.9", now))(t)
	if !slices.Equal(id.Actor.Permissions, []actor.Permission{actor.ReadChecks, actor.RunChecks}) || id.Actor.ID != p.ID.String() {
		t.Errorf("acts as %+v", id.Actor)
	}
	if _, err := h.Tokens(ctx, id.Actor, now); !errs.Is(err, errs.Denied) {
		t.Errorf("a token reads the account: %v", err)
	}
	if _, err := h.BeginRegistration(ctx, id.Actor, now); !errs.Is(err, errs.Denied) {
		t.Errorf("a token registers a passkey: %v", err)
	}
	// A narrower role narrows the token.
	if err := h.ChangeRole(ctx, cli, p.ID, actor.Reader, now); err != nil {
		t.Fatal(err)
	}
	if id := must(h.AuthenticateToken(ctx, text, "", now))(t); !slices.Equal(id.Actor.Permissions, []actor.Permission{actor.ReadChecks}) {
		t.Errorf("after the change of role: %v", id.Actor.Permissions)
	}
	for _, c := range []struct {
		text string
		at   time.Time
	}{{text, day}, {text, now.Add(-time.Hour)}, {"garant_forged", now}, {"", now}, {strings.TrimPrefix(text, directory.TokenPrefix), now}} {
		_, err := h.AuthenticateToken(ctx, c.text, "", c.at)
		wantID(t, err, "directory.token")
	}
	list := must(h.Tokens(ctx, by, now))(t)
	if len(list) != 1 || list[0].Name != "ci" || list[0].LastUsedAt.IsZero() {
		t.Fatalf("tokens %+v", list)
	}
	other := by
	other.ID = uuid.NewString()
	wantID(t, h.RevokeToken(ctx, other, list[0].ID, now), "directory.no_token")
	if err := h.RevokeToken(ctx, by, list[0].ID, now); err != nil {
		t.Fatal(err)
	}
	_, err := h.AuthenticateToken(ctx, text, "", now)
	wantID(t, err, "directory.token")
	if left := must(h.Tokens(ctx, by, now))(t); len(left) != 0 {
		t.Errorf("tokens %v", left)
	}
}

// The two states of a session have the permissions that the documentation promises.
func TestGrantable(t *testing.T) {
	for _, r := range actor.Roles() {
		if slices.Contains(directory.Grantable(r), actor.OwnAccount) {
			t.Errorf("%s can give away its own account", r)
		}
	}
	if got := directory.Grantable("nobody"); !reflect.DeepEqual(got, []actor.Permission(nil)) {
		t.Errorf("an unknown role grants %v", got)
	}
}
