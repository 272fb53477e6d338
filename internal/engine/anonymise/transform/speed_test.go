package transform

import "testing"

// BenchmarkTransformers tells what a value costs.
func BenchmarkTransformers(b *testing.B) {
	for _, c := range []struct {
		name  string
		args  map[string]any
		typ   string
		value string
	}{
		{"given_name", nil, "text", "Élodie"}, {"family_name", nil, "text", "Dupont"}, {"full_name", nil, "text", "Élodie Dupont"},
		{"email", nil, "text", "elodie.dupont@firm.be"}, {"username", nil, "text", "edupont"}, {"phone", nil, "text", "+32 470 12 34 56"},
	} {
		b.Run(c.name, func(b *testing.B) {
			tr := must(b, c.name, c.args, Column{Name: "t.c", Type: c.typ}, env())
			var out []byte
			var err error
			value := []byte(c.value)
			b.ReportAllocs()
			for b.Loop() {
				if out, err = tr.Append(out[:0], value, Row{Subject: []byte("42")}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
