package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"time"
)

// readers is how many read at once, each asking again as soon as the answer has come.
const readers = 50

// pages measures the public annex under 50 readers. The reference is a Go server in this
// process that answers with the same bytes from memory and does nothing else.
func pages(ctx context.Context, out io.Writer, binary, dir string, length time.Duration) error {
	s, err := start(ctx, binary, dir)
	if err != nil {
		return err
	}
	defer func() { _ = s.stop() }()
	time.Sleep(6 * time.Second) // every check has run once
	page, err := url.Parse(s.annex)
	if err != nil {
		return err
	}
	body, encoding, err := fetch(ctx, client(page.Port()), s.annex)
	if err != nil {
		return err
	}
	bare := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Encoding", encoding)
		_, _ = w.Write(body)
	}))
	defer bare.Close()
	idle, err := s.resident()
	if err != nil {
		return err
	}
	ours, err := load(ctx, s.annex, page.Port(), length)
	if err != nil {
		return err
	}
	reference, err := load(ctx, bare.URL, "", length)
	if err != nil {
		return err
	}
	busy, err := s.resident()
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "annex page (%d bytes as sent), %d readers without pause: %.0f a second, p50 %s, p99 %s; the same bytes from a bare Go server: %.0f a second, p50 %s, p99 %s; ratio of p50 %.2f\n",
		len(body), readers, ours.rate, ours.at(.5), ours.at(.99), reference.rate, reference.at(.5), reference.at(.99), float64(ours.at(.5))/float64(reference.at(.5)))
	_, _ = fmt.Fprintf(out, "resident without PostgreSQL: %.0f MiB idle, %.0f MiB after the load\n", idle, busy)
	return nil
}

type result struct {
	took []time.Duration // sorted
	rate float64
}

func (r result) at(q float64) time.Duration {
	return r.took[int(float64(len(r.took)-1)*q)].Round(10 * time.Microsecond)
}

// client connects to loopback whatever the name in the address is. It asks for gzip, as
// browsers do, and leaves the answer as it comes.
func client(port string) *http.Client {
	t := &http.Transport{MaxIdleConnsPerHost: readers, DisableCompression: true}
	if port != "" {
		t.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
		}
	}
	return &http.Client{Transport: t, Timeout: 10 * time.Second}
}

func fetch(ctx context.Context, c *http.Client, target string) (body []byte, encoding string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, "", err
	}
	req.Header.Set("Accept-Encoding", "gzip")
	res, err := c.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, "", fmt.Errorf("%s: %s", target, res.Status)
	}
	body, err = io.ReadAll(res.Body)
	return body, res.Header.Get("Content-Encoding"), err
}

func load(ctx context.Context, target, port string, length time.Duration) (result, error) {
	c := client(port)
	ctx, cancel := context.WithTimeout(ctx, length+10*time.Second)
	defer cancel()
	var mu sync.Mutex
	var all []time.Duration
	var failed error
	var wg sync.WaitGroup
	began := time.Now()
	for range readers {
		wg.Go(func() {
			var took []time.Duration
			for time.Since(began) < length {
				start := time.Now()
				if _, _, err := fetch(ctx, c, target); err != nil {
					mu.Lock()
					failed = err
					mu.Unlock()
					return
				}
				took = append(took, time.Since(start))
			}
			mu.Lock()
			all = append(all, took...)
			mu.Unlock()
		})
	}
	wg.Wait()
	if failed != nil {
		return result{}, failed
	}
	slices.Sort(all)
	return result{took: all, rate: float64(len(all)) / time.Since(began).Seconds()}, nil
}
