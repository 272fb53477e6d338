package ship

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/engine/auditlog/ship/redact"
)

func TestDocument(t *testing.T) {
	red, err := redact.New(nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	from := origin{dataset: "app", host: "h1", file: "/var/log/app.log"}
	const rest = `"event.dataset":"app","host.name":"h1","log.file.path":"/var/log/app.log"`
	for line, want := range map[string]string{
		`plain text`:               `{"@timestamp":"2026-11-27T12:00:00Z",` + rest + `,"message":"plain text","service.name":"app"}`,
		"\xff bytes":               `{"@timestamp":"2026-11-27T12:00:00Z",` + rest + `,"message":"� bytes","service.name":"app"}`,
		`{"message":"a"} and more`: `{"@timestamp":"2026-11-27T12:00:00Z",` + rest + `,"message":"{\"message\":\"a\"} and more","service.name":"app"}`,
		`{"broken":`:               `{"@timestamp":"2026-11-27T12:00:00Z",` + rest + `,"message":"{\"broken\":","service.name":"app"}`,
		`[1]`:                      `{"@timestamp":"2026-11-27T12:00:00Z",` + rest + `,"message":"[1]","service.name":"app"}`,
		`{"msg":"m","level":"info","time":"2026-11-27T10:00:00.5+01:00","n":12345678901234567890}`: `{"@timestamp":"2026-11-27T10:00:00.5+01:00",` + rest + `,"log.level":"info","message":"m","n":12345678901234567890,"service.name":"app"}`,
		`{"message":"m","msg":"other","@timestamp":"yesterday"}`:                                   `{"@timestamp":"2026-11-27T12:00:00Z","event.dataset":"app","event.original":"yesterday","host.name":"h1","log.file.path":"/var/log/app.log","message":"m","msg":"other","service.name":"app"}`,
		`{"message":"m","service":{"name":"s"},"host":"h2","log":{"level":"warn"},"level":"info"}`: `{"@timestamp":"2026-11-27T12:00:00Z","event.dataset":"app","host":"h2","level":"info","log":{"level":"warn"},"log.file.path":"/var/log/app.log","message":"m","service":{"name":"s"}}`,
	} {
		if got := string(document([]byte(line), false, now, from, red)); got != want {
			t.Errorf("%s:\n got %s\nwant %s", line, got, want)
		}
	}
	if got := document([]byte("x"), true, now, origin{dataset: "own"}, red); !strings.Contains(string(got), `"log.flags":"truncated"`) || strings.Contains(string(got), "host.name") {
		t.Errorf("%s", got)
	}
}

// FuzzDocument: whatever stands in a log, the document is one JSON object on one line, with a time and a message or the fields that it had.
func FuzzDocument(f *testing.F) {
	f.Add([]byte(`{"a":1e999,"time":5}`))
	f.Add([]byte("{\"a\":{\"a\":[{}]},\"a.b\":null}"))
	red, err := redact.New(nil, nil, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		got := document(line, false, time.Unix(0, 0), origin{dataset: "d"}, red)
		var doc map[string]any
		if strings.ContainsAny(string(got), "\n\r") || json.Unmarshal(got, &doc) != nil && !strings.Contains(string(line), "e") {
			t.Fatalf("%q", got)
		}
		if !json.Valid(got) {
			t.Fatalf("%q", got)
		}
		if _, ok := object(line); !ok && doc["@timestamp"] == nil {
			t.Fatalf("%q", got)
		}
	})
}

// TestCanary: the words are new each time, alone in what they are made of, and pass by every redaction.
func TestCanary(t *testing.T) {
	red, err := redact.New(nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for range 2000 {
		c := newCanary()
		if red.Text(c.line()) != c.line() {
			t.Fatalf("%s does not pass", c.line())
		}
		if seen[c.first] || seen[c.second] || strings.Trim(c.first+c.second, "abcdefghijklmnopqrstuvwxyz") != "" || len(c.first) != len("garantcanary")+32 {
			t.Fatalf("%+v", c)
		}
		seen[c.first], seen[c.second] = true, true
	}
}
