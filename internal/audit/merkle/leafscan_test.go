package merkle

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/audit/leaf"
)

func full() leaf.Entry {
	at := time.Date(2026, 11, 27, 18, 0, 0, 1000, time.UTC)
	return leaf.Entry{ID: 7, At: at, MAC: []byte{1, 2}, Said: leaf.Said{
		ActorKind: "person", ActorID: "p\"1\\", Session: "s\x01", Origin: "o", Tenant: "t", Action: "a.b", Outcome: "permitted", ObjectKind: "k", ObjectID: "", Reason: "é\n\u2028", Request: "r",
		Detail: []byte(" {\"a\": [\"}\\\"\", {}], \"b\": 1e3}\n"), Subject: "s", Promise: []byte{3}, Occurred: at, Written: at, Writer: "w", N: 9,
	}}
}

func TestALeafIsReadAsItIsWritten(t *testing.T) {
	entries := []leaf.Entry{full(), {}, {ID: 1, Said: leaf.Said{Detail: []byte("null")}}, {ID: 1, Said: leaf.Said{Detail: []byte(`"x"`)}}}
	long := full()
	long.Said.Detail = []byte(`{"x":"` + strings.Repeat("x", leaf.MaxDetail) + `"}`)
	for _, e := range append(entries, long) {
		text := e.Append(nil)
		l, ok := parseLeaf(text)
		if !ok || l.id != e.ID || !l.at.Equal(e.At) || l.tenant != e.Said.Tenant || !bytes.Equal(l.promise, e.Said.Promise) || (l.digest != "") != (len(e.Said.Detail) > leaf.MaxDetail) {
			t.Errorf("%.300s\n%+v %v", text, l, ok)
		}
	}
	e := full()
	text := string(e.Append(nil))
	for _, c := range [][2]string{
		{`"v":1`, `"v":2`}, {`"v":1`, `"v": 1`}, {`"id":7`, `"id":07`}, {`"id":7`, `"id":-7`}, {`"id":7`, `"id":7,"id":7`}, {`.000001Z`, `.00001Z`}, {`Z"`, `+00:00"`}, {`"session"`, `"Session"`},
		{`\u0001`, `\u0041`}, {`\u0001`, `\t`}, {`\\`, `\/`}, {`"tenant":"t"`, `"tenant":""`}, {`"promise":"Aw=="`, `"promise":"Ax=="`}, {`"promise":"Aw=="`, `"promise":""`}, {`,"n":9`, ``},
		{`"detail": {`, `"detail":{}, {`}, {` {"a": ["}\"", {}], "b": 1e3}` + "\n", `{}`}, {`1e3`, `1e`}, {`"mac"`, `"more"`}, {`"kind":"k"`, `"kind":"k","kind":"k"`},
	} {
		bad := strings.Replace(text, c[0], c[1], 1)
		if bad == text {
			t.Errorf("there is no %s in %s", c[0], text)
		}
		if _, ok := parseLeaf([]byte(bad)); ok {
			t.Errorf("taken: %s", bad)
		}
	}
	for n := range len(text) {
		if _, ok := parseLeaf([]byte(text[:n])); ok {
			t.Errorf("taken: %s", text[:n])
		}
	}
	if _, ok := parseLeaf([]byte(text + " ")); ok {
		t.Error("with more behind it")
	}
}

// Whatever is taken is a leaf that a reader of JSON understands in the same way, and the only way to write that.
func FuzzParseLeaf(f *testing.F) {
	e := full()
	f.Add(e.Append(nil))
	f.Add((&leaf.Entry{}).Append(nil))
	f.Fuzz(func(t *testing.T, text []byte) {
		if !json.Valid(text) {
			if _, ok := parseLeaf(text); ok && bytes.Equal(bytes.ToValidUTF8(text, nil), text) {
				t.Fatalf("no JSON: %q", text)
			}
			return
		}
		l, ok := parseLeaf(text)
		if !ok || !bytes.Equal(bytes.ToValidUTF8(text, nil), text) {
			return
		}
		var p leaf.Parsed
		if err := json.Unmarshal(text, &p); err != nil {
			t.Fatalf("%v: %q", err, text)
		}
		s := &p.Said
		again := leaf.Entry{ID: p.ID, At: p.At, MAC: p.MAC, Said: leaf.Said{
			ActorKind: s.By.Kind, ActorID: s.By.ID, Session: s.By.Session, Origin: s.By.Origin, Tenant: s.Tenant, Action: s.Action, Outcome: s.Outcome, ObjectKind: s.Object.Kind, ObjectID: s.Object.ID,
			Reason: s.Reason, Request: s.Request, Detail: s.Detail, Subject: s.Subject, Promise: s.Promise, Occurred: s.Occurred, Written: s.Written, Writer: s.Writer, N: s.N,
		}}
		if l.id != p.ID || !bytes.Equal(l.promise, s.Promise) {
			t.Fatalf("read otherwise: %q", text)
		}
		if l.digest == "" && bytes.Equal(bytes.TrimSpace(s.Detail), s.Detail) {
			space := bytes.Contains(text, append([]byte(`"detail":`), s.Detail...)) // white space around it is not given back by the reader
			if got := again.Append(nil); space && !bytes.Equal(got, text) && len(got) == len(text) {
				t.Fatalf("another way to write it:\n%q\n%q", text, got)
			}
		}
	})
}

// A time is read as time.Parse reads it in the one form, and what the form does not have is none.
func TestParseTime(t *testing.T) {
	const form = "2006-01-02T15:04:05.000000Z"
	for _, text := range []string{
		"2026-11-27T09:08:07.000006Z", "2024-02-29T23:59:59.999999Z", "0000-01-01T00:00:00.000000Z", "9999-12-31T00:00:00.000000Z", "0001-01-01T00:00:00.000000Z",
		"2026-02-29T00:00:00.000000Z", "2026-13-01T00:00:00.000000Z", "2026-00-01T00:00:00.000000Z", "2026-01-00T00:00:00.000000Z", "2026-01-01T24:00:00.000000Z", "2026-01-01T00:60:00.000000Z", "2026-01-01T00:00:60.000000Z",
		"2026-01-01t00:00:00.000000Z", "2026-01-01T00:00:00.00000Z", "2026-01-01T00:00:00.0000000Z", "2026-01-01T00:00:00.000000z", "2026-01-01T00:00:00+00000000", "+026-01-01T00:00:00.000000Z", "2026-01-01T00:00:00.00000 Z", "",
	} {
		want, err := time.Parse(form, text)
		ok := err == nil && len(text) == len(form)
		if got, is := parseTime([]byte(text)); is != ok || ok && !got.Equal(want) {
			t.Errorf("%q is %v, %v; want %v, %v", text, got, is, want, err)
		}
	}
}
