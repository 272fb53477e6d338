package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/calendar"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/demo"
	"github.com/garant-project/garant/internal/engine/register"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
)

// patience is how long anything may take that comes by itself.
const patience = time.Minute

// pair is two servers of a company on one database, with two leads and an owner of their measures.
type pair struct {
	*testing.T
	servers [2]*Garant
	leads   [2]actor.Actor
	owner   actor.Actor
	super   *pgx.Conn
	outbox  string
}

// attested is a measure that the owner of the pair answers for.
const attested = "ACC-8"

// openPair opens two servers as they would run on two machines: each with its own connections, settings and
// memory. now is the clock of both.
func openPair(t *testing.T, now func() time.Time) *pair {
	t.Helper()
	ctx := context.Background()
	p := &pair{T: t, outbox: t.TempDir()}
	name, key := pgtest.NewName(t), filepath.Join(t.TempDir(), "key")
	p.super = pgtest.Superuser(t, name)
	for i := range p.servers {
		db, err := pg.Open(ctx, func(r pg.Role) string { return pgtest.DSN(string(r), name) }, pg.ServingRoles()...)
		p.must(err)
		t.Cleanup(db.Close)
		provider, err := crypt.OpenKeyfile(ctx, db.Pool(pg.Staff), key)
		p.must(err)
		box, err := crypt.NewBox(ctx, db.Pool(pg.Staff), provider)
		p.must(err)
		server := estate.DefaultServer()
		server.Listen.Console, server.Listen.Annex, server.Listen.Portal = freeAddress(t), freeAddress(t), freeAddress(t)
		server.Mail = estate.Mail{From: mail.Address{Name: "Garant", Address: "garant@ardoise.example"}, Outbox: p.outbox}
		g := &Garant{Options: Options{DataDir: t.TempDir(), Build: "test", Log: slog.New(slog.DiscardHandler), Now: now}, Store: &Store{DB: db, Box: box}, Server: server}
		p.must(g.wire())
		p.servers[i] = g
	}
	g, by := p.servers[0], actor.NewSystem("test")
	for i := range p.leads {
		person, err := g.AddPerson(ctx, by, fmt.Sprintf("lead-%d@ardoise.example", i), fmt.Sprintf("Lead %d (exemple)", i), actor.Lead)
		p.must(err)
		p.leads[i] = acting(person)
	}
	person, err := g.AddPerson(ctx, by, "proprietaire@ardoise.example", "Propriétaire (exemple)", actor.Member)
	p.must(err)
	p.owner = acting(person)
	declared := fmt.Sprintf("company: {name: Ardoise Mécénat, country: BE, languages: [fr, en], time_zone: %s, contact: dpo@ardoise.example}\n", daytime(now()))
	_, err = estate.Apply(ctx, g.DB.Pool(pg.Staff), p.leads[0], []byte(declared), withManifest(t))
	p.must(err)
	p.must(g.Owners.Assign(ctx, p.leads[0], measure.Assigned{Measure: attested, Responsible: p.owner.ID}))
	return p
}

// daytime is a zone in which it is about noon: nobody is written to at night.
func daytime(now time.Time) string {
	hours := 12 - now.UTC().Hour()
	if hours == 0 {
		return "Etc/GMT"
	}
	return fmt.Sprintf("Etc/GMT%+d", -hours) // POSIX: west is positive
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func (p *pair) must(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

// serve lets both servers run until the test ends.
func (p *pair) serve() {
	p.Helper()
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, g := range p.servers {
		ready := make(chan struct{})
		running.Go(func() {
			if err := g.Serve(ctx, func(Addresses) { close(ready) }); err != nil {
				p.Error(err)
			}
		})
		select {
		case <-ready:
		case <-time.After(patience):
			p.Fatal("a server is not ready")
		}
	}
	p.Cleanup(func() { stop(); running.Wait() })
}

// both does something on both servers at once, and returns what came of it.
func (p *pair) both(do func(i int, g *Garant) error) (failed [2]error) {
	var wg sync.WaitGroup
	for i, g := range p.servers {
		wg.Go(func() { failed[i] = do(i, g) })
	}
	wg.Wait()
	return failed
}

// once fails unless one of both did something, and the other was told why not.
func (p *pair) once(what string, failed [2]error) (did int) {
	p.Helper()
	did = slices.Index(failed[:], nil)
	if did < 0 || failed[1-did] == nil || !errs.Is(failed[1-did], errs.Conflict) {
		p.Fatalf("%s on both servers at once: %v, and %v", what, failed[0], failed[1])
	}
	return did
}

func (p *pair) number(sql string, args ...any) (n int) {
	p.Helper()
	p.must(p.super.QueryRow(context.Background(), sql, args...).Scan(&n))
	return n
}

// propose drafts a version as one lead and proposes it; the other may publish it.
func (p *pair) propose(version int) (proposal int64) {
	p.Helper()
	ctx, book := context.Background(), p.servers[0].Book
	draft, err := book.Draft(ctx)
	p.must(err)
	draft, err = book.Edit(ctx, p.leads[0], draft.Revision, fmt.Sprintf("%s# %d\n", demo.Annex(time.Now()), version))
	p.must(err)
	proposed, err := book.Propose(ctx, p.leads[0], draft.Revision, "")
	p.must(err)
	return proposed.ID
}

// states reads the public annex of a server as programs do.
func (p *pair) states(g *Garant) (map[string]string, error) {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+g.Server.Listen.Annex+"/annex.json", nil)
	p.must(err)
	r.Host = g.Server.Hosts.Annex
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	var doc struct{ Measures []struct{ ID, State string } }
	if err := json.NewDecoder(res.Body).Decode(&doc); err != nil || res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %w", res.Status, err)
	}
	states := map[string]string{}
	for _, m := range doc.Measures {
		states[m.ID] = m.State
	}
	return states, nil
}

// come waits until both servers show a measure in a state.
func (p *pair) come(id, state string) {
	p.Helper()
	for i, g := range p.servers {
		p.wait(fmt.Sprintf("%s is %s on server %d", id, state, i), func() bool {
			states, err := p.states(g)
			return err == nil && states[id] == state
		})
	}
}

func (p *pair) wait(what string, so func() bool) {
	p.Helper()
	for end := time.Now().Add(patience); !so(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			p.Fatalf("never: %s", what)
		}
	}
}

// What one server has published is not taken back by another that has not heard of it yet.
func TestTheAnnexDoesNotGoBack(t *testing.T) {
	now := time.Now() // stands still, so that what a server holds in memory stays new
	p := openPair(t, func() time.Time { return now })
	ctx := context.Background()
	for version := range 3 {
		for _, g := range p.servers {
			_, err := g.View(ctx)
			p.must(err)
		}
		_, err := p.servers[version%2].Book.Publish(ctx, p.leads[1], p.propose(version), "")
		p.must(err)
		p.servers[version%2].views.reset()
		for i := range p.servers {
			p.must(p.servers[(version+i)%2].Publisher.Publish(ctx))
		}
		if got := p.number("SELECT (payload ->> 'tailoring')::int FROM annex.document ORDER BY id DESC LIMIT 1"); got != version+1 {
			t.Fatalf("version %d is published, and the public reads version %d", version+1, got)
		}
	}
	if got := p.number("SELECT count(*) FROM annex.document"); got != 3 {
		t.Errorf("three versions were published, and the public was given %d documents", got)
	}
}

// Two live servers on one database: whatever is asked of both at once is done once, and both show it.
func TestTwoLiveServers(t *testing.T) {
	if testing.Short() {
		t.Skip("runs two servers")
	}
	p := openPair(t, time.Now)
	ctx := context.Background()
	p.serve()

	t.Run("a file is imported once", func(t *testing.T) {
		p := p.in(t)
		const lines = 1500
		for round := range 4 {
			file := bytes.NewBufferString("tag,name,kind\n")
			for i := range lines {
				fmt.Fprintf(file, "EX-%d-%d,Poste,laptop\n", round, i)
			}
			var reports [2]register.Report
			failed := p.both(func(i int, g *Garant) (err error) {
				reports[i], err = g.Registers.Import(ctx, p.leads[i], register.Assets, file.Bytes(), false, time.Now())
				if err == nil && reports[i].Bad == lines { // the other was there before: each line names that
					err = errs.New(errs.Conflict, "test.taken", "taken")
				}
				return err
			})
			if did := p.once("an import", failed); reports[did].Imported != lines {
				t.Errorf("%+v", reports[did])
			}
			if n := p.number("SELECT count(*) FROM register.entry WHERE register = 'assets'"); n != lines*(round+1) {
				t.Fatalf("%d entries after %d imports of %d lines", n, round+1, lines)
			}
		}
		if n := p.number("SELECT count(*) FROM audit.entry WHERE action = 'register.imported' AND outcome = 'permitted'"); n != 4 {
			t.Errorf("%d imports are on record", n)
		}
	})

	t.Run("a version is published once", func(t *testing.T) {
		p := p.in(t)
		for version := 1; version <= 5; version++ {
			proposal := p.propose(version)
			p.once("a publication", p.both(func(_ int, g *Garant) error {
				_, err := g.Book.Publish(ctx, p.leads[1], proposal, "")
				g.Publisher.Wake()
				return err
			}))
			p.wait("it is public", func() bool {
				return p.number("SELECT coalesce(max((payload ->> 'tailoring')::int), 0) FROM annex.document") == version
			})
		}
		p.come(attested, "unproven")
		if n := p.number("SELECT count(*) FROM annex.document"); n != 5 {
			t.Errorf("five versions were published, and the public was given %d documents", n)
		}
	})

	t.Run("statements count, whichever server heard them", func(t *testing.T) {
		p := p.in(t)
		say := func(g *Garant, statement measure.Statement) error {
			view, err := g.View(ctx)
			p.must(err)
			_, err = g.Owners.Attest(ctx, p.owner, measure.Attest{
				Measure: attested, Statement: statement, Words: view.Registry.Catalogue.SentenceHash(attested), ObservedOn: calendar.Of(time.Now(), p.servers[0].zone(ctx)),
			})
			return err
		}
		for round := range 3 {
			p.must(say(p.servers[round%2], measure.Confirmed))
			p.come(attested, "met")
			p.must(say(p.servers[1-round%2], measure.NoLongerSo))
			p.come(attested, "not_met")
		}
		before := p.number("SELECT count(*) FROM measure.attestation")
		failed := p.both(func(_ int, g *Garant) error { return say(g, measure.Confirmed) }) // both were heard
		p.must(failed[0])
		p.must(failed[1])
		p.come(attested, "met")
		if n := p.number("SELECT count(*) FROM measure.attestation"); n != before+2 {
			t.Errorf("%d statements of two at once", n-before)
		}
		if n := p.number("SELECT count(*) FROM audit.entry WHERE action = 'measure.attested'"); n != before+2 {
			t.Errorf("%d statements are on record of %d", n, before+2)
		}
	})
}

// in is the pair in a part of the test.
func (p *pair) in(t *testing.T) *pair {
	q := *p
	q.T = t
	return &q
}

// Two live servers write each message once: reminders and digests, also when both are told to look
// again and again.
func TestTwoLiveServersWriteOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("runs two servers")
	}
	p := openPair(t, time.Now)
	ctx, g := context.Background(), p.servers[0]
	_, err := g.Book.Publish(ctx, p.leads[1], p.propose(1), "")
	p.must(err)
	var owners []string
	for i := range 12 {
		person, err := g.AddPerson(ctx, p.leads[0], fmt.Sprintf("p%d@ardoise.example", i), fmt.Sprintf("Personne %d (exemple)", i), actor.Member)
		p.must(err)
		owners = append(owners, person.ID.String())
	}
	view, err := g.views.latest(ctx)
	p.must(err)
	given := 0
	for _, m := range view.Registry.Catalogue.Measures {
		if m.Attest && m.Per == "" && m.ID != attested {
			p.must(g.Owners.Assign(ctx, p.leads[0], measure.Assigned{Measure: m.ID, Responsible: owners[given%len(owners)]}))
			given++
		}
	}
	p.exec("UPDATE measure.assignment SET assigned_at = now() - interval '40 days'")
	p.serve()
	for range 5 {
		for _, err := range p.both(func(_ int, g *Garant) error {
			for _, do := range []func() error{
				func() error { return g.post.Digests(ctx) },
				func() error { return g.Owners.Reminders(g.post.Queue).Work(ctx, nil) },
				func() error { return g.post.Deliver(ctx) },
			} {
				if err := do(); err != nil {
					return err
				}
			}
			return nil
		}) {
			p.must(err)
		}
	}
	p.wait("nothing waits", func() bool {
		return p.number("SELECT count(*) FROM mail.message WHERE state IN ('waiting', 'sending')") == 0
	})
	if n := p.number("SELECT count(*) FROM mail.message WHERE state = 'failed' OR attempts > 1"); n > 0 {
		t.Errorf("%d messages failed or were tried twice", n)
	}
	reminders, digests := p.letters()
	if len(reminders) != len(owners)+1 {
		t.Errorf("%d people were reminded of %d", len(reminders), len(owners)+1)
	}
	for kind, letters := range map[string]map[string]int{"reminders": reminders, "digests": digests} {
		if len(letters) == 0 {
			t.Errorf("no %s", kind)
		}
		for to, n := range letters {
			if n != 1 {
				t.Errorf("%s got %d %s", to, n, kind)
			}
		}
	}
}

func (p *pair) exec(sql string, args ...any) {
	p.Helper()
	_, err := p.super.Exec(context.Background(), sql, args...)
	p.must(err)
}

// letters counts what the outbox holds, by reader.
func (p *pair) letters() (reminders, digests map[string]int) {
	p.Helper()
	reminders, digests = map[string]int{}, map[string]int{}
	files, err := filepath.Glob(filepath.Join(p.outbox, "*.eml"))
	p.must(err)
	for _, f := range files {
		text, err := os.ReadFile(f)
		p.must(err)
		m, err := mail.ReadMessage(bytes.NewReader(text))
		p.must(err)
		if to := strings.ToLower(m.Header.Get("To")); m.Header.Get("List-Unsubscribe") != "" {
			digests[to]++
		} else {
			reminders[to]++
		}
	}
	return reminders, digests
}
