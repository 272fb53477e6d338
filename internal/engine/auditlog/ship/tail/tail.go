// Package tail follows a log file over rotation and truncation.
//
// A line is read as soon as its line break is there, and known by where it stood: the life of the file that it was in (a random name, given when
// the file was first seen), its offset and its text. The same line read again after a kill so has the same ID; the same text elsewhere has another.
//
// Rotation by renaming (the path names another file) and by copying and truncating (the file is shorter, or what stood before the position is no longer
// what was read) are both seen. A file that was renamed while nobody followed is looked for beside the path, with those that were
// rotated after it; one that is gone, or compressed, is counted as missed.
//
// Nothing is lost while the spool is full: the file waits. What is rotated away and deleted in that time is missed, and counted.
//
// The proving tests: TestRotation, TestTruncation, TestAway, TestKilledAnywhere, TestPartialLine.
package tail

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/google/uuid"
)

// MaxLine is how much of a line is read; the rest of a longer one is left out.
const MaxLine = 128 << 10

const (
	remembered = 16 // files that were finished

	window = 256 // bytes before the position by which a file is known again
)

// DefaultSettle is for how long nothing must have been added to a file that was renamed.
const DefaultSettle = 2 * time.Second

// Line is one line, without its line break.
type Line struct {
	ID   string
	Text []byte
	Cut  bool // it was longer than MaxLine
}

// mark is a position in a file, as it is kept.
type mark struct {
	Life   string `json:"life"` // random name of the file from its beginning
	Device uint64 `json:"device"`
	Inode  uint64 `json:"inode"`
	Offset int64  `json:"offset"`
	Before string `json:"before"`         // hex SHA-256 of the bytes before the position
	Skip   bool   `json:"skip,omitempty"` // the position is within a line that is too long

	Done [remembered]ended `json:"done"` // files that were read to their end, the latest first
}

// ended is where a file was left.
type ended struct {
	Device uint64 `json:"device"`
	Inode  uint64 `json:"inode"`
	Offset int64  `json:"offset"`
	Before string `json:"before"`
}

// Tail follows one file. It is for one goroutine.
type Tail struct {
	path string
	keep string // file in which the position is kept
	now  func() time.Time

	// Settle is for how long nothing must have been added to a file that was renamed before it is left: its writer may not have noticed.
	Settle time.Duration

	file   *os.File
	at     mark       // of what was read
	saved  mark       // of what is kept
	queue  []*os.File // rotated away while nobody followed, still to be read, the oldest first
	idle   time.Time  // since when the file, no longer at the path, has not grown; zero: it is at the path
	end    bool       // all that was there was read
	missed int        // since last asked
}

// Open follows path, from where the position in keep says; without one from the beginning. The file need not be there yet.
func Open(path, keep string, now func() time.Time) (*Tail, error) {
	t := &Tail{path: path, keep: keep, now: now, Settle: DefaultSettle}
	content, err := os.ReadFile(keep)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return t, nil
	case err != nil:
		return nil, bare(err)
	}
	if json.Unmarshal(content, &t.saved) != nil {
		t.missed++ // where it stood is not known: everything that is there is read, with new IDs
		t.saved = mark{}
	} else {
		t.find()
	}
	return t, nil
}

func bare(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return fmt.Errorf("%s: %w", p.Op, p.Err)
	}
	return err
}

func ids(info os.FileInfo) (device, inode uint64) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0
	}
	return uint64(st.Dev), st.Ino //nolint:unconvert,gosec // its width differs between systems
}

// open opens a regular file, without waiting for a writer.
func open(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// known reports whether f is the file of the mark, and still holds what was read before it.
func known(f *os.File, m mark) bool {
	info, err := f.Stat()
	if err != nil {
		return false
	}
	device, inode := ids(info)
	return device == m.Device && inode == m.Inode && info.Size() >= m.Offset && before(f, m.Offset) == m.Before
}

// before is a digest of the bytes before an offset.
func before(f *os.File, offset int64) string {
	n := min(offset, window)
	buf := make([]byte, n)
	if _, err := f.ReadAt(buf, offset-n); err != nil {
		return ""
	}
	sum := sha256.Sum256(buf)
	return hex.EncodeToString(sum[:])
}

// rotatedName is what is put behind a name on rotation: .1, -20261127, .2026-11-27T18.
var rotatedName = regexp.MustCompile(`^[.-][0-9][0-9T:.Z_-]*$`)

// find looks for the file of the kept position: at the path, else among those that were rotated away.
func (t *Tail) find() {
	if f, err := open(t.path); err == nil {
		if known(f, t.saved) {
			t.file, t.at = f, t.saved
			return
		}
		_ = f.Close()
	}
	if t.elsewhere(t.saved) {
		return
	}
	t.missed++
}

// elsewhere goes on with the file of a position where it was renamed or copied to.
func (t *Tail) elsewhere(m mark) bool {
	list := t.siblings()
	i := slices.IndexFunc(list, func(f *os.File) bool { return known(f, m) })
	if i < 0 && m.Offset > 0 { // a copy has another inode, and the same text
		i = slices.IndexFunc(list, func(f *os.File) bool {
			info, err := f.Stat()
			return err == nil && info.Size() >= m.Offset && before(f, m.Offset) == m.Before
		})
	}
	for j, f := range list {
		switch {
		case i >= 0 && j == i:
			t.file, t.at = f, m
			if info, err := f.Stat(); err == nil {
				t.at.Device, t.at.Inode = ids(info)
			}
		case i >= 0 && j > i:
			t.queue = append(t.queue, f)
		default:
			_ = f.Close()
		}
	}
	return i >= 0
}

// siblings opens the files that were rotated away, the oldest first.
func (t *Tail) siblings() []*os.File {
	type sibling struct {
		f      *os.File
		when   time.Time
		suffix string
	}
	var list []sibling
	entries, _ := os.ReadDir(filepath.Dir(t.path))
	for _, e := range entries {
		rest, ok := strings.CutPrefix(e.Name(), filepath.Base(t.path))
		if !ok || !rotatedName.MatchString(rest) {
			continue
		}
		f, err := open(filepath.Join(filepath.Dir(t.path), e.Name()))
		if err != nil {
			continue
		}
		info, err := f.Stat()
		if err != nil {
			_ = f.Close()
			continue
		}
		list = append(list, sibling{f, info.ModTime(), rest[1:]})
	}
	slices.SortStableFunc(list, func(a, b sibling) int {
		if order := a.when.Compare(b.when); order != 0 {
			return order
		}
		return older(a.suffix, b.suffix)
	})
	files := make([]*os.File, 0, len(list))
	for _, one := range list {
		files = append(files, one.f)
	}
	return files
}

// wasRead reports whether the file was read to its end before. Of one that was empty nothing is known but its inode, which another may have got: it is the one only while it is empty.
func (t *Tail) wasRead(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && slices.ContainsFunc(t.at.Done[:], func(e ended) bool {
		return e.Before != "" && (e.Offset > 0 || info.Size() == 0) && known(f, mark{Device: e.Device, Inode: e.Inode, Offset: e.Offset, Before: e.Before})
	})
}

// older orders suffixes of files of one time: of .1 and .2 the second is older, of dates the first.
func older(a, b string) int {
	x, errA := strconv.Atoi(a)
	y, errB := strconv.Atoi(b)
	if errA == nil && errB == nil && len(a) <= 4 && len(b) <= 4 {
		return y - x
	}
	return strings.Compare(a, b)
}

// later puts into the queue what was rotated away after the file that was just finished: the path may have been given to several while the spool was full.
func (t *Tail) later() {
	done, err := t.file.Stat()
	if err != nil {
		return
	}
	for _, f := range t.siblings() {
		info, err := f.Stat()
		if err == nil && !os.SameFile(info, done) && !info.ModTime().Before(done.ModTime()) && !t.wasRead(f) {
			t.queue = append(t.queue, f)
			continue
		}
		_ = f.Close()
	}
}

// Missed returns how many files went away unread since it was last asked.
func (t *Tail) Missed() int {
	n := t.missed
	t.missed = 0
	return n
}

// Read returns the lines that are there, of at most the given bytes. None: there is nothing new. Lines are read once; Commit keeps how far.
func (t *Tail) Read(most int) ([]Line, error) {
	for range 64 { // files that are empty are passed over, not for ever
		if t.file == nil {
			if ok, err := t.next(); !ok || err != nil {
				return nil, err
			}
		}
		if t.at.Offset > 0 && t.replaced() {
			was := t.file
			switch at := t.at; {
			case t.elsewhere(at):
				_ = was.Close()
			case !t.end:
				t.missed++
				fallthrough
			default:
				if err := t.start(was); err != nil {
					return nil, err
				}
			}
		}
		lines, err := t.read(most)
		if err != nil || len(lines) > 0 {
			t.idle = time.Time{}
			return lines, err
		}
		if !t.finished() {
			return nil, nil
		}
		if last := t.rest(); last != nil {
			return last, nil
		}
		copy(t.at.Done[1:], t.at.Done[:remembered-1])
		t.at.Done[0] = ended{t.at.Device, t.at.Inode, t.at.Offset, t.at.Before}
		if len(t.queue) == 0 {
			t.later()
		}
		_ = t.file.Close()
		t.file = nil
	}
	return nil, nil
}

// next opens what is to be read now.
func (t *Tail) next() (bool, error) {
	if len(t.queue) > 0 {
		if err := t.start(t.queue[0]); err != nil {
			return false, err
		}
		t.queue = t.queue[1:]
		return true, nil
	}
	f, err := open(t.path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, bare(err)
	}
	if err := t.start(f); err != nil {
		_ = f.Close()
		return false, err
	}
	return true, nil
}

// start begins a life. It is kept before a line of it is read: whoever reads that again gives it the same ID.
func (t *Tail) start(f *os.File) error {
	at := mark{Life: uuid.NewString(), Before: before(f, 0), Done: t.at.Done}
	if info, err := f.Stat(); err == nil {
		at.Device, at.Inode = ids(info)
	}
	was := t.at
	t.at = at
	if err := t.Commit(); err != nil {
		t.at = was
		return err
	}
	t.file, t.idle, t.end = f, time.Time{}, true
	return nil
}

// replaced reports whether the file no longer holds what was read.
func (t *Tail) replaced() bool {
	info, err := t.file.Stat()
	return err == nil && (info.Size() < t.at.Offset || before(t.file, t.at.Offset) != t.at.Before)
}

func (t *Tail) read(most int) ([]Line, error) {
	buf := make([]byte, max(most, MaxLine+1))
	n, err := t.file.ReadAt(buf, t.at.Offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, bare(err)
	}
	buf, t.end = buf[:n], n < len(buf)
	var lines []Line
	offset := t.at.Offset
	for len(buf) > 0 {
		i := bytes.IndexByte(buf, '\n')
		switch {
		case i < 0 && (t.at.Skip || len(buf) > MaxLine): // the middle of a line that is too long
			if !t.at.Skip {
				lines = append(lines, t.line(offset, buf[:MaxLine], true))
			}
			t.at.Skip = true
			offset += int64(len(buf))
			buf = nil
		case i < 0:
			buf = nil
		default:
			text := bytes.TrimSuffix(buf[:i], []byte("\r"))
			if !t.at.Skip && len(bytes.TrimSpace(text)) > 0 {
				lines = append(lines, t.line(offset, text[:min(len(text), MaxLine)], len(text) > MaxLine))
			}
			t.at.Skip = false
			offset += int64(i) + 1
			buf = buf[i+1:]
		}
	}
	t.move(offset)
	return lines, nil
}

func (t *Tail) line(offset int64, text []byte, cut bool) Line {
	h := sha256.New()
	h.Write(fmt.Appendf(nil, "%s %d %d ", t.at.Life, offset, len(text)))
	h.Write(text)
	return Line{ID: hex.EncodeToString(h.Sum(nil)[:20]), Text: bytes.Clone(text), Cut: cut}
}

func (t *Tail) move(offset int64) {
	if offset != t.at.Offset {
		t.at.Offset, t.at.Before = offset, before(t.file, offset)
	}
}

// finished reports whether the file was renamed and its writer has let go of it.
func (t *Tail) finished() bool {
	if len(t.queue) > 0 {
		return true // rotated away before we came
	}
	info, err := os.Stat(t.path)
	if err == nil {
		device, inode := ids(info)
		if device == t.at.Device && inode == t.at.Inode {
			t.idle = time.Time{}
			return false
		}
	}
	if err != nil { // renamed, or deleted, and no other yet: its writer may still add to it
		return false
	}
	if info, err = t.file.Stat(); err == nil && t.now().Sub(info.ModTime()) >= t.Settle {
		return true
	}
	if t.idle.IsZero() { // the file may bear a time of the future
		t.idle = t.now()
		return false
	}
	return t.now().Sub(t.idle) >= t.Settle
}

// rest returns what stands at the end of a finished file without a line break.
func (t *Tail) rest() []Line {
	buf := make([]byte, MaxLine+1)
	n, _ := t.file.ReadAt(buf, t.at.Offset)
	if n == 0 {
		return nil
	}
	offset := t.at.Offset
	t.move(offset + int64(n))
	defer func() { t.at.Skip = n > MaxLine }()
	if t.at.Skip || len(bytes.TrimSpace(buf[:n])) == 0 {
		return nil
	}
	return []Line{t.line(offset, buf[:min(n, MaxLine)], n > MaxLine)}
}

// Commit keeps how far was read.
func (t *Tail) Commit() error {
	if t.at == t.saved {
		return nil
	}
	content, err := json.Marshal(t.at)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(t.keep+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return bare(err)
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return bare(err)
	}
	if err := os.Rename(t.keep+".new", t.keep); err != nil {
		return bare(err)
	}
	t.saved = t.at
	return nil
}

// Close ends it.
func (t *Tail) Close() {
	if t.file != nil {
		_ = t.file.Close()
	}
	for _, f := range t.queue {
		_ = f.Close()
	}
}
