package demo

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/garant-project/garant/examples/sponsorship"
	"github.com/garant-project/garant/internal/pg/cluster"
	"github.com/garant-project/garant/internal/token"
	"github.com/garant-project/garant/tenant"
)

// minter stands where Garant does: it looks at an ID token with the issuer's published keys, and
// mints with a key of its own. Jobs are accepted for the customers in accepts.
type minter struct {
	key     tenant.Key
	issuer  string
	http    *http.Client
	life    time.Duration
	mu      sync.Mutex
	accepts []tenant.ID
	given   []tenant.Token
	down    bool
}

func (m *minter) Exchange(ctx context.Context, _, idToken string, access tenant.Access) (tenant.Token, error) {
	customer, err := m.verify(ctx, idToken)
	if err != nil {
		return tenant.Token{}, fmt.Errorf("%w: %w", sponsorship.ErrRefused, err)
	}
	return m.mint(tenant.Claims{Tenant: customer, Kind: tenant.Login, Access: access})
}

func (m *minter) Job(_ context.Context, _, purpose string, customer tenant.ID) (tenant.Token, error) {
	m.mu.Lock()
	ok := purpose == sponsorship.Purpose && slices.Contains(m.accepts, customer)
	m.mu.Unlock()
	if !ok {
		return tenant.Token{}, sponsorship.ErrRefused
	}
	return m.mint(tenant.Claims{Tenant: customer, Kind: tenant.Service, Purpose: uuid.MustParse("0199a000-0000-7000-8000-000000000001"), Access: tenant.Write})
}

func (m *minter) mint(c tenant.Claims) (tenant.Token, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down {
		return tenant.Token{}, sponsorship.ErrUnavailable
	}
	c.Session, c.Expires = uuid.New(), time.Now().Add(m.life)
	t, err := m.key.Mint(c)
	m.given = append(m.given, t)
	return t, err
}

// verify holds a token to the issuer's key set, as whoever exchanges it has to.
func (m *minter) verify(ctx context.Context, raw string) (tenant.ID, error) {
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, m.issuer+"/jwks", nil)
	res, err := m.http.Do(req)
	if err != nil {
		return tenant.ID{}, err
	}
	defer func() { _ = res.Body.Close() }()
	var set struct {
		Keys []struct{ N, E string }
	}
	if err := json.NewDecoder(res.Body).Decode(&set); err != nil || len(set.Keys) != 1 {
		return tenant.ID{}, errors.New("no key set")
	}
	parts := strings.Split(raw, ".")
	var decoded [3][]byte
	for i := range decoded {
		if len(parts) != 3 {
			return tenant.ID{}, errors.New("no token")
		}
		if decoded[i], err = base64.RawURLEncoding.DecodeString(parts[i]); err != nil {
			return tenant.ID{}, err
		}
	}
	n, _ := base64.RawURLEncoding.DecodeString(set.Keys[0].N)
	e, _ := base64.RawURLEncoding.DecodeString(set.Keys[0].E)
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	public := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
	if err := rsa.VerifyPKCS1v15(public, crypto.SHA256, sum[:], decoded[2]); err != nil {
		return tenant.ID{}, err
	}
	var claims struct {
		Iss, Aud, Organisation string
		Exp                    int64
	}
	if err := json.Unmarshal(decoded[1], &claims); err != nil || claims.Iss != m.issuer || claims.Aud != Client || time.Now().Unix() > claims.Exp {
		return tenant.ID{}, errors.New("not for this application, or not any more")
	}
	return tenant.ParseID("bigint", claims.Organisation)
}

// stage is the example with its application and a minter whose key the database has.
type stage struct {
	t      *testing.T
	c      *Company
	app    *Application
	minter *minter
	pool   *pgxpool.Pool // as the application's role, with its password, over TLS
}

func newStage(t *testing.T) *stage {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a cluster and an application")
	}
	t.Setenv(PortsVariable, "free")
	s := &stage{t: t, c: open(t, scratch(t))}
	t.Cleanup(s.c.Close)
	ctx := context.Background()
	key := tenant.Key{ID: 1, Audience: token.Audience(uuid.New(), uuid.New())}
	_, _ = rand.Read(key.Secret[:]) // never fails
	file := filepath.Join(t.TempDir(), "tenancy.key")
	if err := tenant.WriteKeyFile(file, key); err != nil {
		t.Fatal(err)
	}
	key, err := tenant.ReadKeyFile(file)
	if err != nil {
		t.Fatal(err)
	}
	keeper, err := pgx.Connect(ctx, s.read(keeperAddress))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = keeper.Close(ctx) }()
	if err := token.InstallKey(ctx, keeper, key, nil); err != nil {
		t.Fatal(err)
	}
	s.minter = &minter{key: key, issuer: s.c.issuerURL(), http: s.c.client(), life: 15 * time.Minute}
	for _, c := range Customers() {
		s.minter.accepts = append(s.minter.accepts, c.ID())
	}
	if s.app, err = s.c.OpenApplication(ctx, s.minter, nil, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.app.Close)
	if s.pool, err = pgxpool.New(ctx, s.read(appAddress)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.pool.Close)
	return s
}

func (s *stage) read(file string) string {
	s.t.Helper()
	text, err := os.ReadFile(s.c.path(file))
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// token is a token of a customer that may write, as a login gives it.
func (s *stage) token(customer int64) tenant.Token {
	s.t.Helper()
	t, err := s.minter.mint(tenant.Claims{Tenant: tenant.Int(customer), Kind: tenant.Login, Access: tenant.Write})
	if err != nil {
		s.t.Fatal(err)
	}
	return t
}

// owner asks as the superuser: the truth.
func (s *stage) owner(sql string, args ...any) []string {
	s.t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, s.c.db.cluster.DSN(cluster.SuperUser, productionDatabase))
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	rows, err := conn.Query(ctx, sql, args...)
	if err != nil {
		s.t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		s.t.Fatalf("%s: %v", sql, err)
	}
	return all
}

// browser is a client with cookies, which finds hosts below localhost as browsers do.
type browser struct {
	s *stage
	*http.Client
}

func (s *stage) browser() *browser {
	jar, _ := cookiejar.New(nil)
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		_, port, _ := net.SplitHostPort(address)
		return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:"+port)
	}
	return &browser{s, &http.Client{Jar: jar, Transport: &http.Transport{DialContext: dial}, Timeout: 20 * time.Second}}
}

// ask sends a request and gives status, text and where it ended.
func (b *browser) ask(method, path string, form url.Values, headers ...string) (int, string, *url.URL) {
	b.s.t.Helper()
	address := path
	if strings.HasPrefix(path, "/") {
		address = b.s.app.Origin + path
	}
	req, err := http.NewRequestWithContext(context.Background(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		b.s.t.Fatal(err)
	}
	req.Header.Set("Accept-Language", "en")
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := b.Do(req)
	if err != nil {
		b.s.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.s.t.Fatal(err)
	}
	if !strings.HasPrefix(res.Header.Get("Content-Security-Policy"), "default-src 'none'") {
		b.s.t.Errorf("%s has no policy", path)
	}
	return res.StatusCode, string(body), res.Request.URL
}

func (b *browser) get(path string) (int, string) {
	b.s.t.Helper()
	status, text, _ := b.ask(http.MethodGet, path, nil)
	return status, text
}

var hidden = regexp.MustCompile(`name="([a-z_]+)" value="([^"]*)"`)

// signIn goes the whole way: the issuer's page, a choice on it, and back.
func (b *browser) signIn(customer int64, role int) {
	b.s.t.Helper()
	status, text, at := b.ask(http.MethodGet, "/signin", nil)
	if status != 200 || !strings.HasPrefix(at.String(), b.s.app.Pages+"/authorize") || !strings.Contains(text, "For development only") {
		b.s.t.Fatalf("sign in: %d at %s\n%s", status, at, text)
	}
	form := url.Values{"user": {fmt.Sprintf("00000000-0000-4000-8000-0000000000%d%d", customer, role)}}
	for _, m := range hidden.FindAllStringSubmatch(text, -1) {
		if m[1] != "user" {
			form.Set(m[1], strings.NewReplacer("&amp;", "&", "&#43;", "+").Replace(m[2]))
		}
	}
	status, text, at = b.ask(http.MethodPost, b.s.app.Pages+"/authorize", form)
	if status != 200 || at.Path != "/applications" {
		b.s.t.Fatalf("after the choice: %d at %s\n%s", status, at, text)
	}
}

const (
	reviews, pays, reads = 1, 2, 3
)

func TestApplication(t *testing.T) {
	s := newStage(t)
	t.Run("users are members", func(t *testing.T) { testUsersAreMembers(t, s) })
	t.Run("customers apart", func(t *testing.T) { testCustomersApart(t, s) })
	t.Run("story", func(t *testing.T) { testStory(t, s) })
	t.Run("around", func(t *testing.T) { testAround(t, s) })
}

// The whole story: a stranger asks, one reviews, one pays, and the other customer sees nothing of it.
func testStory(t *testing.T, s *stage) {
	stranger := s.browser()
	if status, text := stranger.get("/"); status != 200 || !strings.Contains(text, "Brasserie de l’Exemple") || !strings.Contains(text, "Assurances de l’Exemple") {
		t.Fatalf("%d %s", status, text)
	}
	if _, _, at := stranger.ask(http.MethodGet, "/applications", nil); at.Path != "/" || at.RawQuery != "signin=needed" {
		t.Errorf("without a login one is sent to %s", at)
	}
	form := url.Values{"first_name": {"Prénom"}, "last_name": {"Exemple neuf"}, "email": {"neuf@mail.example"}, "iban": {"BE68 5390 0754 7034"}, "subject": {"Course <b>aux</b> œufs"},
		"field": {"sport"}, "amount": {"1 250,50"}, "description": {"'); DROP TABLE customer.application; --"}}
	bad := url.Values{"first_name": {"Prénom"}, "amount": {"beaucoup"}, "email": {"x"}, "iban": {"BE00"}}
	if status, text, _ := stranger.ask(http.MethodPost, "/apply/brasserie", bad); status != 422 || strings.Count(text, `class="fault"`) < 7 || !strings.Contains(text, `value="beaucoup"`) {
		t.Errorf("a bad form: %d\n%s", status, text)
	}
	if status, text, at := stranger.ask(http.MethodPost, "/apply/brasserie", form); status != 200 || at.Path != "/apply/brasserie/received" || !strings.Contains(text, "Brasserie") {
		t.Fatalf("%d at %s\n%s", status, at, text)
	}
	id := s.owner(`SELECT id::text FROM customer.application WHERE subject = 'Course <b>aux</b> œufs' AND organisation_id = 1 AND amount = 1250.50`)
	if len(id) != 1 {
		t.Fatal("the application is not there, or not of the customer whose form it was")
	}
	page := "/applications/" + id[0]

	a, b := s.browser(), s.browser()
	a.signIn(1, reviews)
	b.signIn(2, reviews)
	if status, text := a.get("/applications?status=submitted"); status != 200 || !strings.Contains(text, "Course &lt;b&gt;aux&lt;/b&gt; œufs") || !strings.Contains(text, "€1,250.50") {
		t.Errorf("%d\n%s", status, text)
	}
	if _, text := b.get("/applications?status=submitted"); strings.Contains(text, "Course") {
		t.Error("the other customer sees it in the list")
	}
	for _, other := range []*browser{b} {
		if status, text := other.get(page); status != 404 || strings.Contains(text, "Course") {
			t.Errorf("the other customer opens it: %d", status)
		}
		if status, _, _ := other.ask(http.MethodPost, page+"/decision", url.Values{"decision": {"refused"}, "note": {"no"}}); status != 409 {
			t.Errorf("the other customer decides: %d", status)
		}
	}
	if status, _, _ := a.ask(http.MethodPost, page+"/decision", url.Values{"decision": {"refused"}}); status != 422 {
		t.Errorf("refused without a reason: %d", status)
	}
	if status, _, _ := a.ask(http.MethodPost, page+"/payment", url.Values{}); status != 403 {
		t.Errorf("a reviewer pays: %d", status)
	}
	if status, _, _ := a.ask(http.MethodPost, page+"/decision", url.Values{"decision": {"granted"}}, "Sec-Fetch-Site", "cross-site"); status != 403 {
		t.Errorf("another site grants: %d", status)
	}
	if status, text, _ := a.ask(http.MethodPost, page+"/decision", url.Values{"decision": {"granted"}, "note": {"Beau projet"}}); status != 200 || !strings.Contains(text, "Beau projet") {
		t.Errorf("granting: %d\n%s", status, text)
	}
	if status, _, _ := a.ask(http.MethodPost, page+"/decision", url.Values{"decision": {"refused"}, "note": {"après coup"}}); status != 409 {
		t.Errorf("deciding twice: %d", status)
	}
	reader, payer := s.browser(), s.browser()
	reader.signIn(1, reads)
	if status, _, _ := reader.ask(http.MethodPost, page+"/payment", url.Values{}); status != 403 {
		t.Errorf("a reader pays: %d", status)
	}
	payer.signIn(1, pays)
	if status, text := payer.get(page); status != 200 || !strings.Contains(text, "BE68539007547034") {
		t.Errorf("%d\n%s", status, text)
	}
	var once sync.WaitGroup
	statuses := make([]int, 4)
	for i := range statuses { // at the same moment
		once.Go(func() { statuses[i], _, _ = payer.ask(http.MethodPost, page+"/payment", url.Values{}) })
	}
	once.Wait()
	slices.Sort(statuses)
	if !slices.Equal(statuses, []int{200, 409, 409, 409}) {
		t.Errorf("paid at once: %v", statuses)
	}
	if n := s.owner(`SELECT count(*)::text FROM customer.payment WHERE application_id = $1 AND organisation_id = 1`, id[0]); n[0] != "1" {
		t.Errorf("%s payments", n)
	}
	if status, _, at := payer.ask(http.MethodPost, "/signout", url.Values{}); status != 200 || at.Path != "/" {
		t.Errorf("signing out: %d %s", status, at)
	}
	if _, _, at := payer.ask(http.MethodGet, page, nil); at.Path != "/" {
		t.Error("a page is shown after signing out")
	}
	if res, err := http.Get("http://" + loopback(s.c.ports[applicationListener][0])); err != nil || res.StatusCode != http.StatusMisdirectedRequest { //nolint:noctx,bodyclose // one look
		t.Errorf("under another name: %v, %v", res, err)
	}
}

// What goes wrong around the application ends in a page that says so.
func testAround(t *testing.T, s *stage) {
	a := s.browser()
	a.signIn(1, reviews)
	// A job that a customer has not accepted opens no form; the other's stays open.
	s.minter.mu.Lock()
	s.minter.accepts = s.minter.accepts[:1]
	s.minter.mu.Unlock()
	if status, _ := a.get("/apply/assurances"); status != 404 {
		t.Errorf("a form that nobody accepted: %d", status)
	}
	if status, _ := a.get("/apply/brasserie"); status != 200 {
		t.Errorf("the other form: %d", status)
	}
	// A session that was ended: signed out. The public form takes another token.
	keeper, err := pgx.Connect(t.Context(), s.read(keeperAddress))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = keeper.Close(context.Background()) }()
	s.minter.mu.Lock()
	given := slices.Clone(s.minter.given)
	s.minter.mu.Unlock()
	for _, g := range given {
		if err := token.Revoke(t.Context(), keeper, g.Claims().Session, g.Expires()); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, at := a.ask(http.MethodGet, "/applications", nil); at.RawQuery != "signin=again" {
		t.Errorf("a revoked session is sent to %s", at)
	}
	if status, _ := a.get("/apply/brasserie"); status != 503 {
		t.Errorf("the form with a revoked token: %d", status)
	}
	if status, _ := a.get("/apply/brasserie"); status != 200 {
		t.Errorf("the form afterwards: %d", status)
	}
	// Garant away, then the database away: said, and back without help.
	b := s.browser()
	s.minter.mu.Lock()
	s.minter.down = true
	s.minter.mu.Unlock()
	if _, text := b.get("/signin"); !strings.Contains(text, "development") {
		t.Error("the login does not depend on Garant")
	}
	s.minter.mu.Lock()
	s.minter.down = false
	s.minter.mu.Unlock()
	b.signIn(2, pays)
	if err := s.c.Break(databaseName, "down"); err != nil {
		t.Fatal(err)
	}
	if status, text := b.get("/applications"); status != 503 || !strings.Contains(text, "Try again") {
		t.Errorf("without its database: %d\n%s", status, text)
	}
	if err := s.c.Mend(databaseName); err != nil {
		t.Fatal(err)
	}
	// Connections that died with the database are found dead by those who ask first.
	status := 0
	for end := time.Now().Add(20 * time.Second); status != 200 && time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		status, _ = b.get("/applications")
	}
	if status != 200 {
		t.Errorf("with its database again: %d", status)
	}
}

// At the same time, through pages and through SQL: what each customer gets is what the owner knows to be theirs.
func testCustomersApart(t *testing.T, s *stage) {
	truth := map[int64][]string{}
	for _, c := range Customers() {
		if truth[c.Key] = s.owner(`SELECT id::text FROM customer.application WHERE organisation_id = $1 ORDER BY id`, c.Key); len(truth[c.Key]) < 50 {
			t.Fatalf("%d applications of %s", len(truth[c.Key]), c.Name)
		}
	}
	link := regexp.MustCompile(`href="/applications/([0-9a-f-]{36})"`)
	next := regexp.MustCompile(`href="(/applications\?[^"]*after=[^"]+)"`)
	var all sync.WaitGroup
	for _, c := range Customers() {
		b := s.browser()
		b.signIn(c.Key, reads)
		for range 2 {
			all.Go(func() { // pages
				var seen []string
				for at := "/applications"; at != ""; {
					_, text := b.get(at)
					for _, m := range link.FindAllStringSubmatch(text, -1) {
						seen = append(seen, m[1])
					}
					if at = ""; next.MatchString(text) {
						at = strings.ReplaceAll(next.FindStringSubmatch(text)[1], "&amp;", "&")
					}
				}
				slices.Sort(seen)
				if !slices.Equal(seen, truth[c.Key]) {
					t.Errorf("the pages of %s show %d applications, it has %d", c.Name, len(seen), len(truth[c.Key]))
				}
			})
			all.Go(func() { // SQL, with the application's own role and pool
				for range 40 {
					rows, err := tenant.Query(context.Background(), s.pool, s.token(c.Key), `SELECT id::text FROM customer.application ORDER BY id`)
					if err != nil {
						t.Error(err)
						return
					}
					seen, err := pgx.CollectRows(rows, pgx.RowTo[string])
					if err != nil || !slices.Equal(seen, truth[c.Key]) {
						t.Errorf("SQL for %s gives %d applications, it has %d; %v", c.Name, len(seen), len(truth[c.Key]), err)
						return
					}
				}
			})
		}
		for _, other := range Customers() {
			if other == c {
				continue
			}
			all.Go(func() {
				for _, id := range truth[other.Key][:10] {
					if status, _ := b.get("/applications/" + id); status != 404 {
						t.Errorf("%s opens an application of %s: %d", c.Name, other.Name, status)
					}
				}
			})
		}
	}
	all.Wait()
	for _, c := range Customers() {
		if now := s.owner(`SELECT id::text FROM customer.application WHERE organisation_id = $1 ORDER BY id`, c.Key); !slices.Equal(now, truth[c.Key]) {
			t.Errorf("the rows of %s changed", c.Name)
		}
	}
}

// The login knows whom the database knows.
func testUsersAreMembers(t *testing.T, s *stage) {
	for _, u := range Users() {
		got := s.owner(`SELECT m.organisation_id || ' ' || o.name || ' ' || m.first_name || ' ' || m.last_name || ' ' || m.email FROM customer.member m JOIN customer.organisation o ON o.id = m.organisation_id WHERE m.id = $1`, u.ID)
		if want := u.Organisation + " " + u.Customer + " " + u.Name + " " + u.Email; len(got) != 1 || got[0] != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
