package worm

import (
	"context"
	"fmt"
	"strings"
)

// Latest returns the last object among those whose keys are prefix, a number padded with zeros to a width that all
// share, and anything behind; ok is false when there is none. A delete marker does not hide it. Keys without a number are
// passed over.
//
// S3 lists forwards only. Listing all of a year's objects would be tens of thousands of requests; this asks "is there one from
// this number on?" with growing steps, then halves: about 2·log₂(n/1000) + 4 requests, 18 for 100,000 objects and 32 for the 15 million of a year, whatever
// gaps the numbers have. Numbers of other widths, put there by others, make it walk through all.
func (s *Store) Latest(ctx context.Context, prefix string) (last History, ok bool, err error) {
	return s.LatestAfter(ctx, prefix, "")
}

// LatestAfter is Latest for one who knows a key that is there: when it is at most a thousand objects from the end, one request
// is all. Only keys after known are looked at; ok is false when there are none.
func (s *Store) LatestAfter(ctx context.Context, prefix, known string) (last History, ok bool, err error) {
	if known == "" {
		known = prefix + "/~~" // what has no number and is before those that have
	}
	low, more, err := s.stretch(ctx, prefix, known)
	if err != nil || low.Key == "" || !more {
		return low, err == nil && low.Key != "", err
	}
	n, width, numbered := number(low.Key, prefix)
	if !numbered {
		return s.walk(ctx, prefix, low)
	}
	top := int64(1) // no number reaches it
	for range width {
		top *= 10
	}
	high := top
	for step := int64(page); high-n > 2*page; {
		ask := n + (high-n)/2
		if high == top { // nothing known above: grow
			ask = min(n+step, top-1)
			step *= 2
		}
		found, more, err := s.stretch(ctx, prefix, prefix+before(ask, width))
		if err != nil {
			return History{}, false, err
		}
		at, w, numbered := number(found.Key, prefix)
		switch {
		case found.Key == "":
			high = ask
		case !numbered || w != width || at < ask:
			return s.walk(ctx, prefix, low)
		case !more:
			return found, true, nil
		default:
			low, n = found, at
		}
	}
	return s.walk(ctx, prefix, low) // a page or two, unless one number has many objects
}

// before is greater than every key of the number below n, and smaller than those of n.
func before(n int64, width int) string { return fmt.Sprintf("%0*d~~", width, n-1) }

// number reads the digits behind the prefix. Numbers of more than 18 digits are none.
func number(key, prefix string) (n int64, width int, ok bool) {
	rest := strings.TrimPrefix(key, prefix)
	for width < len(rest) && rest[width] >= '0' && rest[width] <= '9' {
		n = n*10 + int64(rest[width]-'0')
		if width++; width > 18 {
			return 0, 0, false
		}
	}
	return n, width, width > 0
}

// stretch lists one page from after on and returns the last history of a numbered key in it, empty when there is none;
// more says whether numbered keys may follow.
func (s *Store) stretch(ctx context.Context, prefix, after string) (last History, more bool, err error) {
	n := 0
	for h, err := range s.histories(ctx, prefix, after, page) {
		if err != nil {
			return History{}, false, err
		}
		rest := strings.TrimPrefix(h.Key, prefix)
		if rest == "" || rest[0] < '0' {
			continue
		}
		if rest[0] > '9' {
			return last, false, nil
		}
		last = h
		// The page's last key is complete only with the next page.
		if n++; n >= page-1 {
			return last, true, nil
		}
	}
	return last, false, nil
}

// walk lists all that comes after low.
func (s *Store) walk(ctx context.Context, prefix string, low History) (History, bool, error) {
	for {
		next, more, err := s.stretch(ctx, prefix, low.Key)
		if err != nil {
			return History{}, false, err
		}
		if next.Key != "" {
			low = next
		}
		if !more {
			return low, true, nil
		}
	}
}
