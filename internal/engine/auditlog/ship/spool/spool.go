// Package spool keeps log lines on disk until a cluster has them.
//
// A spool is a directory of one process: segments that only grow, a cursor behind which everything was delivered, a state. What Append
// has accepted is on disk (fsync) and is read again after a kill, a crash or a loss of power, until Commit has said that it was delivered;
// what was delivered but not committed is read twice, which the line's own ID makes harmless.
//
// At the limit the oldest lines are kept and the newest refused. Whoever wants to hide what they did could otherwise write lines until those
// that tell of it are pushed out; and what led to a fault stands at its beginning. What was refused is counted, on disk too.
//
// The proving tests: TestKilled (random kills lose and double nothing), TestTorn (each length of a torn tail), TestFull, TestDiskFull,
// TestDamaged, FuzzOpen.
package spool

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// The ways in which a spool refuses.
var (
	ErrFull   = errors.New("the spool is full")
	ErrLocked = errors.New("another process uses the spool")
	ErrTooBig = errors.New("a line that is too big for the spool")
)

// MaxRecord is the greatest size of one line with its ID, in bytes.
const MaxRecord = 1 << 20

const (
	header        = 8 // length and CRC-32C of what follows, little endian
	segmentSuffix = ".seg"
	damagedSuffix = ".damaged"
	cursorFile    = "cursor"
	stateFile     = "state.json"
)

// Record is a line with the ID under which the cluster keeps it: the same however often it is sent.
type Record struct {
	ID   string
	Body []byte
}

func (r Record) size() int64 { return int64(header + 1 + len(r.ID) + len(r.Body)) }

// State is what is known of a spool besides its lines. It survives the process.
type State struct {
	Dropped   int64     `json:"dropped"` // lines that were refused for want of room
	DroppedAt time.Time `json:"dropped_at,omitzero"`
	Refused   int64     `json:"refused"` // lines that the cluster will never take; those there is room for are set aside
	RefusedAt time.Time `json:"refused_at,omitzero"`
	Missed    int64     `json:"missed"` // followed files that went away unread
	MissedAt  time.Time `json:"missed_at,omitzero"`
	Damaged   int64     `json:"damaged"` // places where the disk gave back something else
	DamagedAt time.Time `json:"damaged_at,omitzero"`
}

// Spool is an open spool. It is safe for one that appends and one that reads, side by side.
type Spool struct {
	dir     string
	limit   int64
	segment int64 // size at which a new segment begins
	lock    *os.File
	now     func() time.Time

	mu       sync.Mutex
	segments []segment // the oldest first; the last is written
	active   *os.File
	torn     bool // the active segment ends in something that could not be taken back
	used     int64
	state    State
	wake     chan struct{}

	at position // from where Next reads
	to position // to where Next has read
	in *os.File // the segment of to
	of int64    // its number
}

type segment struct {
	number int64
	size   int64
}

type position struct {
	Segment int64 `json:"segment"`
	Offset  int64 `json:"offset"`
}

// Open opens the spool in dir, or makes it. limit is how many bytes of segments there may be. The error is ErrLocked while another
// process has it open.
func Open(dir string, limit int64, now func() time.Time) (*Spool, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, bare(err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, bare(err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = lock.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, ErrLocked
		}
		return nil, bare(err)
	}
	s := &Spool{dir: dir, limit: limit, segment: max(limit/16, 64<<10), lock: lock, now: now, wake: make(chan struct{}, 1)}
	if err := s.load(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// bare leaves the path out of an error: it may name what is not for everybody.
func bare(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return fmt.Errorf("%s: %w", p.Op, p.Err)
	}
	var l *os.LinkError
	if errors.As(err, &l) {
		return fmt.Errorf("%s: %w", l.Op, l.Err)
	}
	return err
}

func (s *Spool) path(number int64) string {
	return filepath.Join(s.dir, fmt.Sprintf("%016x%s", number, segmentSuffix))
}

func (s *Spool) load() error {
	s.state, _ = ReadState(s.dir) // one that cannot be read counts from nothing
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return bare(err)
	}
	for _, e := range entries {
		hex, ok := strings.CutSuffix(e.Name(), segmentSuffix)
		if !ok {
			continue
		}
		number, err := strconv.ParseInt(hex, 16, 64)
		info, err2 := e.Info()
		if err != nil || err2 != nil || !info.Mode().IsRegular() {
			continue
		}
		s.segments = append(s.segments, segment{number, info.Size()})
	}
	slices.SortFunc(s.segments, func(a, b segment) int { return int(a.number - b.number) })
	content, err := os.ReadFile(filepath.Join(s.dir, cursorFile))
	if err == nil {
		// A cursor that cannot be read is as none: everything is sent again.
		_ = json.Unmarshal(content, &s.at)
	}
	for len(s.segments) > 0 && s.segments[0].number < s.at.Segment {
		if err := os.Remove(s.path(s.segments[0].number)); err != nil {
			return bare(err)
		}
		s.segments = s.segments[1:]
	}
	if len(s.segments) == 0 {
		return s.begin(s.at.Segment + 1)
	}
	if s.segments[0].number != s.at.Segment || s.at.Offset < 0 || s.at.Offset > s.segments[0].size {
		s.at = position{Segment: s.segments[0].number}
	}
	s.to = s.at
	last := &s.segments[len(s.segments)-1]
	whole, damaged, err := s.measure(last.number)
	if err != nil {
		return err
	}
	if damaged {
		if err := copyFile(s.path(last.number), s.path(last.number)+damagedSuffix); err != nil {
			return err
		}
		s.note(func(st *State) { st.Damaged++; st.DamagedAt = s.now().UTC() })
	}
	s.active, err = os.OpenFile(s.path(last.number), os.O_WRONLY, 0)
	if err != nil {
		return bare(err)
	}
	if err := s.active.Truncate(whole); err != nil {
		return bare(err)
	}
	if _, err := s.active.Seek(whole, io.SeekStart); err != nil {
		return bare(err)
	}
	last.size = whole
	if s.at.Segment == last.number && s.at.Offset > whole {
		s.at.Offset, s.to.Offset = whole, whole
	}
	for _, one := range s.segments {
		s.used += one.size
	}
	return nil
}

// measure returns how much of a segment is whole records. damaged tells a record that is all there, and is another, from one that was cut off.
func (s *Spool) measure(number int64) (whole int64, damaged bool, err error) {
	f, err := os.Open(s.path(number))
	if err != nil {
		return 0, false, bare(err)
	}
	defer f.Close()
	for {
		_, n, err := read(f, whole)
		switch {
		case err == nil:
			whole += n
		case errors.Is(err, errDamaged):
			return whole, true, nil
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return whole, false, nil
		default:
			return 0, false, bare(err)
		}
	}
}

var errDamaged = errors.New("a record that is not what was written")

// read reads one record. The error is io.EOF at the end, io.ErrUnexpectedEOF in a record that was cut off, errDamaged.
func read(f *os.File, at int64) (Record, int64, error) {
	var head [header]byte
	if n, err := f.ReadAt(head[:], at); err != nil {
		if errors.Is(err, io.EOF) && n > 0 {
			return Record{}, 0, io.ErrUnexpectedEOF
		}
		return Record{}, 0, err
	}
	if head == [header]byte{} { // a file may have grown before what was written reached the disk
		return Record{}, 0, io.ErrUnexpectedEOF
	}
	length := binary.LittleEndian.Uint32(head[:4])
	if length == 0 || length > MaxRecord {
		return Record{}, 0, errDamaged
	}
	payload := make([]byte, length)
	if _, err := f.ReadAt(payload, at+header); err != nil {
		if errors.Is(err, io.EOF) {
			return Record{}, 0, io.ErrUnexpectedEOF
		}
		return Record{}, 0, err
	}
	id := int(payload[0])
	if crc32.Checksum(payload, crc32.MakeTable(crc32.Castagnoli)) != binary.LittleEndian.Uint32(head[4:]) || 1+id > len(payload) {
		return Record{}, 0, errDamaged
	}
	return Record{ID: string(payload[1 : 1+id]), Body: payload[1+id:]}, header + int64(length), nil
}

func copyFile(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return bare(err)
	}
	return bare(os.WriteFile(to, content, 0o600))
}

// begin starts a segment.
func (s *Spool) begin(number int64) error {
	f, err := os.OpenFile(s.path(number), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600) // one that is there was begun and never used
	if err != nil {
		return bare(err)
	}
	if err := s.syncDir(); err != nil {
		_ = f.Close()
		return err
	}
	if s.active != nil {
		_ = s.active.Close()
	}
	s.active, s.torn = f, false
	s.segments = append(s.segments, segment{number: number})
	if len(s.segments) == 1 {
		s.at = position{Segment: number}
		s.to = s.at
	}
	return nil
}

func (s *Spool) syncDir() error {
	d, err := os.Open(s.dir)
	if err != nil {
		return bare(err)
	}
	defer d.Close()
	return bare(d.Sync())
}

// Append puts records into the spool, in order, and returns how many are on disk. The error is ErrFull when there is no room for the next
// one, be it by the limit or by the disk; ErrTooBig for one that no spool takes.
func (s *Spool) Append(records ...Record) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := 0
	for taken < len(records) {
		n, err := s.some(records[taken:])
		taken += n
		if n > 0 {
			select {
			case s.wake <- struct{}{}:
			default:
			}
		}
		if err != nil {
			return taken, err
		}
	}
	return taken, nil
}

// some writes as many records as the active segment takes, with one write and one sync.
func (s *Spool) some(records []Record) (int, error) {
	last := &s.segments[len(s.segments)-1]
	if s.torn { // it could not be shortened then
		if err := s.active.Truncate(last.size); err != nil {
			return 0, ErrFull
		}
		s.torn = false
	}
	if last.size >= s.segment {
		if err := s.begin(last.number + 1); err != nil {
			return 0, full(err)
		}
		last = &s.segments[len(s.segments)-1]
	}
	var block []byte
	n := 0
	var stop error
	for _, r := range records {
		size := r.size()
		if size > MaxRecord || len(r.ID) == 0 || len(r.ID) > 255 {
			stop = ErrTooBig
			break
		}
		if s.used+int64(len(block))+size > s.limit {
			stop = ErrFull
			break
		}
		if n > 0 && last.size+int64(len(block)) >= s.segment {
			break
		}
		payload := append(append([]byte{byte(len(r.ID))}, r.ID...), r.Body...)
		block = binary.LittleEndian.AppendUint32(block, uint32(len(payload))) //nolint:gosec // at most MaxRecord
		block = binary.LittleEndian.AppendUint32(block, crc32.Checksum(payload, crc32.MakeTable(crc32.Castagnoli)))
		block = append(block, payload...)
		n++
	}
	if n == 0 {
		return 0, stop
	}
	_, err := s.active.WriteAt(block, last.size)
	if err == nil {
		err = s.active.Sync()
	}
	if err != nil {
		if s.active.Truncate(last.size) != nil {
			s.torn = true
		}
		return 0, full(err)
	}
	last.size += int64(len(block))
	s.used += int64(len(block))
	return n, stop
}

// full is what no room on the disk is; a limit of the process on files is the same.
func full(err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EFBIG) {
		return ErrFull
	}
	return bare(err)
}

// Wake is sent to when something was appended.
func (s *Spool) Wake() <-chan struct{} { return s.wake }

// Next reads the records after those that it read before: at most count, of at most bytes together but for the first. None: there is no more.
func (s *Spool) Next(count int, bytes int64) ([]Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Record
	var size int64
	for len(list) < count {
		i := slices.IndexFunc(s.segments, func(one segment) bool { return one.number == s.to.Segment })
		if i < 0 {
			return list, errors.New("the segment to be read is gone")
		}
		if s.to.Offset >= s.segments[i].size {
			if i == len(s.segments)-1 {
				return list, nil
			}
			s.to = position{Segment: s.segments[i+1].number}
			continue
		}
		if s.in == nil || s.of != s.to.Segment {
			if s.in != nil {
				_ = s.in.Close()
			}
			f, err := os.Open(s.path(s.to.Segment))
			if err != nil {
				s.in = nil
				return list, bare(err)
			}
			s.in, s.of = f, s.to.Segment
		}
		r, n, err := read(s.in, s.to.Offset)
		if errors.Is(err, errDamaged) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			// Nothing after it in this segment can be found: lengths lead from one record to the next.
			if err := copyFile(s.path(s.to.Segment), s.path(s.to.Segment)+damagedSuffix); err != nil {
				return list, err
			}
			s.note(func(st *State) { st.Damaged++; st.DamagedAt = s.now().UTC() })
			if i == len(s.segments)-1 {
				if err := s.begin(s.to.Segment + 1); err != nil {
					return list, err
				}
			}
			s.to = position{Segment: s.segments[i+1].number}
			continue
		}
		if err != nil {
			return list, bare(err)
		}
		if len(list) > 0 && size+n > bytes {
			return list, nil
		}
		list, size = append(list, r), size+n
		s.to.Offset += n
	}
	return list, nil
}

// Commit says that all that Next has read was delivered: it is never read again, and the disk gets the room back.
func (s *Spool) Commit() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.to == s.at {
		return nil
	}
	content, err := json.Marshal(s.to)
	if err != nil {
		return err
	}
	if err := replace(filepath.Join(s.dir, cursorFile), content); err != nil {
		return err
	}
	s.at = s.to
	for len(s.segments) > 1 && s.segments[0].number < s.at.Segment {
		if err := os.Remove(s.path(s.segments[0].number)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return bare(err)
		}
		s.used -= s.segments[0].size
		s.segments = s.segments[1:]
	}
	// A segment that was read to its end gives its room back before it is as big as others: else a spool that was once full would stay so.
	if last := s.segments[0]; len(s.segments) == 1 && s.at.Offset == last.size && last.size > 0 && s.used+s.segment > s.limit {
		if err := s.begin(last.number + 1); err != nil {
			return nil //nolint:nilerr // there is no room for an empty file; the next Commit tries again
		}
		s.to = position{Segment: last.number + 1}
		s.at = s.to
		content, _ = json.Marshal(s.at) // of numbers
		if err := replace(filepath.Join(s.dir, cursorFile), content); err != nil {
			return err
		}
		_ = os.Remove(s.path(last.number))
		s.used -= last.size
		s.segments = s.segments[1:]
	}
	return nil
}

// replace writes a file so that after a crash it is the old or the new one.
func replace(path string, content []byte) error {
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return bare(err)
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return bare(err)
	}
	return bare(os.Rename(path+".new", path))
}

// Note changes the state and keeps it.
func (s *Spool) Note(change func(*State)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note(change)
}

func (s *Spool) note(change func(*State)) {
	change(&s.state)
	content, err := json.Marshal(s.state)
	if err == nil {
		_ = replace(filepath.Join(s.dir, stateFile), content) // on a full disk it is known in memory, and written with the next change
	}
}

// SetAside keeps a line that the cluster will never take, for somebody to look at, while there is room: a sixteenth of the limit.
func (s *Spool) SetAside(r Record, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note(func(st *State) { st.Refused++; st.RefusedAt = s.now().UTC() })
	path := filepath.Join(s.dir, "refused.ndjson")
	if info, err := os.Stat(path); err == nil && info.Size() > s.limit/16 {
		return
	}
	line, err := json.Marshal(struct {
		ID   string          `json:"_id"`
		Why  string          `json:"why"`
		Line json.RawMessage `json:"line"`
	}{r.ID, why, r.Body})
	if err != nil {
		return
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	_, _ = f.Write(append(line, '\n'))
	_ = f.Close()
}

// State returns what is known.
func (s *Spool) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// Waiting returns how many bytes are not yet delivered.
func (s *Spool) Waiting() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used - s.at.Offset
}

// Close ends it. What Next has read and Commit has not confirmed is read again.
func (s *Spool) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range []*os.File{s.active, s.in, s.lock} {
		if f != nil {
			_ = f.Close()
		}
	}
	s.active, s.in = nil, nil
}

// ReadState reads the state of a spool, also while another process has it open. None is known before something was to be noted.
func ReadState(dir string) (State, error) {
	var st State
	content, err := os.ReadFile(filepath.Join(dir, stateFile))
	if errors.Is(err, os.ErrNotExist) {
		return st, nil
	}
	if err != nil {
		return st, bare(err)
	}
	return st, json.Unmarshal(content, &st)
}

// Used reports whether some process has the spool open.
func Used(dir string) bool {
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer lock.Close()
	return errors.Is(unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB), unix.EWOULDBLOCK)
}
