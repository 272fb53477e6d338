package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// counter counts the statements of requests and times them.
type counter struct {
	mu   sync.Mutex
	list []statement
}

type statement struct {
	sql  string
	took time.Duration
}

func (c *counter) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = nil
}

func (c *counter) n() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.list)
}

type startedKey struct{}

// TraceQueryStart notes when a statement began.
func (c *counter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, statement{sql: d.SQL})
	return context.WithValue(ctx, startedKey{}, started{len(c.list) - 1, time.Now()})
}

type started struct {
	n  int
	at time.Time
}

// TraceQueryEnd notes how long it took.
func (c *counter) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryEndData) {
	s, ok := ctx.Value(startedKey{}).(started)
	c.mu.Lock()
	defer c.mu.Unlock()
	if ok && s.n < len(c.list) {
		c.list[s.n].took = time.Since(s.at)
	}
}

// told writes the statements since begin, a line each: how often a request ran it, how long it took
// on average, and all of a request together.
func (c *counter) told(requests int) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	took, times := map[string]time.Duration{}, map[string]int{}
	var order []string
	for _, s := range c.list {
		sql := strings.Join(strings.Fields(s.sql), " ")
		if times[sql] == 0 {
			order = append(order, sql)
		}
		took[sql] += s.took
		times[sql]++
	}
	slices.SortStableFunc(order, func(a, b string) int { return cmp.Compare(took[b], took[a]) })
	var b strings.Builder
	for _, sql := range order {
		fmt.Fprintf(&b, "    %9s %5.1f × %9s %s\n", (took[sql] / time.Duration(requests)).Round(10*time.Microsecond), float64(times[sql])/float64(requests),
			(took[sql] / time.Duration(times[sql])).Round(10*time.Microsecond), sql[:min(len(sql), 160)])
	}
	return strings.TrimSuffix(b.String(), "\n")
}
