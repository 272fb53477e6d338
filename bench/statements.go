package main

import (
	"context"
	"fmt"
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

// last writes the statements since begin, a line each.
func (c *counter) last() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var b strings.Builder
	for _, s := range c.list {
		sql := strings.Join(strings.Fields(s.sql), " ")
		fmt.Fprintf(&b, "    %9s %s\n", s.took.Round(10*time.Microsecond), sql[:min(len(sql), 170)])
	}
	return strings.TrimSuffix(b.String(), "\n")
}
