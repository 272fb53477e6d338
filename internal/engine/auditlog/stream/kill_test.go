package stream

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/engine/auditlog/export"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
)

const childEnv = "GARANT_TEST_STREAM_CHILD"

// childConfig is what a server of the kill test is told.
type childConfig struct {
	DSN   string
	URL   string
	Trust []byte
	Began time.Time
	Rate  int64 // entries sequenced each millisecond
	Total int64
}

// growing is a record that the same entries are added to at the same time, whoever asks.
type growing struct{ childConfig }

func (g growing) After(_ context.Context, position int64, limit int) ([]export.Line, error) {
	there := min(g.Total, time.Since(g.Began).Milliseconds()*g.Rate)
	var found []export.Line
	for p := position + 1; p <= there && len(found) < limit; p++ {
		found = append(found, entryAt(p, g.Began))
	}
	return found, nil
}

func (g growing) Checkpoint(context.Context, int64) (string, error) { return "", nil }

// child is a server that sends until it is killed.
func child(text string) {
	var c childConfig
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		panic(err)
	}
	db, err := pg.Open(context.Background(), func(pg.Role) string { return c.DSN }, pg.Worker)
	if err != nil {
		panic(err)
	}
	t := &lonely{}
	d := estate.Stream{Name: "siem", Kind: estate.WebhookStream, Format: estate.StreamJSON, MaxLag: time.Minute, URL: c.URL, TrustPEM: c.Trust, Private: true, Secret: secretOf(t, "STREAM_SECRET")}
	s := Open(Deps{DB: db, Source: growing{c}, Declared: func() []estate.Stream { return []estate.Stream{d} }, Now: time.Now, Log: slog.New(slog.DiscardHandler), Build: "1", Host: "h", Every: time.Millisecond, Backoff: time.Millisecond, Timeout: 5 * time.Second})
	s.Run(context.Background())
}

// lonely is what helpers need of a test, in a process that is none.
type lonely struct{ testing.TB }

func (*lonely) Helper()           {}
func (*lonely) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

// TestKilled kills servers, of which two run at a time, at random moments: the receiver has every entry, in order, and what came
// again came as the batch it was.
func TestKilled(t *testing.T) {
	name := pgtest.NewName(t)
	r := newReceiver(t, time.Now)
	const total = 6000
	config, err := json.Marshal(childConfig{DSN: pgtest.DSN(string(pg.Worker), name), URL: r.url(), Trust: r.trust, Began: time.Now(), Rate: 2, Total: total})
	if err != nil {
		t.Fatal(err)
	}
	start := func() *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$") //nolint:gosec // this test binary
		cmd.Env = append(os.Environ(), childEnv+"="+string(config), "STREAM_SECRET="+secretText)
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	kill := func(cmd *exec.Cmd) {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	servers := []*exec.Cmd{start(), start()}
	defer func() {
		for _, s := range servers {
			kill(s)
		}
	}()
	kills := 0
	for end := time.Now().Add(60 * time.Second); r.at() < total && time.Now().Before(end); {
		time.Sleep(time.Duration(rand.N(250)) * time.Millisecond) //nolint:gosec // a test
		if kills < 40 {
			i := rand.N(2) //nolint:gosec // a test
			kill(servers[i])
			servers[i] = start()
			kills++
		}
	}
	eventually(t, "every entry", func() bool { return r.at() >= total })
	r.sound(t, total)
	conn := pgtest.Superuser(t, name)
	eventually(t, "the position", func() bool {
		var position, sent int64
		if err := conn.QueryRow(context.Background(), `SELECT position, sent FROM auditlog.stream WHERE name = 'siem'`).Scan(&position, &sent); err != nil {
			t.Fatal(err)
		}
		return position == total && sent == total
	})
	if kills < 10 {
		t.Errorf("only %d kills", kills)
	}
	t.Logf("%d kills, %d batches, %d lines twice", kills, len(r.ids), r.twice)
	ids := map[string]bool{}
	for _, id := range r.ids {
		ids[id] = true
	}
	if repeated := len(r.ids) - len(ids); (repeated > 0) != (r.twice > 0) {
		t.Errorf("%d batches came again under their id, %d lines were there already", repeated, r.twice)
	}
}

// TestOneSends: of two servers one sends; when its connection is gone the other takes over, and the first writes nothing any more.
func TestOneSends(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	if second, err := w.streams.lead(ctx); err != nil || second != nil {
		t.Fatalf("two lead: %v", err)
	}
	w.record.add(5, w.clock.Now(), nil)
	if err := w.drive("siem"); err != nil {
		t.Fatal(err)
	}
	var pid int
	if err := w.leader.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `SELECT pg_backend_pid()`).Scan(&pid)
	}); err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, pgtest.Superuser(t, "postgres"), fmt.Sprintf(`SELECT pg_terminate_backend(%d)`, pid))
	eventually(t, "the leader knows", func() bool { return !w.leader.leads(ctx) })
	before := w.leader
	w.lead()
	w.record.add(5, w.clock.Now(), nil)
	if err := w.drive("siem"); err != nil {
		t.Fatal(err)
	}
	if err := before.taken(ctx, State{Name: "siem", Position: 10}, 11, 1, w.clock.Now()); err == nil {
		t.Error("the server that lost the lead wrote")
	}
	// And one whose idea of the position is old writes nothing either, and leads no more.
	if err := w.leader.taken(ctx, State{Name: "siem", Position: 5}, 11, 1, w.clock.Now()); err == nil || w.leader.leads(ctx) {
		t.Errorf("an old position: %v", err)
	}
	if st := w.state("siem"); st.Position != 10 {
		t.Errorf("%+v", st)
	}
	w.webhook.sound(t, 10)
}

// TestRun: streams come and go with the estate, one that hangs holds up none, and all ends with its context.
func TestRun(t *testing.T) {
	w := newWorld(t)
	w.leader.close()
	streams := w.estate.Streams
	declared := make(chan []estate.Stream, 1)
	declared <- streams[1:]
	now := streams[1:]
	w.streams.Declared = func() []estate.Stream {
		select {
		case now = <-declared:
		default:
		}
		return now
	}
	w.syslog.set(w.syslog.hangs, nil)
	w.record.add(50, w.clock.Now(), nil)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { w.streams.Run(ctx); close(done) }()
	eventually(t, "the store has all", func() bool { return w.state("lake").Position == 50 })
	eventually(t, "syslog is stuck", func() bool { return w.state("logs").Problem == Unconfirmed })
	if w.state("siem").Name != "" {
		t.Error("a stream that is not declared was begun")
	}
	declared <- streams
	eventually(t, "the webhook has all", func() bool { return w.state("siem").Position == 50 })
	declared <- streams[:1]
	time.Sleep(100 * time.Millisecond)
	w.syslog.set(nil, nil)
	w.record.add(50, w.clock.Now(), nil)
	eventually(t, "the webhook goes on", func() bool { return w.state("siem").Position == 100 })
	if st := w.state("lake"); st.Position != 50 {
		t.Errorf("a stream that is not declared any more went on: %+v", st)
	}
	// The database ends every session: the lead is taken anew.
	pgtest.Exec(t, pgtest.Superuser(t, "postgres"), fmt.Sprintf(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '%s' AND usename = 'garant_worker'`, w.db.Pool(pg.Worker).Config().ConnConfig.Database))
	w.record.add(10, w.clock.Now(), nil)
	eventually(t, "the webhook goes on after the database was gone", func() bool { return w.state("siem").Position == 110 })
	declared <- streams
	eventually(t, "the others go on where they were", func() bool { return w.state("lake").Position == 110 && w.state("logs").Position == 110 })
	cancel()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Fatal("it does not end")
	}
	w.webhook.sound(t, 110)
	if keys := w.store.keys(); !strings.HasPrefix(keys[0], "streams/lake/") {
		t.Error(keys)
	}
}
