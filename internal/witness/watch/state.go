package watch

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/garant-project/garant/internal/errs"
)

// state is what the witness remembers over a restart.
type state struct {
	Sequence int64              `json:"sequence"` // of the last statement
	Version  int64              `json:"version"`  // of the last document
	Since    time.Time          `json:"since"`    // when that was published
	At       time.Time          `json:"at"`       // when the annex last spoke
	Episodes map[string]episode `json:"episodes"`
	Cosigner string             `json:"cosigner,omitempty"` // key with which something was cosigned: what is kept of that must not be missing
}

// episode is something that goes wrong, from its first round to its last.
type episode struct {
	Since   time.Time `json:"since"`
	Misses  int       `json:"misses"`
	Reason  string    `json:"reason,omitempty"`
	Alarmed bool      `json:"alarmed"`
}

const maxState = 1 << 20

// loadState reads the state file; there is none before the first round.
func loadState(path string) (state, error) {
	s := state{Episodes: map[string]episode{}}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	unreadable := errs.New(errs.Invalid, "witness.state", "The state file of the witness cannot be read, so that it does not know what it alarmed of.").
		WithFix("Find out who changed it; remove it to start anew.")
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxState {
		return s, unreadable
	}
	b, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(b, &s) != nil {
		return s, unreadable
	}
	if s.Episodes == nil {
		s.Episodes = map[string]episode{}
	}
	return s, nil
}

// save writes the state file whole, or not at all.
func (s state) save(path string) error {
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := replace(path, b); err != nil {
		return unwritable(err)
	}
	return nil
}

// replace writes a file whole, or not at all. When it returns nil the file is there after a loss of power.
func replace(path string, content []byte) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".witness-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func unwritable(err error) error {
	return errs.New(errs.Unavailable, "witness.state", "The state file of the witness cannot be written.").
		WithFix("Let the account of the witness write the directory that state names in witness.yaml.").Wrap(err)
}
