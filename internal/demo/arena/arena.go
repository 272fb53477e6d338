package arena

import (
	"context"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/tenant"
)

//go:embed page.html arena.css arena.js
var files embed.FS

// Wall is the guarded database as the arena looks at it, with more rights than any visitor.
type Wall interface {
	// Stands reports whether all is as it was when the arena was opened, and no superuser is signed in.
	Stands(ctx context.Context) (wall, alone bool, err error)
	// Hide puts a new text into the prize's row.
	Hide(ctx context.Context, text string) error
}

// Sentence is one of the annex that the arena puts to the test.
type Sentence struct {
	ID    string            `json:"id"`
	State string            `json:"state"`
	Text  map[string]string `json:"text"` // by language
}

// Config is what the arena needs.
type Config struct {
	Origin    string // where it answers: http://arena.localhost:8484
	File      string // where it keeps its counts
	Report    string // where it says what it has counted, for the annex (docs/own-checks.md, what a command says)
	Annex     string // address of the public annex
	App       string // address of the application
	Connect   string // psql's command line, without the password
	Password  string // of the application's role
	Superuser string // a command that opens a superuser's shell
	Mend      string // a command that puts the wall back
	Mine      string // the customer of the login that is given
	Theirs    string // the customer whose row the prize is in
	Prize     string // id of that row
	Wall      Wall
	Login     func(context.Context) (tenant.Token, error) // a new login of Mine
	Sentences func(context.Context) ([]Sentence, error)
	Secret    func() string // a new text for the prize
	Log       *slog.Logger
	Now       func() time.Time
}

// Arena is the running page.
type Arena struct {
	c      Config
	host   string
	page   *template.Template
	ledger *ledger

	looking sync.Mutex // one look, and one new prize, at a time

	mu    sync.Mutex
	wall  bool
	alone bool
}

// Open makes the arena and hides the first prize.
func Open(ctx context.Context, c Config) (*Arena, error) {
	u, err := url.Parse(c.Origin)
	if err != nil || u.Host == "" {
		return nil, errs.New(errs.Invalid, "arena.origin", "The arena has no address.").Wrap(err)
	}
	a := &Arena{c: c, host: u.Host}
	if a.page, err = template.ParseFS(files, "page.html"); err != nil {
		return nil, err
	}
	if a.ledger, err = openLedger(c.File, c.Now); err != nil {
		return nil, err
	}
	if err := a.hide(ctx); err != nil {
		return nil, err
	}
	return a, errors.Join(a.look(ctx), a.report())
}

// report says what was counted, and when. Nothing is said while the wall cannot be seen: what was said then grows too old.
func (a *Arena) report() error {
	t := a.ledger.read()
	type item struct {
		Item     string `json:"item"`
		Expected string `json:"expected"`
		Actual   string `json:"actual"`
	}
	said := struct {
		Failed     []item         `json:"failed"`
		Facts      map[string]int `json:"facts"`
		ObservedAt time.Time      `json:"observed_at"`
	}{[]item{}, map[string]int{"attempts": t.Tries, "crossings": t.Crossings}, a.c.Now().UTC()}
	if t.Crossings > 0 {
		said.Failed = append(said.Failed, item{"crossings", "0", strconv.Itoa(t.Crossings)})
	}
	return write(a.c.Report, said, false)
}

// Tally is what was counted.
func (a *Arena) Tally() Tally { return a.ledger.read() }

// Reset takes a text for the prize without putting it into its row: for tests, to which no row would show it.
func (a *Arena) Reset(text string) { a.ledger.reset(text) }

func (a *Arena) hide(ctx context.Context) error {
	text := a.c.Secret()
	if err := a.c.Wall.Hide(ctx, text); err != nil {
		return err
	}
	a.ledger.reset(text)
	return nil
}

// Run looks at the wall until ctx ends, and makes the prize anew when it was spent or could be read
// otherwise, as soon as that is over.
func (a *Arena) Run(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := a.look(ctx); err != nil && ctx.Err() == nil {
			a.c.Log.Error("the arena cannot see its wall", "error.message", err.Error())
			continue
		}
		if err := a.report(); err != nil {
			a.c.Log.Error("the arena cannot say what it has counted", "error.message", err.Error())
		}
	}
}

func (a *Arena) look(ctx context.Context) error {
	a.looking.Lock()
	defer a.looking.Unlock()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	wall, alone, err := a.c.Wall.Stands(ctx)
	a.mu.Lock()
	a.wall, a.alone = err == nil && wall, err == nil && alone // what cannot be seen does not stand
	a.mu.Unlock()
	spent := a.ledger.peek(err != nil || !wall || !alone)
	if err != nil {
		return err
	}
	if spent && wall && alone {
		return a.hide(ctx)
	}
	return nil
}

// Handler serves the page.
func (a *Arena) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { a.show(w, r, http.StatusOK, view{}) })
	mux.HandleFunc("GET /state", a.state)
	mux.HandleFunc("POST /login", a.login)
	mux.HandleFunc("POST /try", a.try)
	for name, kind := range map[string]string{"arena.css": "text/css; charset=utf-8", "arena.js": "text/javascript; charset=utf-8"} {
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) {
			content, err := files.ReadFile(name)
			if err != nil {
				http.NotFound(w, r)
				return
			}
			w.Header().Set("Content-Type", kind)
			_, _ = w.Write(content) // the client may have gone
		})
	}
	cross := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		remote, _, err := net.SplitHostPort(r.RemoteAddr)
		if err != nil || !net.ParseIP(remote).IsLoopback() || r.Host != a.host {
			http.Error(w, "The arena serves its own machine only, at "+a.c.Origin+".", http.StatusMisdirectedRequest)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
		cross.Handler(mux).ServeHTTP(w, r)
	})
}

// view is what the page shows.
type view struct {
	Config
	Lang      string
	Tally     Tally
	Wall      bool
	Alone     bool
	Sentences []Sentence
	Blind     bool // the annex cannot be read
	Token     string
	Expires   time.Time
	Outcome   outcome
	Fault     bool // Garant gave no login
}

// T chooses the words of the page's language.
func (v view) T(fr, en string) string {
	if v.Lang == "fr" {
		return fr
	}
	return en
}

// Other is the other language.
func (v view) Other() string { return v.T("en", "fr") }

// State is a measure's state in words.
func (v view) State(s string) string {
	words := map[string][2]string{"met": {"tenue", "met"}, "not_met": {"retirée", "withdrawn"}, "stale": {"périmée", "stale"}, "unproven": {"pas encore prouvée", "not proven yet"}, "excluded": {"exclue", "excluded"}}
	return v.T(words[s][0], words[s][1])
}

func (a *Arena) fill(r *http.Request, v view) view {
	v.Config, v.Tally = a.c, a.ledger.read()
	a.mu.Lock()
	v.Wall, v.Alone = a.wall, a.alone
	a.mu.Unlock()
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	var err error
	if v.Sentences, err = a.c.Sentences(ctx); err != nil {
		v.Blind = true
	}
	v.Lang = r.URL.Query().Get("lang")
	if v.Lang != "fr" && v.Lang != "en" {
		v.Lang = "fr"
		for _, tag := range strings.Split(strings.ToLower(r.Header.Get("Accept-Language")), ",") {
			if tag = strings.TrimSpace(tag); strings.HasPrefix(tag, "fr") || strings.HasPrefix(tag, "en") {
				v.Lang = tag[:2]
				break
			}
		}
	}
	return v
}

func (a *Arena) show(w http.ResponseWriter, r *http.Request, status int, v view) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	var b strings.Builder
	if err := a.page.Execute(&b, a.fill(r, v)); err != nil {
		a.c.Log.Error("the arena's page cannot be written", "error.message", err.Error())
		http.Error(w, "The page could not be written.", http.StatusInternalServerError)
		return
	}
	w.WriteHeader(status)
	_, _ = w.Write([]byte(b.String())) // the client may have gone
}

// state is what the page asks for while it is open.
func (a *Arena) state(w http.ResponseWriter, r *http.Request) {
	v := a.fill(r, view{})
	type line struct {
		ID    string `json:"id"`
		State string `json:"state"`
		Words string `json:"words"`
	}
	out := struct {
		Tally     Tally  `json:"tally"`
		Wall      bool   `json:"wall"`
		Alone     bool   `json:"alone"`
		Words     string `json:"words"`
		Sentences []line `json:"sentences"`
	}{v.Tally, v.Wall, v.Alone, v.WallWords(), []line{}}
	for _, s := range v.Sentences {
		out.Sentences = append(out.Sentences, line{s.ID, s.State, v.State(s.State)})
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(out) // the client may have gone
}

// WallWords say how the wall stands.
func (v view) WallWords() string {
	switch {
	case !v.Wall:
		return v.T("Le mur est abattu\u00a0: ce que la base contrôlait a été modifié.", "The wall is down: what the database held has been changed.")
	case !v.Alone:
		return v.T("Le mur tient, mais un superutilisateur est connecté.", "The wall stands, but a superuser is signed in.")
	}
	return v.T("Le mur tient.", "The wall stands.")
}

func (a *Arena) login(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
	defer cancel()
	t, err := a.c.Login(ctx)
	if err == nil {
		err = a.ledger.login()
	}
	if err != nil {
		a.c.Log.Error("the arena gives no login", "error.message", err.Error())
		a.show(w, r, http.StatusServiceUnavailable, view{Fault: true})
		return
	}
	a.show(w, r, http.StatusOK, view{Token: hex.EncodeToString(t.Bytes()), Expires: t.Expires()})
}

func (a *Arena) try(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, "The form could not be read.", http.StatusBadRequest)
		return
	}
	// The wall as it is now, not as it was a second ago.
	if err := a.look(r.Context()); err != nil {
		a.c.Log.Error("the arena cannot see its wall", "error.message", err.Error())
	}
	a.mu.Lock()
	peeked := !a.wall || !a.alone
	a.mu.Unlock()
	out, err := a.ledger.try(r.PostForm.Get("text"), peeked)
	if err != nil {
		http.Error(w, fmt.Sprint(err), http.StatusServiceUnavailable)
		return
	}
	if err := a.report(); err != nil {
		a.c.Log.Error("the arena cannot say what it has counted", "error.message", err.Error())
	}
	status := http.StatusOK
	if out == wrong {
		status = http.StatusUnprocessableEntity
	}
	a.show(w, r, status, view{Outcome: out})
}
