package transform

import (
	"syscall"
	"testing"

	"github.com/garant-project/garant/internal/engine/anonymise/personal"
)

// BenchmarkTransformers tells what a value costs; cpu-ns/op is what remains to be believed on a machine that others use too.
func BenchmarkTransformers(b *testing.B) {
	paths := map[string]any{"paths": map[string]any{"id": "rekey", "mail": "email", "n": "keep"}}
	for _, c := range []struct {
		name  string
		args  map[string]any
		typ   string
		value string
	}{
		{"given_name", nil, "text", "Élodie"}, {"family_name", nil, "text", "Dupont"}, {"full_name", nil, "text", "Élodie Dupont"}, {"email", nil, "text", "elodie.dupont@firm.be"}, {"username", nil, "text", "edupont"},
		{"phone", nil, "text", "+32 470 12 34 56"}, {"phone", map[string]any{"unique": true}, "text", "+32 470 12 34 56"}, {"iban", nil, "text", "BE68 5390 0754 7034"}, {"card", nil, "text", "4539148803436467"},
		{"national_number", nil, "text", "85.07.30-033.28"}, {"address", nil, "text", "rue de la Gare 12"}, {"town", nil, "text", "Namur"}, {"ip", nil, "inet", "81.242.1.2"}, {"device", nil, "uuid", "018f3c4e-7d1a-7b3c-8a4d-0123456789ab"},
		{"url", nil, "text", "https://firm.be/users/12/face.png"}, {"date_shift", nil, "date", "1985-07-30"}, {"date_shift", nil, "timestamp with time zone", "2024-07-30 12:34:56.789+02"}, {"generalise", nil, "date", "1985-07-30"},
		{"suppress", nil, "text", "x"}, {"hash", nil, "text", "AB-12345"}, {"rekey", nil, "bigint", "123456"}, {"rekey", nil, "uuid", "018f3c4e-7d1a-7b3c-8a4d-0123456789ab"}, {"keep", nil, "text", "x"},
		{"free_text", nil, "text", "Le client Martin a rappelé deux fois hier au sujet de son dossier, puis tout est rentré dans l’ordre."},
		{"json", paths, "jsonb", `{"id": 12, "n": 1, "mail": "elodie.dupont@firm.be"}`}, {"given_name", nil, "text[]", "{Élodie,Éric}"},
	} {
		b.Run(c.name+"/"+c.typ, func(b *testing.B) {
			e := env()
			if c.name == "free_text" {
				e.Taken = nobody{}
			}
			tr := must(b, c.name, c.args, Column{Name: "t.c", Type: c.typ}, e)
			var out []byte
			var err error
			value, row := []byte(c.value), Row{Subject: []byte("42")}
			b.ReportAllocs()
			before := cpu()
			for b.Loop() {
				if out, err = tr.Append(out[:0], value, row); err != nil && err != ErrNull { //nolint:errorlint // what it costs is measured
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op")
		})
	}
}

// nobody is a source that holds nothing.
type nobody struct{}

func (nobody) Taken(personal.Kind, []byte) bool { return false }

// cpu is what the process has used, in nanoseconds.
func cpu() int64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return u.Utime.Nano() + u.Stime.Nano()
}
