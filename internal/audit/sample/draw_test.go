package sample

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/big"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/garant-project/garant/internal/errs"
)

// listOf is a population in memory, given out in small batches.
func listOf(ids []string) List {
	return func(_ context.Context, after string, limit int) ([]string, error) {
		from := 0
		if after != "" {
			from = slices.Index(ids, after) + 1
		}
		return ids[from:min(len(ids), from+limit)], nil
	}
}

func numbered(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("record-%05d", i)
	}
	return ids
}

// again draws as a third party would who has read the package comment and nothing else.
func again(ids []string, m Method, seed string, size int) []string {
	sum := func(text string) string {
		h := hmac.New(sha256.New, []byte(seed))
		h.Write([]byte(text))
		return hex.EncodeToString(h.Sum(nil))
	}
	if m == Random {
		ranked := slices.Clone(ids)
		slices.SortFunc(ranked, func(a, b string) int { return strings.Compare(sum(a), sum(b)) })
		ranked = ranked[:min(size, len(ranked))]
		return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !slices.Contains(ranked, id) })
	}
	step := max(1, len(ids)/size)
	first, _ := new(big.Int).SetString(sum("start")[:14], 16)
	var out []string
	for i := int(new(big.Int).Mod(first, big.NewInt(int64(step))).Int64()); i < len(ids) && len(out) < size; i += step {
		out = append(out, ids[i])
	}
	return out
}

func TestAnybodyDrawsTheSame(t *testing.T) {
	ctx := context.Background()
	for _, n := range []int{1, 2, 7, 100, 2001} {
		for _, size := range []int{1, 10, 25, MaxSize} {
			for _, m := range Methods() {
				for _, seed := range []string{"1", "2026-Q4", NewSeed()} {
					ids := numbered(n)
					got, err := choose(ctx, listOf(ids), m, seed, size, int64(n))
					if err != nil {
						t.Fatal(err)
					}
					if want := again(ids, m, seed, size); !slices.Equal(got, want) {
						t.Fatalf("%s of %d with %q: %d items %.120v, want %d %.120v", m, n, seed, len(got), got, len(want), want)
					}
					if len(got) != min(size, n) || !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
						t.Fatalf("%s of %d with %q: %d items of %d, in order %v", m, n, seed, len(got), size, slices.IsSorted(got))
					}
				}
			}
		}
	}
}

// The commands that the page of a sample gives to its reader do what they say.
func TestAnybodyDrawsTheSameWithOpenSSL(t *testing.T) {
	for _, tool := range []string{"bash", "openssl", "sha256sum"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("needs " + tool)
		}
	}
	ids := numbered(60)
	dir := t.TempDir()
	ctx := context.Background()
	run := func(script string) string {
		t.Helper()
		cmd := exec.CommandContext(ctx, "bash", "-c", "printf '%s\\n' "+strings.Join(ids, " ")+" > population.txt\n"+script)
		cmd.Dir = dir
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", script, err)
		}
		return string(out)
	}
	frame, err := FrameOf(ctx, listOf(ids))
	if err != nil {
		t.Fatal(err)
	}
	if got := run(FrameCommand()); !strings.HasPrefix(got, frame.Digest) {
		t.Errorf("the digest of the population: %s, want %s", got, frame.Digest)
	}
	for _, m := range Methods() {
		s := Sample{Order: Order{Method: m, Seed: "audit-2026.1", Size: 7}, Frame: frame}
		want, err := choose(ctx, listOf(ids), m, s.Seed, s.Size, frame.Size)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Fields(run(s.Command())); !slices.Equal(got, want) {
			t.Errorf("%s by commands: %v, want %v", m, got, want)
		}
	}
}

func TestSeedsDiffer(t *testing.T) {
	ids := numbered(1000)
	a, _ := choose(context.Background(), listOf(ids), Random, "a", 20, 1000)
	b, _ := choose(context.Background(), listOf(ids), Random, "b", 20, 1000)
	if slices.Equal(a, b) {
		t.Error("another seed draws the same")
	}
	if a, b := NewSeed(), NewSeed(); a == b || !seedForm.MatchString(NewSeed()) {
		t.Error("a new seed is not new, or not a seed")
	}
}

// Every record has the same chance: over many seeds each is drawn about equally often.
func TestNoRecordIsFavoured(t *testing.T) {
	ids := numbered(50)
	for _, m := range Methods() {
		count := map[string]int{}
		const draws, size = 2000, 5
		for i := range draws {
			got, err := choose(context.Background(), listOf(ids), m, fmt.Sprint("seed-", i), size, 50)
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range got {
				count[id]++
			}
		}
		for _, id := range ids { // 200 expected, standard deviation 13.4: six of them are 80
			if n := count[id]; n < 120 || n > 280 {
				t.Errorf("%s: %s was drawn %d times, expected about 200", m, id, n)
			}
		}
	}
}

func TestCompare(t *testing.T) {
	ctx := context.Background()
	ids := numbered(2500)
	then, err := FrameOf(ctx, listOf(ids[:2400]))
	if err != nil || then.Size != 2400 {
		t.Fatal(then, err)
	}
	for name, c := range map[string]struct {
		now  []string
		want Since
	}{
		"unchanged":      {ids[:2400], Since{Same: true, Now: 2400}},
		"grown":          {ids, Since{Same: true, Now: 2500, Grown: 100}},
		"one vanished":   {ids[:2399], Since{Now: 2399}},
		"one replaced":   {append(slices.Clone(ids[:2399]), "record-99999"), Since{Now: 2400}},
		"one slipped in": {slices.Insert(slices.Clone(ids[:2400]), 5, "record-00004a"), Since{Now: 2401}},
		"empty":          {nil, Since{}},
	} {
		if got, err := Compare(ctx, listOf(c.now), then); err != nil || got != c.want {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, c.want)
		}
	}
}

func TestListsThatAreNone(t *testing.T) {
	ctx := context.Background()
	for name, list := range map[string]List{
		"a line break": listOf([]string{"a", "b\nc"}),
		"an empty id":  listOf([]string{"a", ""}),
		"one twice":    listOf([]string{"a", "a"}),
	} {
		if _, err := FrameOf(ctx, list); !errs.Is(err, errs.Internal) {
			t.Errorf("%s: %v", name, err)
		}
	}
	endless := func(_ context.Context, after string, limit int) ([]string, error) {
		out := make([]string, limit)
		var n int
		_, _ = fmt.Sscan(after, &n)
		for i := range out {
			n++
			out[i] = fmt.Sprint(n)
		}
		return out, nil
	}
	if testing.Short() {
		return
	}
	if _, err := FrameOf(ctx, endless); !errs.Is(err, errs.Invalid) {
		t.Errorf("an endless population: %v", err)
	}
}
