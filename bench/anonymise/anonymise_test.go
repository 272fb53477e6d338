package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// The test binary is its own arm, as the program is.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "arm" {
		var j job
		err := json.NewDecoder(os.Stdin).Decode(&j)
		if err == nil {
			err = j.run(context.Background(), os.Stdout)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// Each arm makes its copy, garant's with all proofs passes, and every goal is named.
func TestEveryArmRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := run(t.Context(), &out, options{rows: 9000, rounds: 1, arms: strings.Join(allArms, ","), self: []string{self, "arm"}}); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, want := range []string{"\nfloor ", "\nbare ", "\nfull ", "\ndump ", "bare, wall to floor", "full, MiB resident", "data: 9000 rows"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing from\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "not proven") {
		t.Errorf("the full copy is not proven:\n%s", out.String())
	}
}

func TestPlanOfManyTables(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	var out strings.Builder
	if err := run(t.Context(), &out, options{tables: 20}); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if !strings.Contains(out.String(), "plan of 20 tables") {
		t.Error(out.String())
	}
}

func TestRatiosAreTakenInTheSameRound(t *testing.T) {
	of := func(seconds ...int) (all []*figures) {
		for _, s := range seconds {
			all = append(all, &figures{wall: time.Duration(s) * time.Second})
		}
		return all
	}
	if got := ratio(of(20, 90, 44), of(10, 30, 20), wall); got != 2.2 {
		t.Errorf("the median of 2, 3 and 2.2 is %v", got)
	}
	if mark(1.25, 1.25) != "held" || mark(1.251, 1.25) != "MISSED" {
		t.Error("a goal is held up to itself and no further")
	}
}
