package ship

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/garant-project/garant/internal/engine/auditlog/ship/elastic"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/outgoing"
)

// The pace of looking for a line.
const (
	firstLook   = 100 * time.Millisecond
	longestLook = 2 * time.Second
	mostExtra   = 30 * time.Second // for which a line that is late is still looked for
	searchTime  = 10 * time.Second
)

// canary is a line of two words that nobody has seen before. The first is searched for; only whoever has the line itself knows the second. So an answer that is made of the question, or of a
// log of questions, does not pass for the line.
type canary struct{ first, second string }

// newCanary draws the words from 128 random bits each. They are of letters alone: every analyser keeps each in one piece, and nothing takes them for a number that is to be left out.
func newCanary() canary {
	word := func(prefix string) string {
		raw := make([]byte, 16)
		_, _ = rand.Read(raw) // never fails (Go 1.24)
		out := []byte(prefix)
		for _, b := range raw {
			out = append(out, 'a'+b>>4, 'a'+b&15)
		}
		return string(out)
	}
	return canary{word("garantcanary"), word("garantproof")}
}

func (c canary) line() string { return c.first + " " + c.second }

// look is at one log.
type look struct {
	log     estate.Log
	items   []measure.Item
	found   bool // in time
	took    time.Duration
	product string
}

func (l *look) add(p Problem, expected, actual string) {
	l.items = append(l.items, measure.Item{Target: l.log.Target(), Problem: string(p), Expected: measure.Shown(expected, longItem), Actual: measure.Shown(actual, longItem)})
}

// search writes a line at the far end of a log and looks for it.
func (s *Ship) search(ctx context.Context, l *look) {
	o, err := options(l.log.Search)
	if err != nil {
		l.add(BadSecret, "an address and credentials", "a reference that leads to none")
		return
	}
	o.Timeout = searchTime
	client, err := elastic.New(o)
	if err != nil {
		l.add(BadSecret, "credentials", "some that cannot be sent")
		return
	}
	c := newCanary()
	before, err := client.Search(ctx, l.log.Search.Index, l.log.Field, c.first)
	if ctx.Err() != nil {
		l.add(Unreachable, "an answer", "no time was left to look")
		return
	}
	switch why := elastic.Why(err); {
	case err == nil && len(before.Found) > 0:
		l.add(Forged, "nothing before the line is written", strconv.Itoa(len(before.Found))+" documents")
		return
	case err == nil:
	case why.Reason == elastic.NoIndex, why.Reason == elastic.Busy, why.Reason == elastic.NoAnswer: // the line itself may make the index; the others may pass
	default:
		l.failed(why)
		return
	}
	began := time.Now()
	if !s.write(ctx, l, c) {
		return
	}
	l.product = client.Product(ctx)
	l.await(ctx, client, c, began)
}

// await looks for the line until it is found, or for a while longer than agreed: what is late is told from what is lost.
func (l *look) await(ctx context.Context, client *elastic.Client, c canary, began time.Time) {
	within := l.log.Within
	end := began.Add(within + min(within/2, mostExtra))
	var why *elastic.Error // of the latest search
	var answer *elastic.Answer
	absent := false // the agreed time was over, and a whole answer did not have it
	for wait := firstLook; ; wait = min(wait*3/2, longestLook) {
		asked := time.Now()
		var err error
		answer, err = client.Search(ctx, l.log.Search.Index, l.log.Field, c.first)
		took := time.Since(began)
		if why = nil; err != nil {
			why = elastic.Why(err)
		} else if answer.Whole {
			for _, found := range answer.Found {
				if strings.Contains(found, c.first) && strings.Contains(found, c.second) {
					l.took, l.found = took, took <= within
					if !l.found {
						l.add(Late, "within "+span(within), "after "+span(took.Truncate(100*time.Millisecond)))
					}
					return
				}
			}
			absent = absent || asked.Sub(began) >= within
		}
		left := time.Until(end)
		if left <= 0 || !sleep(ctx, min(wait, left)) {
			break
		}
	}
	switch {
	case answer != nil && len(answer.Found) > 0 && answer.Whole:
		l.add(WrongLine, "the line that was written", strconv.Itoa(len(answer.Found))+" other documents with its first word")
	case absent:
		l.add(NotFound, "within "+span(within), "not found")
	case why != nil:
		l.failed(why)
	case answer != nil && !answer.Whole:
		l.add(Partial, "an answer of every shard, in time", "of some")
	default:
		l.add(Unreachable, "an answer after the agreed time", "no time was left to look")
	}
}

// failed says why a search did.
func (l *look) failed(why *elastic.Error) {
	p, expected := Unreadable, "an answer of Elasticsearch or OpenSearch"
	switch why.Reason {
	case elastic.NoIndex:
		p, expected = NoIndex, l.log.Search.Index
	case elastic.Denied:
		p, expected = Denied, "a search of "+l.log.Search.Index
	case elastic.Busy:
		p, expected = Busy, "an answer"
	case elastic.NoAnswer, elastic.BadAddress:
		p, expected = Unreachable, "an answer"
	case elastic.Untrusted:
		p, expected = Untrusted, "a certificate that clients accept"
	case elastic.Redirected:
		p = Redirected
	}
	l.add(p, expected, why.Error())
}

// span writes a length of time for items.
func span(d time.Duration) string {
	if d%time.Second == 0 {
		return estate.FormatDuration(d)
	}
	return d.String()
}

// write writes the line at the far end, and reports whether it did.
func (s *Ship) write(ctx context.Context, l *look, c canary) bool {
	switch how := l.log.Canary; {
	case how.HTTP != "":
		return l.post(ctx, how, c)
	case how.File != "":
		return l.appendTo(how.File, how.Plain, c)
	case l.log.Ship == nil: // the estate does not allow it
		l.add(NoShipper, "a way to write the line", "none")
		return false
	case !s.ships(l.log.Name):
		l.add(NoShipper, "this server ships it", "it does not")
		return false
	case l.log.Ship.File != "":
		return l.appendTo(l.log.Ship.File, false, c)
	}
	slog.New(s.deps.Tap).Info(c.line(), "event.dataset", l.log.Name)
	return true
}

// post gives the line to the application, which logs it as it logs all else.
func (l *look) post(ctx context.Context, how estate.LogCanary, c canary) bool {
	client := outgoing.Client{Private: true, UserAgent: "Garant canary"}
	if len(how.TrustPEM) > 0 {
		client.Trust = x509.NewCertPool()
		client.Trust.AppendCertsFromPEM(how.TrustPEM)
	}
	body, _ := json.Marshal(map[string]string{"message": c.line()}) // of letters
	request := outgoing.Request{Method: http.MethodPost, URL: how.HTTP, Header: http.Header{"Content-Type": {"application/json"}}, Secrets: http.Header{}, Body: body}
	if !how.Token.IsZero() {
		token, err := how.Token.Reveal()
		if err != nil || strings.ContainsAny(token, "\r\n\x00") {
			l.add(BadSecret, "a token for the application", "a reference that leads to none")
			return false
		}
		request.Secrets.Set("Authorization", "Bearer "+token)
	}
	answer, err := client.Do(ctx, request)
	switch {
	case err != nil:
		l.add(FarEndSilent, "an answer of the application", outgoing.Reason(err))
		return false
	case answer.Status < 200 || answer.Status > 299:
		l.add(FarEndRefused, "HTTP 200 to 299", "HTTP "+strconv.Itoa(answer.Status))
		return false
	}
	return true
}

// appendTo adds the line to a log file, with one write. It makes no file: one that is not there is followed by nobody.
func (l *look) appendTo(path string, plain bool, c canary) bool {
	line := c.line()
	if !plain {
		doc, _ := json.Marshal(struct { // of strings
			At      string `json:"@timestamp"`
			Level   string `json:"log.level"`
			Message string `json:"message"`
		}{time.Now().UTC().Format(time.RFC3339Nano), "INFO", line})
		line = string(doc)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|syscall.O_NONBLOCK, 0)
	if err == nil {
		defer f.Close()
		var info fs.FileInfo
		if info, err = f.Stat(); err == nil && !info.Mode().IsRegular() {
			err = errNoFile
		}
	}
	if err == nil {
		_, err = f.WriteString(line + "\n")
	}
	if err != nil {
		l.add(NoFile, "a log file that Garant may add to", reason(err))
		return false
	}
	return true
}

var errNoFile = errors.New("not a regular file")

// reason says why a file could not be written, without its path.
func reason(err error) string {
	var errno syscall.Errno
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "there is no such file"
	case errors.Is(err, fs.ErrPermission):
		return "this account may not write it"
	case errors.Is(err, errNoFile):
		return errNoFile.Error()
	case errors.As(err, &errno):
		return errno.Error()
	}
	return "it cannot be written"
}
