package watch

import (
	"context"
	"errors"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/garant-project/garant/internal/witness"
)

const (
	connectTime = 5 * time.Second
	atOnce      = 8
)

// probe tries to connect to addresses that must not be reachable. It sends nothing.
func probe(ctx context.Context, addresses []string) *witness.Reach {
	if len(addresses) == 0 {
		return nil
	}
	verdicts := make([]verdict, len(addresses))
	slots := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for i, address := range addresses {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			verdicts[i] = try(ctx, address)
		})
	}
	wg.Wait()
	r := &witness.Reach{}
	for i, address := range addresses {
		switch verdicts[i] {
		case open:
			r.Open = append(r.Open, address)
		case refused:
			r.Refused = append(r.Refused, address)
		default:
			r.Unknown = append(r.Unknown, address)
		}
	}
	return r
}

type verdict int

const (
	unknown verdict = iota
	open
	refused
)

func try(ctx context.Context, address string) verdict {
	ctx, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err == nil {
		_ = conn.Close()
		return open
	}
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.Is(ctx.Err(), context.Canceled), errors.As(err, &dns): // a name that is not known here says nothing of its number
		return unknown
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH),
		errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return refused
	}
	return unknown // a fault on our side: no descriptor, no right to connect
}
