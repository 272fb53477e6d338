package arena

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/garant-project/garant/internal/errs"
)

// Tally is what was counted, from the first time the arena was opened on this directory.
type Tally struct {
	Since     time.Time `json:"since"`
	Logins    int       `json:"logins"`    // tokens of the customer that were given
	Tries     int       `json:"tries"`     // texts that were sent in
	Crossings int       `json:"crossings"` // that were the prize, while the wall stood
	Assisted  int       `json:"assisted"`  // that were, with a superuser's help
	Last      time.Time `json:"last"`      // of a crossing; zero: never
}

// ledger keeps the tally in a file, and knows the prize by its hash only.
type ledger struct {
	path string
	now  func() time.Time

	mu    sync.Mutex
	tally Tally
	prize [sha256.Size]byte
	old   map[[sha256.Size]byte]bool // prizes that were replaced
	open  bool                       // the wall was down, or a superuser there, since this prize was set
	taken bool                       // this prize was sent in
}

func openLedger(path string, now func() time.Time) (*ledger, error) {
	l := &ledger{path: path, now: now, tally: Tally{Since: now().UTC().Truncate(time.Second)}}
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return l, l.save()
	case err != nil:
		return nil, cannot("read", err)
	}
	if err := json.Unmarshal(text, &l.tally); err != nil {
		// Counting from zero in silence would say that nobody ever crossed.
		return nil, errs.New(errs.Invalid, "arena.tally", "What the arena has counted cannot be read.").WithFix("Look at " + path + "; remove it to count from the beginning.").Wrap(err)
	}
	return l, nil
}

// count changes the tally and keeps it, or changes nothing.
func (l *ledger) count(change func(*Tally)) error {
	was := l.tally
	change(&l.tally)
	if err := l.save(); err != nil {
		l.tally = was
		return err
	}
	return nil
}

func (l *ledger) save() error { return write(l.path, l.tally, true) }

// write replaces a file by what v is as JSON; lasting: it is there after the machine has lost its power.
func write(path string, v any, lasting bool) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".arena-*")
	if err != nil {
		return cannot("write", err)
	}
	_, err = f.Write(append(text, '\n'))
	if lasting && err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return cannot("write", err)
	}
	return nil
}

func (l *ledger) login() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count(func(t *Tally) { t.Logins++ })
}

// outcome of a text that was sent in.
type outcome string

const (
	wrong    outcome = "wrong"
	crossed  outcome = "crossed"
	assisted outcome = "assisted"
	again    outcome = "again" // a prize that was sent in before, or was replaced
)

// try takes a text. peeked: the wall is down or a superuser is there at this moment.
func (l *ledger) try(text string, peeked bool) (outcome, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	sum := sha256.Sum256([]byte(strings.TrimSpace(text)))
	hit := l.prize != [sha256.Size]byte{} && subtle.ConstantTimeCompare(sum[:], l.prize[:]) == 1
	out := wrong
	switch {
	case hit && l.taken, l.old[sum]:
		out = again
	case hit && (l.open || peeked):
		out = assisted
	case hit:
		out = crossed
	}
	err := l.count(func(t *Tally) {
		t.Tries++
		switch out {
		case crossed:
			t.Crossings++
			t.Last = l.now().UTC().Truncate(time.Second)
		case assisted:
			t.Assisted++
		}
	})
	if err == nil && hit {
		l.taken = true
	}
	return out, err
}

// reset begins with a new prize.
func (l *ledger) reset(prize string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.prize != [sha256.Size]byte{} {
		if l.old == nil || len(l.old) > 1000 {
			l.old = map[[sha256.Size]byte]bool{}
		}
		l.old[l.prize] = true
	}
	l.prize, l.open, l.taken = sha256.Sum256([]byte(prize)), false, false
}

// peek notes that somebody could have read the prize in another way. It reports whether the prize is
// of no use any more.
func (l *ledger) peek(peeked bool) (spent bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = l.open || peeked
	return l.open || l.taken
}

func (l *ledger) read() Tally {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tally
}

func cannot(what string, err error) error {
	return errs.New(errs.Unavailable, "arena.files", "The arena cannot "+what+" what it has counted.").WithFix("Check that the data directory is writable and has space left.").Wrap(err)
}
