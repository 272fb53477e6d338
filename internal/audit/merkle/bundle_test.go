package merkle_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/garant-project/garant/internal/audit/leaf"
	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/audit/merkle/independent"
	"github.com/garant-project/garant/internal/errs"
)

// holds has both verifiers read a bundle.
func (w *world) holds(file []byte, pins merkle.Pins, there independent.Pins) merkle.Report {
	w.t.Helper()
	r, err := merkle.VerifyBundle(bytes.NewReader(file), pins)
	if err != nil {
		w.t.Fatal(err)
	}
	n, err := independent.Verify(file, there)
	if err != nil || int64(n) != r.Entries {
		w.t.Fatalf("the other verifier finds %d of %d entries: %v", n, r.Entries, err)
	}
	return r
}

func TestBundlesOfEverySizeHold(t *testing.T) {
	for _, size := range []int64{1, 2, 3, 255, 256, 257, 511, 512, 513, 700, 1024, 1025} {
		w := newWorld(t, size)
		r := w.holds(w.bundle(0, 0, nil), w.pins(), w.pinsThere())
		if !r.Verified() || r.Trust != merkle.Witnessed || r.Entries != size || !r.Whole || len(r.Ranges) != 1 || r.Ranges[0] != [2]int64{0, size} || r.Head != w.leaves.at(t, size) {
			t.Errorf("%d: %+v", size, r)
		}
		some := []int64{0}
		for _, i := range []int64{1, size / 2, size - 1} {
			if i > some[len(some)-1] && i < size {
				some = append(some, i)
			}
		}
		if r = w.holds(w.bundle(0, 0, nil, some...), w.pins(), w.pinsThere()); !r.Verified() || r.Entries != int64(len(some)) || r.Whole {
			t.Errorf("%d: %+v", size, r)
		}
	}
}

func TestAReportSaysWhatItRestsOn(t *testing.T) {
	w := newWorld(t, 300)
	file := w.bundle(0, 0, nil)
	ids := func(list []merkle.Statement) (out []string) {
		for _, s := range list {
			out = append(out, s.ID)
		}
		return out
	}
	r := w.holds(file, w.pins(), w.pinsThere())
	if r.Opened != 43 || r.Erased != 43 || r.Sealed != 43 || len(r.ErasedIDs) != 43 || r.ErasedIDs[0] != 104 || !r.From.Equal(signedAt) || !r.Until.Equal(signedAt.Add(299*time.Second)) {
		t.Errorf("%+v", r)
	}
	if got := ids(r.NotProven); !slices.Equal(got, []string{"since", "erased", "sealed", "later", "entry"}) {
		t.Errorf("not proven: %v", got)
	}
	if len(r.Signed) != 2 || !r.Signed[0].Pinned || !r.Signed[1].Pinned || !r.Signed[1].At.Equal(signedAt) {
		t.Errorf("%+v", r.Signed)
	}

	pins := w.pins()
	pins.Witnesses = nil
	r, err := merkle.VerifyBundle(bytes.NewReader(file), pins)
	if err != nil || r.Trust != merkle.Pinned || !r.Verified() || !slices.Contains(ids(r.NotProven), "views") || !slices.Contains(ids(r.NotProven), "witness_unknown") {
		t.Errorf("%+v %v", r, err)
	}
	r, err = merkle.VerifyBundle(bytes.NewReader(file), merkle.Pins{})
	if err != nil || r.Trust != merkle.FirstUse || r.Verified() || !strings.HasPrefix(r.Verdict(), "NOT FULLY VERIFIED") || !slices.Contains(ids(r.NotProven), "key") || !slices.Contains(ids(r.NotProven), "tree") {
		t.Errorf("%+v %v", r, err)
	}
	pins = w.pins()
	pins.Logs = nil // a witness alone does not make it more
	if r, err = merkle.VerifyBundle(bytes.NewReader(file), pins); err != nil || r.Trust != merkle.FirstUse || r.Verified() {
		t.Errorf("%+v %v", r, err)
	}

	r = w.holds(w.bundle(0, 0, nil, 3, 4, 5, 9, 299), w.pins(), w.pinsThere())
	if !slices.Equal(r.Ranges, [][2]int64{{3, 6}, {9, 10}, {299, 300}}) || !slices.Contains(ids(r.NotProven), "selection") {
		t.Errorf("%+v", r)
	}
	var p *merkle.Problem
	if _, err := merkle.VerifyBundle(bytes.NewReader(w.bundle(0, 0, nil, []int64{}...)), w.pins()); !errors.As(err, &p) || p.Kind != merkle.Removed {
		t.Errorf("a selection of nothing: %v", err)
	}
}

func TestDroppedEntriesAreAccountedFor(t *testing.T) {
	w := newWorld(t, 700)
	r := w.holds(w.bundle(0, 0, func(i int64) bool { return i < 300 }), w.pins(), w.pinsThere())
	if r.Dropped != 300 || r.Entries != 400 || r.Ranges[0] != [2]int64{0, 700} || !slices.ContainsFunc(r.NotProven, func(s merkle.Statement) bool { return s.ID == "dropped" }) {
		t.Errorf("%+v", r)
	}
	if r = w.holds(w.bundle(0, 0, func(i int64) bool { return i == 5 }, 4, 5, 6), w.pins(), w.pinsThere()); r.Dropped != 1 || r.Entries != 2 {
		t.Errorf("%+v", r)
	}
	if r = w.holds(w.bundle(0, 0, func(int64) bool { return true }), w.pins(), w.pinsThere()); r.Dropped != 700 || r.Entries != 0 {
		t.Errorf("%+v", r)
	}
}

// Entries are dropped from the oldest on: one behind an entry that is a day younger than another which is there was taken out, whatever the bundle says.
func TestTakenOutAsIfDropped(t *testing.T) {
	w := newWorldOf(t, 700, func(i int64) (leaf.Entry, merkle.BundleLeaf) {
		e, l := entry(i, tenant)
		e.At = signedAt.Add(time.Duration(i) * time.Hour)
		l.Bytes = e.Append(nil)
		return e, l
	})
	for what, file := range map[string][]byte{
		"one":            w.bundle(0, 0, func(i int64) bool { return i == 100 }),
		"a block":        w.bundle(0, 0, func(i int64) bool { return i >= 256 && i < 512 }),
		"the end":        w.bundle(0, 0, func(i int64) bool { return i >= 512 }),
		"of a selection": w.bundle(0, 0, func(i int64) bool { return i == 100 }, 3, 27, 100),
	} {
		var p *merkle.Problem
		if _, err := merkle.VerifyBundle(bytes.NewReader(file), w.pins()); !errors.As(err, &p) || p.Kind != merkle.Removed || p.First < 100 {
			t.Errorf("%s: %v", what, err)
		}
	}
	w.holds(w.bundle(0, 0, func(i int64) bool { return i < 300 }), w.pins(), w.pinsThere())
	w.holds(w.bundle(0, 0, func(i int64) bool { return i < 300 || i == 310 }), w.pins(), w.pinsThere()) // its transaction was open over the end of the month
	w.holds(w.bundle(0, 0, func(i int64) bool { return i == 26 }, 3, 26, 100), w.pins(), w.pinsThere())
}

func TestABundleGoesOnFromWhatWasKept(t *testing.T) {
	w := newWorld(t, 700)
	keptLog, keptTree := w.root.at(t, 5), w.leaves.at(t, 300)
	pins, there := w.pins(), w.pinsThere()
	pins.KeptLog, pins.KeptTree = &keptLog, &keptTree
	there.KeptLogSize, there.KeptLogRoot, there.KeptTreeSize, there.KeptTreeRoot = 5, keptLog.Root[:], 300, keptTree.Root[:]
	file := w.bundle(5, 300, nil)
	r := w.holds(file, pins, there)
	if len(r.NotProven) == 0 || r.NotProven[0].ID == "since" {
		t.Errorf("%+v", r)
	}
	w.holds(w.bundle(5, 300, nil, 7), pins, there)

	refused := func(file []byte, pins merkle.Pins, there independent.Pins, kind merkle.Kind) {
		t.Helper()
		var p *merkle.Problem
		if _, err := merkle.VerifyBundle(bytes.NewReader(file), pins); !errors.As(err, &p) || p.Kind != kind {
			t.Errorf("%v is not %s", err, kind)
		}
		if _, err := independent.Verify(file, there); err == nil {
			t.Errorf("the other verifier takes what is %s", kind)
		}
	}
	refused(w.bundle(0, 300, nil), pins, there, merkle.NoProof)
	refused(w.bundle(5, 0, nil), pins, there, merkle.NoProof)
	refused(w.bundle(4, 300, nil), pins, there, merkle.NoProof)
	forked := keptLog
	forked.Root[0] ^= 1
	there.KeptLogRoot = forked.Root[:]
	pins.KeptLog = &forked
	refused(file, pins, there, merkle.Forked)

	pins, there = w.pins(), w.pinsThere()
	pins.KeptOrigin, pins.KeptLog = logName, &keptLog
	there.KeptLogSize, there.KeptLogRoot = 5, keptLog.Root[:]
	w.holds(file, pins, there)
	pins.KeptOrigin = logName + "/0"
	var restarted *merkle.Problem
	if _, err := merkle.VerifyBundle(bytes.NewReader(file), pins); !errors.As(err, &restarted) || restarted.Kind != merkle.Restarted {
		t.Errorf("of an earlier generation: %v", err)
	}

	now := w.leaves.at(t, 700)
	pins, there = w.pins(), w.pinsThere()
	pins.KeptTree, there.KeptTreeSize, there.KeptTreeRoot = &now, 700, now.Root[:]
	w.holds(w.bundle(0, 0, nil), pins, there)
	other := now
	other.Root[3] ^= 1
	pins.KeptTree, there.KeptTreeRoot = &other, other.Root[:]
	refused(w.bundle(0, 0, nil), pins, there, merkle.Forked)
	later := merkle.Point{Size: 701}
	pins.KeptTree, there.KeptTreeSize = &later, 701
	refused(w.bundle(0, 0, nil), pins, there, merkle.Older)

	// The whole history was made anew and is signed by the right key: who kept nothing cannot tell, who kept a checkpoint can.
	anew := newWorldOf(t, 700, func(i int64) (leaf.Entry, merkle.BundleLeaf) {
		if i == 299 {
			return entry(4000, tenant)
		}
		return entry(i, tenant)
	})
	w.holds(anew.bundle(5, 300, nil), w.pins(), w.pinsThere())
	pins, there = w.pins(), w.pinsThere()
	pins.KeptTree, there.KeptTreeSize, there.KeptTreeRoot = &keptTree, 300, keptTree.Root[:]
	refused(anew.bundle(5, 300, nil), pins, there, merkle.Forked)
}

func TestOnlyTheOneFormIsRead(t *testing.T) {
	w := newWorld(t, 4)
	file := string(w.bundle(2, 3, nil))
	replace := func(old, with string) string {
		t.Helper()
		if !strings.Contains(file, old) {
			t.Fatalf("there is no %q", old)
		}
		return strings.Replace(file, old, with, 1)
	}
	for name, bad := range map[string]string{
		"nothing":         "",
		"not JSON":        "hello",
		"an array":        "[]",
		"something after": file + "{}",
		"a word after":    file + "x",
		"a member twice":  replace(`"made":`, `"made":"2026-11-27T18:00:00Z","made":`),
		"twice in a leaf": replace(`"index":0,`, `"index":0,"index":0,`),
		"twice beside":    replace(`"erased":true`, `"erased":true,"erased":true`),
		"two beside":      replace(`"erased":true`, `"erased":true,"sealed":true`),
		"not erased":      replace(`"erased":true`, `"erased":false`),
		"unknown":         replace(`"made":`, `"note":"verified","made":`),
		"unknown at last": strings.TrimSuffix(file, "}\n") + `,"note":1}`,
		"unknown beside":  replace(`"erased":true`, `"erased":true,"note":1`),
		"another case":    replace(`"made":`, `"Made":`),
		"another order":   replace(`"erased":true`, `"leaf":"","erased":true`),
		"a proof":         replace(`"erased":true`, `"erased":true,"proof":[]`),
		"negative":        replace(`"index":0,`, `"index":-0,`),
		"a fraction":      replace(`"index":0,`, `"index":0.0,`),
		"an exponent":     replace(`"index":0,`, `"index":0e0,`),
		"a leading zero":  replace(`"index":0,`, `"index":00,`),
		"too large":       replace(`"index":0,`, `"index":9999999999999999999,`),
		"a text":          replace(`"index":0,`, `"index":"0",`),
		"null":            replace(`"index":0,`, `"index":null,`),
		"two commas":      replace(`"index":0,`, `"index":0,,`),
		"no UTF-8":        replace(`"index":0,"leaf":"`, `"index":0,"leaf":"`+"\xff"),
		"half a pair":     replace(`"index":0,"leaf":"`, `"index":0,"leaf":"\ud800`),
		"a bare newline":  replace(`"index":0,"leaf":"`, `"index":0,"leaf":"`+"\n"),
		"a false escape":  replace(`"index":0,"leaf":"`, `"index":0,"leaf":"\x`),
		"no base64":       replace(`"root":"`, `"root":"!`),
		"loose base64":    replace(`"root":"`, `"root":"A`),
		"a long path":     replace(`"proof":[`, `"proof":[`+strings.Repeat(`"`+base64.StdEncoding.EncodeToString(seed(0))+`",`, 65)),
		"since twice":     replace(`"since":{"log":`, `"since":{"log":{"size":2,"root":"`+base64.StdEncoding.EncodeToString(seed(0))+`","proof":[]},"log":`),
		"no time":         replace(`"made":"2026`, `"made":"now`),
		"a long leaf":     replace(`"index":0,"leaf":"`, `"index":0,"leaf":"`+strings.Repeat("x", 1<<17)),
		"no checkpoint":   replace(`"checkpoint":"`, `"checkpoint":"x`+"\\n\\n\\n"),
	} {
		var p *merkle.Problem
		r, err := merkle.VerifyBundle(strings.NewReader(bad), w.pins())
		if !errors.As(err, &p) || r.Holds {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if p.Kind != merkle.Malformed && (name != "nothing" || p.Kind != merkle.Truncated) && (name != "no checkpoint") {
			t.Errorf("%s is %s: %v", name, p.Kind, err)
		}
	}
	for n := range len(file) - 1 { // cut off anywhere
		var p *merkle.Problem
		if _, err := merkle.VerifyBundle(strings.NewReader(file[:n]), w.pins()); !errors.As(err, &p) || p.Kind != merkle.Truncated {
			t.Fatalf("cut off at %d: %v", n, err)
		}
	}
	if _, err := merkle.VerifyBundle(io.MultiReader(strings.NewReader(file[:500]), iotest.ErrReader(io.ErrClosedPipe)), w.pins()); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a disk that does not read: %v", err)
	}
	loose := strings.ReplaceAll(strings.ReplaceAll(file, ",\n", "\n ,\t"), "é", `\u00e9`)
	if _, err := merkle.VerifyBundle(strings.NewReader(loose), w.pins()); err != nil {
		t.Errorf("white space and escapes are free: %v", err)
	}
	for _, pins := range []merkle.Pins{{Logs: []string{"x"}}, {Logs: []string{w.logKey}, Witnesses: []string{w.logKey}}} {
		if _, err := merkle.VerifyBundle(strings.NewReader(file), pins); !errs.Is(err, errs.Invalid) {
			t.Errorf("a pin that is none: %v", err)
		}
	}
}

func TestEveryByteOfABundleCounts(t *testing.T) {
	w := newWorld(t, 4)
	file := w.bundle(2, 3, nil)
	hints := bytes.Index(file, []byte(`"checkpoint"`)) // before it stand the time, which nobody vouches for, and keys, which are hints
	for i := hints; i < len(file); i++ {
		changed := bytes.Clone(file)
		changed[i] ^= 1
		r, err := merkle.VerifyBundle(bytes.NewReader(changed), w.pins())
		if err == nil && !sameJSON(file, changed) {
			t.Fatalf("byte %d, %q for %q: %+v", i, changed[max(0, i-20):i+20], file[i], r)
		}
	}
}

// sameJSON tells whether two files say the same: white space may be another.
func sameJSON(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && fmt.Sprint(x) == fmt.Sprint(y)
}

func FuzzVerifyBundle(f *testing.F) {
	w := newWorld(f, 4)
	f.Add(w.bundle(2, 3, nil))
	f.Add(w.bundle(0, 0, nil, 1, 3))
	f.Add(w.bundle(0, 0, func(int64) bool { return true }))
	f.Add([]byte(`{"format":"garant-audit-bundle/v1"}`))
	head := w.leaves.at(f, 4)
	f.Fuzz(func(t *testing.T, file []byte) {
		r, err := merkle.VerifyBundle(bytes.NewReader(file), w.pins())
		if err == nil && (r.Log != w.root.at(t, w.root.size) || r.Tree != w.tree || r.Head.Size > 4 || r.Head.Size == 4 && r.Head != head) {
			t.Errorf("nobody signed %+v", r)
		}
		if err == nil {
			if _, err := independent.Verify(file, w.pinsThere()); err != nil {
				t.Errorf("the other verifier: %v", err)
			}
		}
	})
}

func BenchmarkVerifyBundle(b *testing.B) {
	w := newWorldOf(b, 20000, func(i int64) (leaf.Entry, merkle.BundleLeaf) { return entry(i*7, tenant) })
	file := w.bundle(0, 0, nil)
	b.SetBytes(int64(len(file)))
	for b.Loop() {
		if _, err := merkle.VerifyBundle(bytes.NewReader(file), w.pins()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(20000*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}
