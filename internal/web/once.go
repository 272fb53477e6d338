package web

import (
	"context"
	"net/http"
)

// Once returns what read gave when it was first asked for under a key while a page is made, so that
// what several parts of the page need is read once and all of them show the same. Only where
// nothing is changed: of requests other than GET and HEAD, and outside of requests, read is called
// each time. Errors are not kept. Keys are compared with ==; give them a type of your own. What is
// returned is shared and must not be changed.
func Once[T any](ctx context.Context, key any, read func() (T, error)) (T, error) {
	r, ok := ctx.Value(requestKey{}).(*Request)
	if !ok || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return read()
	}
	if v, ok := r.once.Load(key); ok {
		return v.(T), nil //nolint:forcetypeassert // a key stands for values of one type
	}
	v, err := read()
	if err == nil {
		r.once.Store(key, v)
	}
	return v, err
}
