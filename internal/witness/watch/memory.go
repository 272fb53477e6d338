package watch

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/errs"
)

// memory is what the witness has put its name under, or is about to. It stands in a file beside the state: state + ".log".
type memory struct {
	Logs map[string]*followed `json:"logs"` // by key of the log: of a generation

	unlock func()
	path   string
}

// followed is the head of a log with which every later one has to agree.
type followed struct {
	Origin string      `json:"origin"`
	Size   int64       `json:"size"`
	Root   merkle.Hash `json:"root"`
	Note   string      `json:"note"`    // as the log signed it
	Sent   bool        `json:"sent"`    // its cosignature was taken
	GrewAt time.Time   `json:"grew_at"` // when it was first seen
}

const maxMemory = 4 << 20

// remember opens the memory and keeps every other process out until forget is called. A file that is missing although
// something was cosigned with this key is an error: whoever starts from nothing can be led to cosign another history.
func remember(path string, mustExist bool) (*memory, error) {
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, errMemory("it cannot be locked", "Let the account of the witness write the directory that state names in witness.yaml.").Wrap(err)
	}
	if err := lockIn(lock, lockWait); err != nil {
		_ = lock.Close()
		return nil, errs.New(errs.Conflict, "witness.locked", "Another process of this witness works with the log at the moment.").
			WithFix("Wait for it. Two machines must not work with copies of one key: each would forget what the other cosigned.").Wrap(err)
	}
	m := &memory{Logs: map[string]*followed{}, path: path, unlock: func() { _ = lock.Close() }} // the lock goes with the file, and with the process
	if err := m.read(mustExist); err != nil {
		m.unlock()
		return nil, err
	}
	return m, nil
}

// lockWait is how long one process waits for another: garant witness once beside garant witness run.
const lockWait = 30 * time.Second

func lockIn(f *os.File, wait time.Duration) error {
	for until := time.Now().Add(wait); ; time.Sleep(50 * time.Millisecond) {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil || !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) || time.Now().After(until) {
			return err
		}
	}
}

func errMemory(what, fix string) *errs.Error {
	return errs.New(errs.Invalid, "witness.memory", "What this witness cosigned is not known, so it cosigns nothing: "+what+".").WithFix(fix)
}

func (m *memory) read(mustExist bool) error {
	const lost = "Put the file back from a copy that is as new as the last cosignature. If there is none, make another key with garant witness cosigner and declare that: one that forgot must not sign on."
	b, err := os.ReadFile(m.path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && mustExist:
		return errMemory("the file "+m.path+" is missing", lost)
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return errMemory("the file "+m.path+" cannot be read", "Let the account of the witness read it.").Wrap(err)
	case len(b) > maxMemory || json.Unmarshal(b, m) != nil || m.Logs == nil:
		return errMemory("the file "+m.path+" was changed", lost)
	}
	for _, f := range m.Logs {
		if f == nil || f.Size <= 0 || f.Origin == "" {
			return errMemory("the file "+m.path+" was changed", lost)
		}
	}
	return nil
}

// keep writes the memory: it is there after a loss of power.
func (m *memory) keep() error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if err := replace(m.path, b); err != nil {
		return errMemory("the file "+m.path+" cannot be written", "Let the account of the witness write the directory that state names in witness.yaml, and make room on the disk.").Wrap(err)
	}
	return nil
}
