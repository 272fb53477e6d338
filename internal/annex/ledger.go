package annex

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/catalogue"
	"github.com/garant-project/garant/internal/pg"
)

// documents keeps the versions of the document that were read last: a version never changes, and
// to read one takes longer than everything else of a page of the past. Safe for use from many
// goroutines.
type documents struct {
	mu   sync.Mutex
	list []*keptDocument // the one used last at the end
}

type keptDocument struct {
	version int64
	source  []byte
	Document
}

// mostDocuments is how many are kept, of a few hundred kilobytes each.
const mostDocuments = 8

func (k *documents) get(version int64, read func() ([]byte, error)) (*keptDocument, error) {
	if d := k.find(version); d != nil {
		return d, nil
	}
	source, err := read()
	if err != nil {
		return nil, err
	}
	d := &keptDocument{version: version, source: source}
	if err := json.Unmarshal(source, &d.Document); err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.list) >= mostDocuments {
		k.list = slices.Delete(k.list, 0, 1)
	}
	k.list = append(k.list, d)
	return d, nil
}

func (k *documents) find(version int64) *keptDocument {
	k.mu.Lock()
	defer k.mu.Unlock()
	i := slices.IndexFunc(k.list, func(d *keptDocument) bool { return d.version == version })
	if i < 0 {
		return nil
	}
	d := k.list[i]
	k.list = append(slices.Delete(k.list, i, i+1), d)
	return d
}

// ledger holds every change of state since the beginning, a record for each measure and day that
// had one. Changes are only ever added to the projection, so it only reads what is new. Safe for
// use from many goroutines.
type ledger struct {
	mu      sync.RWMutex
	zone    string
	version int64 // of the newest document that it was read for
	last    int64 // id of the last change in it
	states  map[string][]dayRecord
}

// dayRecord is a day on which the state of a measure changed.
type dayRecord struct {
	day   int           // since 1970, in the company's zone
	worst measure.State // of the day, as the history strip shows it
	end   measure.State // when it ended
}

// advance reads what is new. Another zone moves midnights, and a newer document may bring a measure
// with changes from before it was public: everything is then read again.
func (l *ledger) advance(ctx context.Context, on pg.Querier, zone *time.Location, version int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.zone != zone.String() || version > l.version {
		l.zone, l.version, l.last, l.states = zone.String(), max(version, l.version), 0, map[string][]dayRecord{}
	}
	changes, err := since(ctx, on, l.last)
	if err != nil {
		return err
	}
	for _, c := range changes {
		l.states[c.Measure] = record(l.states[c.Measure], dayOf(c.At, zone), c.State)
		l.last = c.ID
	}
	return nil
}

// record adds a state to the days of a measure. A day that began with nothing proven is judged by
// what came; any other by its worst.
func record(days []dayRecord, day int, state measure.State) []dayRecord {
	n := len(days) - 1
	if n < 0 || days[n].day < day {
		carried := measure.State("")
		if n >= 0 {
			carried = days[n].end
		}
		days = append(days, dayRecord{day: day, worst: carried})
		n++
	}
	d := &days[n]
	if d.worst == "" || d.worst == measure.Unproven || severity(state) > severity(d.worst) {
		d.worst = state
	}
	d.end = state
	return days
}

// dayOf numbers the days of a zone, whatever their length.
func dayOf(t time.Time, zone *time.Location) int {
	y, m, d := t.In(zone).Date()
	return int(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

// Coverage is how many measures of each kind were in which state on a day, each counted by the
// worst of the day.
type Coverage struct {
	Date  time.Time // midnight in the company's zone
	Count map[catalogue.Kind]map[measure.State]int
}

// Coverage counts the measures of the document, day by day from one to the moment that the
// snapshot speaks of, at most so many days: of a longer time every second or every third day is
// told, and always the last.
func (s *Snapshot) Coverage(from, now time.Time, most int) []Coverage {
	zone := s.zone()
	first, last := dayOf(from, zone), dayOf(now, zone)
	if s.ledger == nil || first > last || most < 1 {
		return nil
	}
	step := (last-first)/most + 1
	out := make([]Coverage, 0, most+1)
	for day := last; day >= first; day -= step {
		out = append(out, Coverage{
			Date:  midnight(now, zone).AddDate(0, 0, day-last),
			Count: map[catalogue.Kind]map[measure.State]int{},
		})
	}
	slices.Reverse(out)
	states := s.ledger.view()
	for _, m := range s.Document.Measures {
		days, next, state := states[m.ID], 0, measure.State("")
		for i := range out {
			day := last - (len(out)-1-i)*step
			worst := measure.State("")
			for next < len(days) && days[next].day <= day {
				state = days[next].end
				if days[next].day == day {
					worst = days[next].worst
				}
				next++
			}
			if worst == "" {
				worst = state
			}
			if day == last { // of which the ledger may know more than the snapshot
				worst = s.Effective(m.ID, now).State
			}
			if worst == "" {
				worst = measure.Unproven
			}
			if out[i].Count[m.Kind] == nil {
				out[i].Count[m.Kind] = map[measure.State]int{}
			}
			out[i].Count[m.Kind][worst]++
		}
	}
	return out
}

// view is what the ledger holds now. Records before the last are never changed; the last is
// copied.
func (l *ledger) view() map[string][]dayRecord {
	l.mu.RLock()
	defer l.mu.RUnlock()
	out := maps.Clone(l.states)
	for id, days := range out {
		out[id] = slices.Clone(days)
	}
	return out
}
