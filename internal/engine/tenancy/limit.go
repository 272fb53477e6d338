package tenancy

import (
	"sync"
	"time"
)

// maxFailures is how many requests of one API token may fail in a minute on one server, so that
// nobody tries tokens by the thousand or fills the record with refusals.
const maxFailures = 60

// limiter counts failures by caller in a running window.
type limiter struct {
	most   int
	window time.Duration

	mu sync.Mutex
	by map[string]*window
}

type window struct {
	began time.Time
	count int
}

// maxCallers bounds the memory: there are as many as there are API tokens that may mint.
const maxCallers = 10_000

func newLimiter(most int, w time.Duration) *limiter {
	return &limiter{most: most, window: w, by: map[string]*window{}}
}

// wait is how long a caller has to; 0: not at all.
func (l *limiter) wait(caller string, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.by[caller]
	if w == nil || w.count < l.most || now.Sub(w.began) >= l.window || now.Before(w.began) {
		return 0
	}
	return l.window - now.Sub(w.began)
}

// failed counts a failure.
func (l *limiter) failed(caller string, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.by[caller]
	if w == nil || now.Sub(w.began) >= l.window || now.Before(w.began) {
		if len(l.by) >= maxCallers {
			clear(l.by)
		}
		w = &window{began: now}
		l.by[caller] = w
	}
	w.count++
}
