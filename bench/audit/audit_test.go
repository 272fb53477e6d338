package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

// Every part measures, what it measured is sound (parts fail where it is not), and every goal is named.
func TestEveryPartMeasures(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	o := defaults()
	o.rounds, o.time, o.writers, o.entries = 2, 150*time.Millisecond, []int{2}, 5_000
	o.settings["fsync"], o.settings["full_page_writes"] = "off", "off" // this measures nothing
	o.rate, o.load, o.rows, o.searches, o.leaves, o.proofs, o.pairs = 50, time.Second, 20_000, 10, 70_000, 10, 4
	o.json, o.profile = true, t.TempDir()
	var out, said strings.Builder
	if err := run(t.Context(), &out, &said, o); err != nil {
		t.Fatalf("%v\n%s", err, said.String())
	}
	var figures []figure
	if err := json.Unmarshal([]byte(out.String()), &figures); err != nil {
		t.Fatal(err)
	}
	goals := map[string]int{}
	for _, f := range figures {
		if f.Value <= 0 || f.Unit == "" || f.Load == "" {
			t.Errorf("%+v is no figure", f)
		}
		if f.Held != nil {
			goals[f.Part+" "+f.Goal]++
		}
	}
	for _, want := range []string{"write ≥ 0.85×", "write ≥ 8×", "batch ≥ 50,000/s", "lag ≤ 400 ms", "lag ≤ 5 s", "verify ≥ 200,000/s", "verify ≥ 100,000/s", "search ≤ 200 ms", "proof ≤ 5 ms", "capture ≤ 1.3×"} {
		if goals[want] == 0 {
			t.Errorf("the goal %q is missing from %v", want, goals)
		}
	}
	if t.Failed() {
		t.Log(said.String())
	}
}

func TestFigures(t *testing.T) {
	f := figure{What: "w", Value: 12345.6, Unit: "/s", Reference: "r", Of: 2, Ratio: 1.005}
	if got, want := f.atLeast(0.85, 0.85, "0.85×").line(), "w  12,346 /s  r: 2.00 /s  1.00×  held ≥ 0.85×"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if *f.atLeast(0.849, 0.85, "").Held || *f.atMost(5.01, 5, "").Held || !*f.atMost(5, 5, "").Held {
		t.Error("a goal is held up to itself and no further")
	}
	if got := middle([]float64{5, 1, 3, 100}); got != 4 {
		t.Errorf("the middle is %v", got)
	}
	if got := at(0.99, []time.Duration{3, 2, 1}); got != 3e-6 {
		t.Errorf("the last of three is %v", got)
	}
	if got := at(0.5, []time.Duration{1e6, 2e6, 3e6, 4e6}); got != 2 {
		t.Errorf("the middle of four is %v", got)
	}
	if !slices.Equal(turns(3, 0), []int{0, 1, 2}) || !slices.Equal(turns(3, 1), []int{2, 1, 0}) {
		t.Error("arms do not take turns")
	}
	if list := []seen{{time.Unix(1, 0), 5}, {time.Unix(2, 0), 9}}; firstWith(list, 5).at != time.Unix(1, 0) || firstWith(list, 6).at != time.Unix(2, 0) || firstWith(list, 10) != nil {
		t.Error("a leaf is seen when everything up to it is")
	}
}
