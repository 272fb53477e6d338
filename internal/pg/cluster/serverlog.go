package cluster

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	logName = "postgresql.log"
	logMax  = 8 << 20 // bytes of a log file before it becomes postgresql.log.1
	lineMax = 16 << 10
)

// serverLog takes what the server writes to standard error and keeps it in two files of
// bounded size. A full disk loses lines and nothing else.
type serverLog struct {
	path string
	max  int64
	r, w *os.File // a pipe; w is given to the server
	done chan struct{}

	mu   sync.Mutex
	tail []string // last lines since mark
	file *os.File
	size int64
}

// openLog starts to copy; the returned log's w goes to the server as standard error.
func openLog(p paths, max int64) (*serverLog, error) {
	if err := ownDirectory(p.log, account{uid: os.Geteuid()}); err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	l := &serverLog{path: filepath.Join(p.log, logName), max: max, r: r, w: w, done: make(chan struct{})}
	go l.copy()
	return l, nil
}

func (l *serverLog) copy() {
	defer close(l.done)
	defer l.r.Close()
	in := bufio.NewReaderSize(l.r, lineMax)
	for {
		line, err := in.ReadSlice('\n') // a longer line comes in pieces
		if len(line) > 0 {
			l.add(line)
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

func (l *serverLog) add(line []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tail = append(l.tail, strings.TrimRight(string(line), "\n")); len(l.tail) > 40 {
		l.tail = l.tail[len(l.tail)-20:]
	}
	if l.file != nil && l.size+int64(len(line)) > l.max {
		l.file.Close()
		l.file = nil
		_ = os.Rename(l.path, l.path+".1") // on failure the file grows until the next try
	}
	if l.file == nil {
		f, err := os.OpenFile(l.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND|unix.O_NOFOLLOW, 0o600)
		if err != nil {
			return
		}
		l.file, l.size = f, 0
		if st, err := f.Stat(); err == nil {
			l.size = st.Size()
		}
	}
	n, _ := l.file.Write(line)
	l.size += int64(n)
}

// mark forgets the lines so far, so that cause speaks of the start to come.
func (l *serverLog) mark() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tail = nil
}

// cause returns the last reason that the server gave for ending, without prefix; empty when
// it gave none.
func (l *serverLog) cause() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return causeIn(l.tail)
}

func causeIn(lines []string) string {
	reason := regexp.MustCompile(`(?:^|\s)(?:FATAL|PANIC|ERROR|error):\s+(.+)`)
	for i := len(lines) - 1; i >= 0; i-- {
		if m := reason.FindStringSubmatch(lines[i]); m != nil {
			return m[1]
		}
	}
	return ""
}

// close ends the log when the server's processes are gone, or a second later if one has
// stayed and holds the pipe.
func (l *serverLog) close() {
	l.w.Close()
	_ = l.r.SetReadDeadline(time.Now().Add(time.Second))
	<-l.done
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		l.file.Close()
		l.file = nil
	}
}

// bounded keeps the first bytes of what a short-lived program prints.
type bounded struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *bounded) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if room := 64<<10 - b.b.Len(); room > 0 {
		b.b.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

func (b *bounded) lines() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Split(b.b.String(), "\n")
}

var _ io.Writer = (*bounded)(nil)
