package demo

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/garant-project/garant/examples/sponsorship"
	"github.com/garant-project/garant/internal/demo/arena"
	"github.com/garant-project/garant/tenant"
)

// The arena's own address.
const (
	arenaPort     = 8484
	arenaListener = "arena"
	arenaFile     = "arena.json"
	arenaReport   = "arena-report.json"
)

// Arena is the page on which anybody may attack the example, with what it needs.
type Arena struct {
	*arena.Arena
	Origin string
	Recipe string // psql's command line with the application's password

	wall *wall
	site Application // its listener
	stop context.CancelFunc
	once sync.Once
	done chan struct{}
}

// OpenArena opens the arena. It gives logins of the first customer and hides its prize with the second.
func (c *Company) OpenArena(ctx context.Context, a *Application, tokens sponsorship.Exchanger, annex string, sentences func(context.Context) ([]arena.Sentence, error)) (*Arena, error) {
	port, err := c.arenaPort()
	if err != nil {
		return nil, err
	}
	connect, password, err := c.psql(false)
	if err != nil {
		return nil, err
	}
	out := &Arena{Origin: fmt.Sprintf("http://arena.localhost:%d", port), Recipe: "PGPASSWORD=" + password + ` psql "` + connect + `"`, done: make(chan struct{})}
	if out.wall, err = c.openWall(ctx); err != nil {
		return nil, err
	}
	mine, theirs := Customers()[0], Customers()[1]
	out.Arena, err = arena.Open(ctx, arena.Config{
		Origin: out.Origin, File: c.path(arenaFile), Report: c.path(arenaReport), Annex: annex, App: a.Origin, Connect: connect, Password: password,
		Superuser: "garant demo shell --superuser --data " + c.dataDir(), Mend: "garant demo mend production --data " + c.dataDir(),
		Mine: mine.Name, Theirs: theirs.Name, Prize: PrizeID, Wall: out.wall, Sentences: sentences, Secret: func() string { return "PRIX-" + rand.Text() }, Log: c.log, Now: time.Now,
		Login: func(ctx context.Context) (tenant.Token, error) {
			id, err := a.Login.Sign(Users()[0].ID)
			if err != nil {
				return tenant.Token{}, err
			}
			return tokens.Exchange(ctx, "", id, tenant.Write)
		},
	})
	if err != nil {
		out.wall.close()
		return nil, err
	}
	if err := out.site.serve(port, out.Handler(), nil); err != nil {
		out.wall.close()
		return nil, err
	}
	ctx, out.stop = context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		defer close(out.done)
		out.Run(ctx)
	}()
	return out, nil
}

// Close ends the arena; what it has counted stays.
func (a *Arena) Close() {
	a.once.Do(func() {
		a.stop()
		<-a.done
		a.site.Close()
		a.wall.close()
	})
}

// arenaPort is the port the arena had, the usual one, or a free one that is then kept.
func (c *Company) arenaPort() (int, error) {
	if ports, known := c.ports[arenaListener]; known {
		return ports[0], nil
	}
	port := arenaPort
	if !c.usual(port) {
		var err error
		if port, err = c.free.Free(); err != nil {
			return 0, err
		}
	}
	c.ports[arenaListener] = [2]int{port, 0}
	return port, c.save("ports.json", mustJSON(c.ports), 0o644)
}

func portOf(c *Company) string { return strconv.Itoa(c.ports[databaseName][0]) }
