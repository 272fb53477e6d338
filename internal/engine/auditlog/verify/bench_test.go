package verify_test

import (
	"testing"
)

// BenchmarkVerify says how many entries a second are verified against the second account.
func BenchmarkVerify(b *testing.B) {
	w := newWorld(b)
	for range 20 {
		w.write(5000)
	}
	w.drain()
	w.copy()
	w.exec("ANALYZE")
	o := w.options()
	alone := o
	alone.Bucket = nil
	b.ResetTimer()
	for b.Loop() {
		r := w.verify(o)
		d := w.verify(alone)
		b.ReportMetric(float64(r.Entries)/r.Took.Seconds(), "entries/s")
		b.ReportMetric(float64(d.Entries)/d.Took.Seconds(), "alone/s")
	}
}
