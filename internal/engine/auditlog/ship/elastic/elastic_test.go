package elastic

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/engine/auditlog/ship/shiptest"
)

func client(t testing.TB, o Options) *Client {
	t.Helper()
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func docs(bodies ...string) []Doc {
	var list []Doc
	for i, b := range bodies {
		list = append(list, Doc{ID: fmt.Sprint("d", i), Body: []byte(b)})
	}
	return list
}

func TestBulkAndSearch(t *testing.T) {
	s := shiptest.Start(t)
	s.Read, s.Write = "Basic cmVhZGVyOmh1bnRlcjI=", "ApiKey a2V5"
	writer, reader := client(t, Options{URL: s.URL + "/", APIKey: "a2V5"}), client(t, Options{URL: s.URL, User: "reader", Password: "hunter2"})
	results, err := writer.Bulk(t.Context(), "logs-a", docs(`{"message":"one word","n":1}`, `{"message":"two words","n":"text"}`, `{"message":"three"}`))
	if err != nil || results[0] != (Result{Kept, ""}) || results[1] != (Result{Never, "document_parsing_exception"}) || results[2].Fate != Kept {
		t.Fatalf("%+v %v", results, err)
	}
	results, err = writer.Bulk(t.Context(), "logs-a", docs(`{"message":"one word","n":1}`)) // again
	if err != nil || results[0].Fate != Kept {
		t.Fatalf("%+v %v", results, err)
	}
	for _, index := range []string{"logs-*", "logs-a", "logs-a,other-*"} {
		a, err := reader.Search(t.Context(), index, "message", "one word")
		if err != nil || !a.Whole || len(a.Found) != 1 || a.Found[0] != "one word" || a.More {
			t.Fatalf("%s: %+v %v", index, a, err)
		}
	}
	if a, err := reader.Search(t.Context(), "logs-*", "message", "word one"); err != nil || len(a.Found) != 0 {
		t.Errorf("%+v %v", a, err)
	}
	if p := reader.Product(t.Context()); p != "OpenSearch" {
		t.Errorf("product %q", p)
	}
	for what, err := range map[Reason]error{
		NoIndex: func() error { _, err := reader.Search(t.Context(), "none-*", "message", "x"); return err }(),
		Denied:  func() error { _, err := writer.Search(t.Context(), "logs-*", "message", "x"); return err }(),
	} {
		if Why(err).Reason != what {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := reader.Bulk(t.Context(), "logs-a", docs(`{}`)); Why(err).Reason != Denied {
		t.Error(err)
	}
	if p := writer.Product(t.Context()); p != "" {
		t.Errorf("product %q for a login that may not ask", p)
	}
}

// TestFates: by status and kind of each document.
func TestFates(t *testing.T) {
	for _, c := range []struct {
		status int
		kind   string
		want   Fate
	}{
		{201, "", Kept}, {200, "", Kept}, {409, "version_conflict_engine_exception", Kept}, {429, "es_rejected_execution_exception", Again}, {503, "unavailable_shards_exception", Again}, {500, "x", Again},
		{400, "mapper_parsing_exception", Never}, {400, "strict_dynamic_mapping_exception", Never}, {413, "x", Never}, {400, "index_closed_exception", Blocked}, {403, "cluster_block_exception", Blocked},
		{403, "security_exception", Blocked}, {404, "index_not_found_exception", Blocked}, {401, "", Blocked}, {0, "", Again}, {302, "", Again},
	} {
		if got := fate(c.status, c.kind); got != c.want {
			t.Errorf("%d %s: %d, want %d", c.status, c.kind, got, c.want)
		}
	}
	for in, want := range map[string]string{"mapper_parsing_exception": "mapper_parsing_exception", "": "", "Une Personne": "other", strings.Repeat("a", 61): "other"} {
		if got := word(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

// TestAnswers: whatever a server says, it is understood or refused, and never repeated.
func TestAnswers(t *testing.T) {
	const secret = "stands-in-the-answer"
	for _, c := range []struct {
		status       int
		header, body string
		bulk, search Reason // empty: understood
		after        time.Duration
	}{
		{200, "", `{"errors":false,"items":[{"create":{"_id":"d0","status":201}}]}`, "", Unreadable, 0},
		{200, "", `{"errors":false,"items":[{"index":{"_id":"d0","status":201}}]}`, Unreadable, Unreadable, 0},
		{200, "", `{"errors":false,"items":[{"create":{"_id":"other","status":201}}]}`, Unreadable, Unreadable, 0},
		{200, "", `{"errors":false,"items":[{"create":{"_id":"d0","status":201,"error":{"type":"x"}}}]}`, Unreadable, Unreadable, 0},
		{200, "", `{"errors":true,"items":[{"create":{"_id":"d0","status":400}}]}`, Unreadable, Unreadable, 0},
		{200, "", `{"errors":false,"items":[]}`, Unreadable, Unreadable, 0},
		{200, "", `{"timed_out":false,"_shards":{"total":1,"successful":1},"hits":{"hits":[]}}`, Unreadable, "", 0},
		{200, "", `{"timed_out":false,"_shards":{"total":0,"successful":0},"hits":{"hits":[]}}`, Unreadable, Unreadable, 0},
		{200, "", `{"timed_out":false,"_shards":{"total":1,"successful":2},"hits":{"hits":[]}}`, Unreadable, Unreadable, 0},
		{200, "", secret, Unreadable, Unreadable, 0},
		{200, "", `{"items":"` + secret + `"}`, Unreadable, Unreadable, 0},
		{200, "", "", Unreadable, Unreadable, 0},
		{204, "", "", Refused, Refused, 0},
		{201, "", `{}`, Refused, Refused, 0},
		{302, "Location: http://127.0.0.1:1/", secret, Redirected, Redirected, 0},
		{302, "Location: ftp://" + secret, "", Redirected, Redirected, 0},
		{401, "", secret, Denied, Denied, 0}, {403, "", secret, Denied, Denied, 0}, {404, "", secret, NoIndex, NoIndex, 0}, {413, "", secret, TooLarge, TooLarge, 0},
		{429, "Retry-After: 7", secret, Busy, Busy, 7 * time.Second}, {503, "Retry-After: 999999", secret, Busy, Busy, time.Minute}, {502, "Retry-After: " + secret, "", Busy, Busy, 0},
		{400, "", secret, Refused, Refused, 0}, {500, "", secret, Refused, Refused, 0},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if name, value, ok := strings.Cut(c.header, ": "); ok {
				w.Header().Set(name, value)
			}
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.body)
		}))
		o := client(t, Options{URL: s.URL})
		_, bulk := o.Bulk(t.Context(), "logs", docs("{}"))
		_, search := o.Search(t.Context(), "logs", "message", "x")
		s.Close()
		for what, one := range map[string]struct {
			err  error
			want Reason
		}{"bulk": {bulk, c.bulk}, "search": {search, c.search}} {
			switch {
			case one.want == "" && one.err == nil:
			case one.err == nil || Why(one.err).Reason != one.want:
				t.Errorf("%s of %d %s: %v, want %q", what, c.status, c.body, one.err, one.want)
			case strings.Contains(one.err.Error(), secret):
				t.Errorf("%s of %d: repeated: %v", what, c.status, one.err)
			case Why(one.err).After != c.after:
				t.Errorf("%s of %d: wait %s", what, c.status, Why(one.err).After)
			}
		}
	}
}

func TestUnreachable(t *testing.T) {
	hangs := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/large/") {
			for range 100 {
				_, _ = w.Write(make([]byte, 1<<20))
			}
			return
		}
		<-hangs
	}))
	defer s.Close()
	defer close(hangs)
	stranger := httptest.NewTLSServer(nil)
	defer stranger.Close()
	stranger.Config.ErrorLog = nil
	for address, want := range map[string]Reason{s.URL: NoAnswer, s.URL + "/large": Unreadable, "http://127.0.0.1:1": NoAnswer, stranger.URL: Untrusted, "http://169.254.169.254": BadAddress, "not an address": BadAddress} {
		began := time.Now()
		_, err := client(t, Options{URL: address, Timeout: 300 * time.Millisecond}).Search(t.Context(), "logs", "message", "x")
		if err == nil || Why(err).Reason != want && !(strings.HasSuffix(address, "/large") && Why(err).Reason == NoAnswer) || time.Since(began) > 3*time.Second {
			t.Errorf("%s: %v, want %s", address, err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := client(t, Options{URL: s.URL}).Search(ctx, "logs", "message", "x"); Why(err).Reason != NoAnswer {
		t.Error(err)
	}
	for _, o := range []Options{{URL: s.URL, APIKey: "a\nb"}, {URL: s.URL, User: "a:b", Password: "c"}} {
		if _, err := New(o); Why(err).Reason != BadAddress {
			t.Error(err)
		}
	}
	if Why(errors.New("x")).Reason != NoAnswer {
		t.Error("another error")
	}
}

// TestMember finds a field however the document writes its name.
func TestMember(t *testing.T) {
	for source, want := range map[string]string{
		`{"a":{"b":{"c":"x"}}}`: "x", `{"a.b.c":"x"}`: "x", `{"a.b":{"c":"x"}}`: "x", `{"a":{"b.c":["x","y"]}}`: "x\ny", `{"a":"x"}`: "", `{"a":{"b":{"c":5}}}`: "", `x`: "", `null`: "",
	} {
		if got := texts([]byte(source), nil, "a.b.c"); got != want {
			t.Errorf("%s: %q", source, got)
		}
	}
	if got := texts(nil, []byte(`{"a.b.c":["x"]}`), "a.b.c"); got != "x" {
		t.Errorf("%q", got)
	}
}

// TestStrictServer: the server of the tests refuses what the products refuse, so that what passes there is well formed.
func TestStrictServer(t *testing.T) {
	s := shiptest.Start(t)
	post := func(path, kind, body string) int {
		t.Helper()
		r, err := http.Post(s.URL+path, kind, strings.NewReader(body)) //nolint:noctx // loopback
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		return r.StatusCode
	}
	const good = "{\"create\":{\"_id\":\"1\"}}\n{\"a\":1}\n"
	if got := post("/logs/_bulk", "application/x-ndjson", good); got != 200 {
		t.Errorf("a good request: %d", got)
	}
	for _, c := range [][3]string{
		{"/logs/_bulk", "text/plain", good}, {"/logs/_bulk", "application/x-ndjson", strings.TrimSuffix(good, "\n")}, {"/logs/_bulk", "application/x-ndjson", ""}, {"/logs/_bulk", "application/x-ndjson", good + "\n"},
		{"/logs/_bulk", "application/x-ndjson", "{\"create\":{}}\n{}\n"}, {"/logs/_bulk", "application/x-ndjson", "{\"create\":{\"_id\":\"1\"}}\n{\n"}, {"/logs/_bulk", "application/x-ndjson", "{\"make\":{\"_id\":\"1\"}}\n{}\n"},
		{"/logs-*/_bulk", "application/x-ndjson", good}, {"/logs/_search", "application/json", `{"query":{"match_all":{}}}`}, {"/logs/_search", "text/plain", `{"query":{"match_phrase":{"a":"b"}}}`}, {"/logs/_mapping", "application/json", `{}`},
	} {
		if got := post(c[0], c[1], c[2]); got != 400 {
			t.Errorf("%q: %d", c, got)
		}
	}
	if n := len(s.Wrong()); n != 11 {
		t.Errorf("%d requests were told to be wrong", n)
	}
	r, err := http.Get(s.URL + "/logs/_count") //nolint:noctx // loopback
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if body, _ := io.ReadAll(r.Body); !strings.Contains(string(body), `"count":1`) {
		t.Errorf("%s", body)
	}
}
