package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/garant-project/garant/internal/token"
	"github.com/garant-project/garant/tenant"
)

// farConn answers no sooner than a round trip after what was sent last.
type farConn struct {
	net.Conn
	trip time.Duration
	sent *time.Time
}

func (c farConn) Write(b []byte) (int, error) {
	*c.sent = time.Now()
	return c.Conn.Write(b)
}

func (c farConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if wait := c.trip - time.Since(*c.sent); wait > 0 && !c.sent.IsZero() {
		time.Sleep(wait)
	}
	*c.sent = time.Time{}
	return n, err
}

// side is a pool of one connection, and the process that serves it.
type side struct {
	pool *pgxpool.Pool
	pid  int
}

func (s *stand) side(ctx context.Context, role string, trip time.Duration) (*side, error) {
	c, err := pgxpool.ParseConfig(s.cluster.DSN(role, "bench"))
	if err != nil {
		return nil, err
	}
	c.MaxConns = 1
	c.ConnConfig.DefaultQueryExecMode = mode(s.mode)
	if trip > 0 {
		c.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
			inner, err := (&net.Dialer{}).DialContext(ctx, network, addr)
			return farConn{inner, trip, new(time.Time)}, err
		}
	}
	out := &side{}
	if out.pool, err = pgxpool.NewWithConfig(ctx, c); err != nil {
		return nil, err
	}
	return out, out.pool.QueryRow(ctx, `SELECT pg_backend_pid()`).Scan(&out.pid)
}

func mode(name string) pgx.QueryExecMode {
	for _, m := range []pgx.QueryExecMode{pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec, pgx.QueryExecModeExec} {
		if m.String() == name {
			return m
		}
	}
	return pgx.QueryExecModeCacheStatement
}

// computed is how long the server's process has computed (schedstat, nanoseconds).
func (d *side) computed() time.Duration {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", d.pid))
	first, _, _ := strings.Cut(string(b), " ")
	n, _ := strconv.ParseInt(first, 10, 64)
	return time.Duration(n)
}

// seen is what was measured of a row.
type seen struct {
	pairs           int
	hand, guarded   time.Duration // p50
	ratio           float64       // p50 of the ratios of 20 blocks, which slow drift does not reach
	added           time.Duration // p50 of the paired differences
	handCPU, ourCPU time.Duration // of the server's process, mean
	goal            string
}

// table measures every row of a design.
func (s *stand) table(ctx context.Context, d token.Design, trip time.Duration, far bool) error {
	where := "a local socket"
	if far {
		where = fmt.Sprintf("a round trip of %s", trip)
	}
	s.say("\ndesign %s, %s, %s; load %s\n%-22s %6s %10s %10s %7s %9s  %10s %10s %6s  %s", d, where, mode(s.mode), load1(),
		"", "pairs", "by hand", "guarded", "ratio", "added", "CPU hand", "CPU ours", "ratio", "goal")
	for _, w := range works {
		if s.only != "" && s.only != w.name {
			continue
		}
		got, err := s.measure(ctx, w, trip)
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		got.judge(w, d, far)
		us := func(d time.Duration) string { return fmt.Sprintf("%.1f µs", float64(d)/1000) }
		s.say("%-22s %6d %10s %10s %6.2f× %9s  %10s %10s %5.2f×  %s", w.name, got.pairs, us(got.hand), us(got.guarded), got.ratio, us(got.added), us(got.handCPU), us(got.ourCPU),
			float64(got.ourCPU)/float64(max(1, got.handCPU)), got.goal)
	}
	return nil
}

func (g *seen) judge(w work, d token.Design, far bool) {
	goal, is := 0.0, g.ratio
	switch {
	case d == token.Pinned && far:
		goal = w.far
	case d == token.Pinned && w.added > 0:
		g.goal = mark(float64(g.added), float64(w.added)) + fmt.Sprintf(" +%d µs", w.added.Microseconds())
		return
	case d == token.Pinned:
		goal = w.goal
	case !far:
		goal = w.s
	}
	if goal > 0 {
		g.goal = mark(is, goal) + fmt.Sprintf(" %.2f×", goal)
	}
}

func mark(is, goal float64) string {
	if is <= goal {
		return "held:"
	}
	return "MISSED:"
}

// measure lets both sides take turns.
func (s *stand) measure(ctx context.Context, w work, trip time.Duration) (*seen, error) {
	left, err := s.side(ctx, byHand, trip)
	if err != nil {
		return nil, err
	}
	defer left.pool.Close()
	right, err := s.side(ctx, app, trip)
	if err != nil {
		return nil, err
	}
	defer right.pool.Close()
	dice := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same draws each time
	const warm = 30                     // plans are made anew for the first five
	var hands, ours []time.Duration
	var handCPU, ourCPU time.Duration
	var sum int64
	for began := time.Now(); len(hands) < s.pairs+warm && (len(hands) < warm+10 || time.Since(began) < s.time); {
		if len(hands) == warm {
			handCPU, ourCPU = left.computed(), right.computed()
		}
		d := s.draw(dice, w)
		t, err := s.key.Mint(tenant.Claims{Tenant: tenant.UUID(tenantID(d.tenant)), Session: uuid.New(), Kind: tenant.Login, Access: tenant.Write, Expires: time.Now().Add(time.Hour)})
		if err != nil {
			return nil, err
		}
		var took [2]time.Duration
		var answer [2]int64
		sides := [2]on{hand{left.pool, tenantID(d.tenant)}, guarded{right.pool, t}}
		first := dice.IntN(2)
		for _, i := range []int{first, 1 - first} {
			start := time.Now()
			if answer[i], err = w.do(ctx, sides[i], d); err != nil {
				return nil, err
			}
			took[i] = time.Since(start)
		}
		if answer[0] != answer[1] {
			return nil, fmt.Errorf("by hand %d is read, guarded %d", answer[0], answer[1])
		}
		sum += answer[0]
		hands, ours = append(hands, took[0]), append(ours, took[1])
	}
	if sum == 0 {
		return nil, errors.New("nothing was read")
	}
	n := len(hands) - warm
	got := &seen{pairs: n, handCPU: (left.computed() - handCPU) / time.Duration(n), ourCPU: (right.computed() - ourCPU) / time.Duration(n)}
	hands, ours = hands[warm:], ours[warm:]
	var added []time.Duration
	for i := range hands {
		added = append(added, ours[i]-hands[i])
	}
	got.added = middle(added)
	var ratios []float64
	for block := range slices.Chunk(indexes(n), max(1, n/20)) {
		from, to := block[0], block[len(block)-1]+1
		ratios = append(ratios, float64(middle(ours[from:to]))/float64(middle(hands[from:to])))
	}
	got.ratio = middle(ratios)
	got.hand, got.guarded = middle(hands), middle(ours)
	return got, nil
}

func indexes(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

func middle[T time.Duration | float64](all []T) T {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

// load1 is the machine's load over the last minute; empty where it is not told.
func load1() string {
	b, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(b), " ")
	return first
}
