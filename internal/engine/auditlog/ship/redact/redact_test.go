package redact

import (
	"encoding/json"
	"strings"
	"testing"
)

func redactor(t testing.TB) *Redactor {
	t.Helper()
	r, err := New([]string{"applicant"}, []string{`BE\d{10}`}, []string{"s3cr3t-of-ours", "abc"})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestText(t *testing.T) {
	r := redactor(t)
	for in, want := range map[string]string{
		"mail to Éva.Dupont+x@example.co.uk sent":            "mail to [redacted] sent",
		"account BE71 0961 2345 6769 used":                   "account [redacted] used",
		"account BE71096123456769.":                          "account [redacted].",
		"account BE72 0961 2345 6769 has wrong check digits": "account BE72 0961 2345 6769 has wrong check digits",
		"card 4111 1111 1111 1111 ok":                        "card [redacted] ok",
		"order 4111 1111 1111 1112 ok":                       "order 4111 1111 1111 1112 ok",
		"took 1732730400123 ns":                              "took 1732730400123 ns",
		"postgres://app:hunter2@db:5432/x":                   "postgres://[redacted]db:5432/x",
		"Authorization: Bearer abcdefghijkl":                 "Authorization: [redacted]",
		`{"authorization":"Basic dXNlcjpwYXNz"}`:             `{"authorization":"[redacted]"}`,
		"used Bearer abc.def-ghi_jkl~mno":                    "used Bearer [redacted]",
		"jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0":  "jwt [redacted]",
		"key AKIAIOSFODNN7EXAMPLE":                           "key [redacted]",
		"GET /x?api_key=12345&y=1":                           "GET /x?api_key=[redacted]&y=1",
		`db_password: "two words" next`:                      `db_password: [redacted] next`,
		"password=hunter2":                                   "password=[redacted]",
		"the secretary said: hello":                          "the secretary said: hello",
		"holds s3cr3t-of-ours":                               "holds [redacted]",
		"abc is too short to be left out":                    "abc is too short to be left out",
		"company BE0123456789 is left out":                   "company [redacted] is left out",
		"garantcanaryabcdefghijklmnopabcdefghijklmnop garantproofabcdefghijklmnopabcdefghijklmnop": "garantcanaryabcdefghijklmnopabcdefghijklmnop garantproofabcdefghijklmnopabcdefghijklmnop",
		"-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY----- after":                       "[redacted] after",
		// JSON within a text, as loggers of key and value write it.
		`msg=in body="{\"password\":\"hunter2\",\"n\":1}"`:                                     `msg=in body="{\"password\":[redacted],\"n\":1}"`,
		`body="{\"authorization\":\"opaque-1\"}"`:                                              `body="{\"authorization\":\"[redacted]\"}"`,
		`x "{\\\"api_key\\\": \\\"two words\\\", \\\"n\\\":1}" y`:                              `x "{\\\"api_key\\\": [redacted], \\\"n\\\":1}" y`,
		`INFO {"accessToken":"opaque","dbPassword":"hunter2"}`:                                 `INFO {"accessToken":[redacted],"dbPassword":[redacted]}`,
		`x {"password":"ab\"cd","n":1}`:                                                        `x {"password":[redacted],"n":1}`,
		"userPassword=hunter2&y=1":                                                             "userPassword=[redacted]&y=1",
		"-----BEGIN PGP PRIVATE KEY BLOCK-----\nlQ\n-----END PGP PRIVATE KEY BLOCK----- after": "[redacted] after",
		"": "",
	} {
		if got := r.Text(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
		if again := r.Text(r.Text(in)); again != r.Text(in) {
			t.Errorf("%q: once more gives %q", in, again)
		}
	}
}

func TestDocument(t *testing.T) {
	var doc map[string]any
	decoder := json.NewDecoder(strings.NewReader(`{"message":"to a@b.example","user.email":"x","DB-Password":5,"nested":{"apiKey":["a"],"list":["a@b.example",{"token":"t"}],"n":4111111111111111},
		"a@b.example":1,"applicant":{"name":"Une"},"http.request.headers":{"Cookie":"s"},"tokenizer":"standard","pin":1234,"spinning":true,"empty_password":null,"took":12.5}`))
	decoder.UseNumber()
	if err := decoder.Decode(&doc); err != nil {
		t.Fatal(err)
	}
	redactor(t).Document(doc)
	got, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"DB-Password":"[redacted]","[redacted]":1,"applicant":"[redacted]","empty_password":null,"http.request.headers":{"Cookie":"[redacted]"},"message":"to [redacted]","nested":{"apiKey":"[redacted]","list":["[redacted]",{"token":"[redacted]"}],"n":"[redacted]"},"pin":"[redacted]","spinning":true,"tokenizer":"standard","took":12.5,"user.email":"[redacted]"}`
	if string(got) != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

// Names that end with what is kept back, however they are put together.
func TestNamed(t *testing.T) {
	r := redactor(t)
	for _, name := range []string{"auth_token", "X-Auth-Token", "apiToken", "session_token", "accessToken", "id_token", "db_pwd", "token", "http.request.headers.x-csrf-token"} {
		if !r.Named(name) {
			t.Errorf("%s passes", name)
		}
	}
	for _, name := range []string{"tokenizer", "max_tokens", "token_type", "pwd_changed_at"} {
		if r.Named(name) {
			t.Errorf("%s is left out", name)
		}
	}
}

// A private key that somebody printed stands over many lines, and none of its lines is kept.
func TestBlock(t *testing.T) {
	const a, b = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj", "x1Y="
	lines := []string{
		"config: ok", "-----BEGIN RSA PRIVATE KEY-----", "Proc-Type: 4,ENCRYPTED", a, "app | " + a, `{"message":"` + a + `"}`, "another line in between", b, "-----END RSA PRIVATE KEY----- done",
		a, "two -----BEGIN PRIVATE KEY----- -----END PRIVATE KEY----- in one", a,
	}
	want := []string{
		"config: ok", "[redacted]", "Proc-Type: 4,ENCRYPTED", "[redacted]", "app | [redacted]", `{"message":"[redacted]"}`, "another line in between", "[redacted]", "[redacted] done",
		a, "two [redacted] in one", a,
	}
	r := redactor(t)
	var keys Block
	for i, l := range lines {
		if got := r.Text(string(keys.Line([]byte(l)))); got != want[i] {
			t.Errorf("line %d: %q, want %q", i, got, want[i])
		}
	}
	keys.Line([]byte("-----BEGIN PRIVATE KEY-----"))
	for range longestKey {
		keys.Line([]byte("no end in sight"))
	}
	if got := string(keys.Line([]byte(a))); got != a {
		t.Errorf("a key without an end goes on for ever: %q", got)
	}
}

func TestDeep(t *testing.T) {
	var v any = "a@b.example"
	for range 1000 {
		v = map[string]any{"x": v}
	}
	doc := v.(map[string]any)
	redactor(t).Document(doc)
	if text, _ := json.Marshal(doc); strings.Contains(string(text), "@") {
		t.Error("what is deep passes")
	}
}

func TestBadPattern(t *testing.T) {
	if _, err := New(nil, []string{"("}, nil); err == nil {
		t.Error("a pattern that is none is taken")
	}
}

// FuzzText: whatever a line holds, an address in it does not pass, and nothing panics.
func FuzzText(f *testing.F) {
	f.Add("password=x token: y", "z")
	f.Fuzz(func(t *testing.T, before, after string) {
		r := redactor(t)
		if got := r.Text(before + " une.personne@ardoise.example " + after); strings.Contains(got, "une.personne@ardoise") {
			t.Errorf("%q", got)
		}
	})
}

// TestHints: what a form may be in is never told too narrowly.
func TestHints(t *testing.T) {
	for _, s := range []string{
		"-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", "AUTHORIZATION: x", "BEARER abcdefghijkl", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0", "ASIAIOSFODNN7EXAMPLE",
		"ghp_0123456789abcdef", "sk-0123456789abcdef", "github_pat_0123456789abcdef", "ftp://u:p@h", "API-KEY=1", "Session_ID: 1", "PWD=x", "set-cookie: a", "access_key=1",
		"a%40b.example", "BE71096123456769", "4111-1111-1111-1111", "4111111111111111",
	} {
		if got := redactor(t).Text("x " + s + " y"); !strings.Contains(got, Mark) {
			t.Errorf("%q passes", s)
		}
	}
}

func BenchmarkText(b *testing.B) {
	r := redactor(b)
	line := `GET /api/v1/applications/4711?page=2 took 12.5 ms for tenant 0198c2c1-6d3f-7aa0-8c11-1f0e5c8a2b01 ` + strings.Repeat("more words ", 15)
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		r.Text(line)
	}
}
