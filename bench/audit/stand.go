package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/audit/sequence"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/demo/servers/secondaccount"
	"github.com/garant-project/garant/internal/engine/auditlog/replica"
	"github.com/garant-project/garant/internal/engine/auditlog/worm"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/cluster"
)

const (
	template = "garant_template"
	app      = "app" // role of the application whose writes are captured
)

// stand is a cluster whose databases are made from a template that was migrated once.
type stand struct {
	options
	dir     string
	cluster *cluster.Cluster
	say     func(string, ...any)
	figures []figure
	part    string
	load    string
	made    *log // the record of part batch, which part verify reads
}

func open(ctx context.Context, dir string, o options, say func(string, ...any)) (*stand, error) {
	s := &stand{options: o, dir: dir, say: say}
	users := []string{app}
	for _, r := range pg.Roles() {
		users = append(users, string(r))
	}
	var err error
	if s.cluster, err = cluster.Open(ctx, cluster.Options{Name: "bench", Dir: filepath.Join(dir, "pg"), Users: users, Settings: o.settings}); err != nil {
		return nil, err
	}
	err = pg.Bootstrap(ctx, s.cluster.DSN(cluster.SuperUser, "postgres"), template)
	if err == nil {
		_, err = pg.Migrate(ctx, s.cluster.DSN(string(pg.Owner), template))
	}
	if err == nil {
		err = s.introduce(ctx)
	}
	if err != nil {
		s.close(context.WithoutCancel(ctx))
		return nil, err
	}
	return s, nil
}

// introduce says on what is measured.
func (s *stand) introduce(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.cluster.DSN(cluster.SuperUser, "postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var fsync string
	if err := conn.QueryRow(ctx, "SHOW fsync").Scan(&fsync); err != nil {
		return err
	}
	took, err := flush(s.dir)
	s.say("PostgreSQL %s, fsync %s; to write 8 KiB and have it on the disk takes %.2f ms here, p50 of 100", s.cluster.Version(), fsync, took)
	return err
}

// flush is how long the disk takes to keep a page, in milliseconds.
func flush(dir string) (float64, error) {
	f, err := os.Create(filepath.Join(dir, "flush")) //nolint:gosec // in our scratch directory
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close(); _ = os.Remove(f.Name()) }()
	page := make([]byte, 8192)
	var took []time.Duration
	for range 100 {
		began := time.Now()
		if _, err := f.WriteAt(page, 0); err != nil {
			return 0, err
		}
		if err := unix.Fdatasync(int(f.Fd())); err != nil {
			return 0, err
		}
		took = append(took, time.Since(began))
	}
	return at(0.5, took), nil
}

func (s *stand) close(ctx context.Context) {
	s.drop()
	if s.cluster != nil {
		_ = s.cluster.Close(ctx)
	}
}

// drop lets go of the record that parts share.
func (s *stand) drop() {
	if s.made != nil {
		s.made.close()
		s.made = nil
	}
}

// database makes one out of the template.
func (s *stand) database(ctx context.Context, name string) error {
	conn, err := pgx.Connect(ctx, s.cluster.DSN(cluster.SuperUser, "postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	quoted := pgx.Identifier{name}.Sanitize()
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+quoted+" TEMPLATE "+template+" OWNER garant_owner"); err != nil {
		return err
	}
	return pg.Secure(ctx, conn, name)
}

// log is a record with a pen and somebody who puts it in order.
type log struct {
	s     *stand
	name  string
	dbs   []*pg.DB // each with a few connections for a role; the first serves, the others are of writers
	super *pgx.Conn
	box   *crypt.Box
	pen   *audit.Pen
	seq   *sequence.Sequencer

	account         *secondaccount.Account // nil: none
	rep             *replica.Replica
	reader, toWrite *worm.Store
	stop            context.CancelFunc // of what runs
	running         sync.WaitGroup
	mu              sync.Mutex
	fault           error // of a heartbeat
}

func (s *stand) newLog(ctx context.Context, name string) (l *log, err error) {
	if err := s.database(ctx, name); err != nil {
		return nil, err
	}
	l = &log{s: s, name: name}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	db, err := pg.Open(ctx, l.dsn, pg.ServingRoles()...)
	if err != nil {
		return nil, err
	}
	l.dbs = []*pg.DB{db}
	provider, err := crypt.OpenKeyfile(ctx, db.Pool(pg.Staff), filepath.Join(s.dir, name+".key"))
	if err != nil {
		return nil, err
	}
	if l.box, err = crypt.NewBox(ctx, db.Pool(pg.Staff), provider); err != nil {
		return nil, err
	}
	if l.pen, err = audit.NewPen(l.box, time.Now); err != nil {
		return nil, err
	}
	l.pen.Use(db)
	if l.super, err = pgx.Connect(ctx, s.cluster.DSN(cluster.SuperUser, name)); err != nil {
		return nil, err
	}
	l.seq = &sequence.Sequencer{DB: db, Box: l.box, Origin: "trust.example.com/log", Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	return l, nil
}

func (l *log) dsn(r pg.Role) string { return l.s.cluster.DSN(string(r), l.name) }

// connections gives so many connections of garant_staff that carry the pen, and a way to give them back.
func (l *log) connections(ctx context.Context, many int) (all []*connection, err error) {
	for len(all) < many {
		db, err := pg.Open(ctx, l.dsn, pg.Staff)
		if err != nil {
			return nil, err
		}
		l.pen.Use(db)
		l.dbs = append(l.dbs, db)
		for range 6 { // as many as a pool has
			if len(all) == many {
				break
			}
			c, err := db.Pool(pg.Staff).Acquire(ctx)
			if err != nil {
				return nil, err
			}
			all = append(all, c)
		}
	}
	return all, nil
}

// second gives the log a second account.
func (l *log) second(ctx context.Context) (err error) {
	if l.account, err = secondaccount.Open(ctx, secondaccount.Config{Dir: filepath.Join(l.s.dir, l.name+"-second")}); err != nil {
		return err
	}
	c := worm.Config{
		Endpoint: l.account.Endpoint(), Region: secondaccount.Region, Bucket: l.account.Bucket(), Prefix: "garant", PathStyle: true, Keep: 24 * time.Hour, Timeout: 30 * time.Second,
		AccessKey: l.account.Verifier().AccessKey, SecretKey: l.account.Verifier().SecretKey,
	}
	if l.reader, err = worm.Open(c); err != nil {
		return err
	}
	c.AccessKey, c.SecretKey, c.Compare = l.account.Writer().AccessKey, l.account.Writer().SecretKey, l.reader
	if l.toWrite, err = worm.Open(c); err != nil {
		return err
	}
	l.rep = &replica.Replica{DB: l.dbs[0], Writer: l.toWrite, Reader: l.reader, Place: replica.Place(l.account.Endpoint(), "", l.account.Bucket(), "garant"), Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	return nil
}

// start lets what a server does besides run until halt: heartbeats, the sequencer, and the copy where there is a second account.
func (l *log) start(ctx context.Context) {
	ctx, l.stop = context.WithCancel(ctx)
	l.running.Go(func() {
		l.pen.Run(ctx, l.dbs[0].Pool(pg.Worker), func(err error) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.fault = errors.Join(l.fault, err)
		})
	})
	l.running.Go(func() { l.seq.Run(ctx) })
	if l.rep != nil {
		l.running.Go(func() { l.rep.Run(ctx) })
	}
}

func (l *log) halt() error {
	if l.stop != nil {
		l.stop()
		l.running.Wait()
		l.stop = nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fault
}

func (l *log) close() {
	_ = l.halt()
	for _, store := range []*worm.Store{l.toWrite, l.reader} {
		if store != nil {
			store.Close()
		}
	}
	if l.account != nil {
		l.account.Close()
	}
	if l.super != nil {
		_ = l.super.Close(context.Background())
	}
	for _, db := range l.dbs {
		db.Close()
	}
}

func (l *log) exec(ctx context.Context, sql string, args ...any) error {
	_, err := l.super.Exec(ctx, sql, args...)
	return err
}

func (l *log) count(ctx context.Context, sql string, args ...any) (n int64, err error) {
	err = l.super.QueryRow(ctx, sql, args...).Scan(&n)
	return n, err
}

// waiting is how many entries are in no tree.
func (l *log) waiting(ctx context.Context) (int64, error) {
	return l.count(ctx, `SELECT count(*) FROM audit.entry AS e WHERE (e.xid, e.id) > (coalesce((SELECT c.xid FROM audit.cursor AS c), '0'), coalesce((SELECT c.entry FROM audit.cursor AS c), 0))`)
}

// settled waits until all entries are in trees.
func (l *log) settled(ctx context.Context) error {
	for {
		n, err := l.waiting(ctx)
		if err != nil || n == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// sound makes sure that a record whose speed was measured is one: every entry a leaf, nothing noticed.
func (l *log) sound(ctx context.Context) error {
	waiting, err := l.waiting(ctx)
	if err != nil {
		return err
	}
	entries, err := l.count(ctx, `SELECT count(*) FROM audit.entry`)
	if err != nil {
		return err
	}
	leaves, err := l.count(ctx, `SELECT count(*) FROM audit.leaf`)
	if err != nil {
		return err
	}
	var noticed *string
	if err := l.super.QueryRow(ctx, `SELECT string_agg(concat_ws(' ', kind, about, detail), '; ') FROM (SELECT kind, about, detail FROM audit.anomaly ORDER BY id LIMIT 5) AS a`).Scan(&noticed); err != nil {
		return err
	}
	if noticed != nil {
		return errors.New("the record is not sound: " + *noticed)
	}
	if waiting != 0 || leaves != entries || entries == 0 {
		return fmt.Errorf("the record is not sound: %d entries, %d leaves, %d waiting", entries, leaves, waiting)
	}
	return nil
}

// profiled writes a profile of the processor until done is called.
func (s *stand) profiled(name string) (done func(), err error) {
	if s.profile == "" {
		return func() {}, nil
	}
	f, err := os.Create(filepath.Join(s.profile, name+".pprof")) //nolint:gosec // where whoever runs this asks for it
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	return func() { pprof.StopCPUProfile(); _ = f.Close() }, nil
}

// customers are those that entries are of: one in ten is the company's own.
func customers(many int) []string {
	all := make([]string, many)
	for i := range all {
		if i%10 != 0 {
			all[i] = uuid.NewSHA1(uuid.NameSpaceURL, fmt.Appendf(nil, "https://example.com/%d", i)).String()
		}
	}
	return all
}

// event is the n-th entry of a record of nobody.
func event(tenants []string, n int) audit.Event {
	return audit.Event{
		By: actor.Actor{Kind: actor.Person, ID: "person-" + fmt.Sprint(n%200), Session: "session-" + fmt.Sprint(n%500), Origin: "192.0.2.7"}, Tenant: tenants[n%len(tenants)],
		Action: "thing.changed", On: audit.Object{Kind: "thing", ID: fmt.Sprint(n)}, Request: "0192f3c4-" + fmt.Sprint(n), Detail: map[string]any{"fields": []string{"name", "state"}, "number": n},
	}
}

// turns gives the order of the arms in a round: forth, then back.
func turns(arms, round int) []int {
	order := make([]int, arms)
	for i := range order {
		order[i] = i
	}
	if round%2 == 1 {
		slices.Reverse(order)
	}
	return order
}
