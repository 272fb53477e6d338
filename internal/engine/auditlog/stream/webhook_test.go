package stream

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/engine/auditlog/export"
	"github.com/garant-project/garant/internal/estate"
)

func TestWebhook(t *testing.T) {
	w := newWorld(t)
	w.record.checkpoint = "garant.example/log\n1203\nhash=\n\n— garant.example sig\n"
	w.record.add(1203, w.clock.Now(), nil)
	if err := w.drive("siem"); err != nil {
		t.Fatal(err)
	}
	w.webhook.sound(t, 1203)
	if len(w.webhook.ids) != 3 || w.webhook.ids[0] == w.webhook.ids[1] || w.webhook.twice != 0 {
		t.Errorf("batches %v", w.webhook.ids)
	}
	st := w.state("siem")
	if st.Position != 1203 || st.Sent != 1203 || st.Sending != 0 || st.SentAt == nil || st.Problem != "" {
		t.Errorf("%+v", st)
	}
	lines := strings.Split(strings.TrimSuffix(string(w.webhook.bodies[2]), "\n"), "\n")
	for i, line := range lines {
		if got := strings.Contains(line, `"checkpoint":"garant.example/log\n1203`); got != (i == len(lines)-1) {
			t.Errorf("line %d of %d has the checkpoint: %v", i, len(lines), got)
		}
		if !strings.Contains(line, `"tree":"company","index":`) || !strings.Contains(line, `"leaf":"`) || strings.Contains(line, "before 1") {
			t.Fatalf("line %d: %s", i, line)
		}
	}
	w.change("siem", func(d *estate.Stream) { d.Values = true })
	w.record.add(1, w.clock.Now(), nil)
	if err := w.drive("siem"); err != nil || !strings.Contains(string(w.webhook.bodies[3]), `"before":"before 1204"`) {
		t.Errorf("values: %v", err)
	}
}

// TestRotation: the receiver may have the old secret, the new one, and no other.
func TestRotation(t *testing.T) {
	w := newWorld(t)
	before, after, stranger := freshSecret(t), freshSecret(t), freshSecret(t)
	file := filepath.Join(t.TempDir(), "secret")
	t.Setenv("STREAM_BEFORE", before)
	t.Setenv("STREAM_SECRET", after)
	w.change("siem", func(d *estate.Stream) { d.Previous = secretOf(t, "STREAM_BEFORE") })
	for i, secret := range []string{before, after, before} {
		w.webhook.secret = secret
		w.record.add(1, w.clock.Now(), nil)
		if err := w.drive("siem"); err != nil {
			t.Errorf("secret %d: %v", i, err)
		}
	}
	w.change("siem", func(d *estate.Stream) { d.Previous = estate.Secret{} })
	for _, secret := range []string{before, stranger} {
		w.webhook.secret = secret
		w.record.add(1, w.clock.Now(), nil)
		if err := w.drive("siem"); problemOf(err) != Refused {
			t.Errorf("another secret: %v", err)
		}
	}
	w.webhook.secret = after
	for _, bad := range []string{"whsec_", "whsec_c2hvcnQ=", strings.TrimPrefix(after, "whsec_"), "whsec_!!!", " "} {
		t.Setenv("STREAM_SECRET", bad)
		if err := w.drive("siem"); problemOf(err) != BadSecret || strings.Contains(err.Error(), bad+"x") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("STREAM_SECRET", after)
	if err := w.drive("siem"); err != nil {
		t.Fatal(err)
	}
	w.webhook.sound(t, 5)
}

// TestReceiversMisbehave: whatever a receiver does, nothing is lost, nothing is skipped, and what is kept of it is a word.
func TestReceiversMisbehave(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		name    string
		behave  func(http.ResponseWriter, *http.Request, int) bool
		problem Problem
		said    string
	}{
		{"hang", w.webhook.hangs, NoAnswer, "no answer in time"},
		{"cut", cuts, NoAnswer, "no answer that can be read"},
		{"dribble", w.webhook.dribbles, NoAnswer, "no answer in time"},
		{"flood", floods, NoAnswer, "an answer that is too large"},
		{"400", answers(400), Refused, "HTTP 400"},
		{"401", answers(401), Refused, "HTTP 401"},
		{"410", answers(410), Refused, "HTTP 410"},
		{"422", answers(422), Refused, "HTTP 422"},
		{"302", answers(302, "Location", "https://elsewhere.example/"), Refused, "HTTP 302"},
		{"100 after all", answers(304), Refused, "HTTP 304"},
		{"408", answers(408), Failing, "HTTP 408"},
		{"429", answers(429, "Retry-After", "120"), Throttled, "HTTP 429"},
		{"500", answers(500), Failing, "HTTP 500"},
		{"503", answers(503, "Retry-After", w.clock.Now().Add(90*time.Second).Format(http.TimeFormat)), Failing, "HTTP 503"},
	} {
		w.record.add(3, w.clock.Now(), nil)
		last := w.webhook.at()
		w.webhook.set(c.behave)
		err := w.drive("siem")
		f, _ := err.(*failure) //nolint:errorlint // it is returned as it is
		if f == nil || f.problem != c.problem || f.said != c.said {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		st := w.state("siem")
		if st.Position != last || st.Sending != last+3 || st.Problem != c.problem || st.Said != c.said || st.FailedSince == nil {
			t.Errorf("%s: %+v", c.name, st)
		}
		if wait := w.streams.wait(1, err); map[string]time.Duration{"429": 120 * time.Second, "503": 90 * time.Second}[c.name] > wait || c.name == "500" && wait > time.Second {
			t.Errorf("%s: waits %s", c.name, wait)
		}
		w.record.add(2, w.clock.Now(), nil)
		w.webhook.set(nil)
		if err := w.drive("siem"); err != nil {
			t.Errorf("%s mended: %v", c.name, err)
		}
		if st := w.state("siem"); st.Problem != "" || st.FailedSince != nil || st.Position != last+5 {
			t.Errorf("%s mended: %+v", c.name, st)
		}
	}
	w.webhook.sound(t, int64(len(w.record.lines)))
}

// TestTooLarge: a batch that is too large is halved; an entry that is too large alone is not left out.
func TestTooLarge(t *testing.T) {
	w := newWorld(t)
	w.record.add(100, w.clock.Now(), nil)
	w.webhook.set(func(rw http.ResponseWriter, _ *http.Request, lines int) bool {
		if lines > 10 {
			rw.WriteHeader(http.StatusRequestEntityTooLarge)
		}
		return lines > 10
	})
	if err := w.drive("siem"); err != nil {
		t.Fatal(err)
	}
	w.webhook.sound(t, 100)
	w.webhook.set(answers(413))
	w.record.add(1, w.clock.Now(), nil)
	if err := w.drive("siem"); problemOf(err) != Refused || w.state("siem").Position != 100 {
		t.Errorf("one that is too large: %v", err)
	}
	w.webhook.set(nil)
	w.record.add(1, w.clock.Now(), func(l *export.Line) { l.Entry.Detail = map[string]any{"long": strings.Repeat("x", 4<<20)} })
	for range 20 { // of 100 kB each: more than a batch holds
		w.record.add(1, w.clock.Now(), func(l *export.Line) { l.Entry.Detail = map[string]any{"long": strings.Repeat("x", 100<<10)} })
	}
	if err := w.drive("siem"); err != nil {
		t.Fatal(err)
	}
	w.webhook.sound(t, 122)
	shortened := false
	for _, body := range w.webhook.bodies {
		if len(body) > maxBatch {
			t.Errorf("a batch of %d bytes", len(body))
		}
		shortened = shortened || strings.Contains(string(body), `"shortened":true`)
	}
	if !shortened {
		t.Error("the huge entry does not say that it was shortened")
	}
}

func TestAddresses(t *testing.T) {
	w := newWorld(t)
	w.record.add(1, w.clock.Now(), nil)
	w.change("siem", func(d *estate.Stream) { d.Private = false })
	if err := w.drive("siem"); problemOf(err) != BadAddress {
		t.Errorf("a loopback address that was not declared private: %v", err)
	}
	w.change("siem", func(d *estate.Stream) { d.Private, d.URL = true, "https://169.254.169.254/" })
	if err := w.drive("siem"); problemOf(err) != BadAddress {
		t.Errorf("the cloud's own address: %v", err)
	}
	w.change("siem", func(d *estate.Stream) { d.URL, d.TrustPEM = w.webhook.url(), nil })
	if err := w.drive("siem"); problemOf(err) != Untrusted {
		t.Errorf("an unknown authority: %v", err)
	}
	w.change("siem", func(d *estate.Stream) { d.URL, d.TrustPEM = "https://127.0.0.1:1/", w.webhook.trust })
	if err := w.drive("siem"); problemOf(err) != NoAnswer {
		t.Errorf("nobody there: %v", err)
	}
	if w.webhook.at() != 0 || w.state("siem").Position != 0 {
		t.Error("something was sent")
	}
}

func TestWaiting(t *testing.T) {
	s := Open(Deps{Backoff: time.Second})
	seen := map[time.Duration]bool{}
	for failures := 1; failures < 100; failures++ {
		d := s.wait(failures, &failure{problem: NoAnswer})
		if most := min(time.Second<<min(failures-1, 20), retryMost); d > most || d < most/2 {
			t.Errorf("after %d failures: %s", failures, d)
		}
		seen[d] = true
		if d := s.wait(failures, &failure{problem: Refused}); d > stoppedMost {
			t.Errorf("stopped: %s", d)
		}
	}
	if len(seen) < 50 {
		t.Error("the waiting does not vary")
	}
	if d := s.wait(1, &failure{problem: Throttled, wait: 365 * 24 * time.Hour}); d > longestWait {
		t.Errorf("a receiver had us wait for %s", d)
	}
}
