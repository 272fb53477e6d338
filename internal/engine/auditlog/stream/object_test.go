package stream

import (
	"bytes"
	"context"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/errs"
)

// store keeps objects as one with object lock does: what is there stays, and nobody may compare.
type store struct {
	mu      sync.Mutex
	objects map[string][]byte
	behave  error
	after   error // returned although the object was kept
	closed  error // the store cannot be opened
}

func (s *store) Put(ctx context.Context, key string, data []byte, _ time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.behave != nil {
		return s.behave
	}
	if _, there := s.objects[key]; there {
		return errs.New(errs.Conflict, "worm.uncompared", "There is an object.")
	}
	s.objects[key] = bytes.Clone(data)
	return s.after
}

func (s *store) keys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []string
	for k := range s.objects {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func TestObjects(t *testing.T) {
	w := newWorld(t)
	w.record.add(1100, w.clock.Now(), nil)
	if err := w.drive("lake"); err != nil {
		t.Fatal(err)
	}
	keys := w.store.keys()
	form := regexp.MustCompile(`^streams/lake/2026/05/04/\d{20}-\d{20}-[0-9a-f]{16}\.ocsfl$`)
	var all string
	for _, k := range keys {
		if !form.MatchString(k) {
			t.Errorf("key %s", k)
		}
		all += string(w.store.objects[k])
	}
	if len(keys) != 3 || strings.Count(all, "\n") != 1100 || strings.Count(all, `"class_uid":3001`) != 1100 {
		t.Errorf("%d objects, %d lines", len(keys), strings.Count(all, "\n"))
	}
	// The answer to a put is lost, and nobody may read what is there: the lines come again, under another name.
	w.record.add(1, w.clock.Now(), nil)
	w.store.after = errs.New(errs.Unavailable, "worm.timeout", "No answer.")
	if err := w.drive("lake"); problemOf(err) != NoAnswer || w.state("lake").Said != "worm.timeout" {
		t.Errorf("lost answer: %v", err)
	}
	w.store.after = nil
	if err := w.drive("lake"); err != nil || len(w.store.keys()) != 5 || w.state("lake").Position != 1101 {
		t.Errorf("sent again: %v, %v", err, w.store.keys())
	}
	again := w.store.keys()[3:]
	if !bytes.Equal(w.store.objects[again[0]], w.store.objects[again[1]]) {
		t.Errorf("what was sent again differs: %v", again)
	}
	w.record.add(1, w.clock.Now(), nil)
	for _, c := range []struct {
		err     error
		problem Problem
	}{
		{errs.New(errs.Denied, "worm.denied", "No."), Refused},
		{errs.New(errs.NotFound, "worm.bucket", "No."), Refused},
		{errs.New(errs.Conflict, "worm.conflict", "No."), Refused},
		{errs.New(errs.Unavailable, "worm.throttled", "No."), NoAnswer},
		{context.DeadlineExceeded, NoAnswer},
	} {
		w.store.behave = c.err
		if err := w.drive("lake"); problemOf(err) != c.problem {
			t.Errorf("%v: %v", c.err, err)
		}
	}
	w.store.behave = nil
	w.store.closed = errs.New(errs.Invalid, "estate.secret", "The environment variable A is not set.")
	if err := w.drive("lake"); problemOf(err) != BadSecret {
		t.Errorf("no credentials: %v", err)
	}
	w.store.closed = nil
	if err := w.drive("lake"); err != nil || w.state("lake").Position != 1102 {
		t.Error(err)
	}
}
