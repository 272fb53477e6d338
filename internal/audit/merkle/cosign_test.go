package merkle_test

import (
	"bytes"
	"crypto/ed25519"
	"strings"
	"testing"
	"time"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"

	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/errs"
)

func seed(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }

func logKey(t testing.TB, name string, b byte) (note.Signer, note.Verifier, string) {
	t.Helper()
	private, public, err := merkle.NewKey(name, seed(b))
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	return s, v, public
}

func witnessKey(t testing.TB, name string, b byte, at time.Time) (*merkle.Cosigner, *merkle.Witness, string) {
	t.Helper()
	private, public, err := merkle.NewWitnessKey(name, seed(b))
	if err != nil {
		t.Fatal(err)
	}
	c, err := merkle.NewCosigner(private, func() time.Time { return at })
	if err != nil {
		t.Fatal(err)
	}
	w, err := merkle.NewWitness(public)
	if err != nil {
		t.Fatal(err)
	}
	if w.String() != public || c.Witness().String() != public {
		t.Fatalf("keys do not come back: %s", w)
	}
	return c, w, public
}

var signedAt = time.Date(2026, 11, 27, 18, 0, 0, 0, time.UTC)

func checkpointOf(origin string) merkle.Checkpoint {
	return merkle.Checkpoint{Origin: origin, Size: 7, Root: merkle.Hash{1, 2, 3}}
}

// The example of C2SP tlog-cosignature cannot be verified without its key; torchwood can tell whether ours are of the form.
func TestCosignaturesAreThoseOfTorchwood(t *testing.T) {
	signer, log, vkey := logKey(t, "log.example/a", 1)
	cosigner, witness, wkey := witnessKey(t, "witness.example/w", 2, signedAt)
	signed, err := merkle.Sign(checkpointOf("log.example/a"), signer, cosigner)
	if err != nil {
		t.Fatal(err)
	}

	theirs, err := torchwood.NewCosignatureVerifier(wkey)
	if err != nil {
		t.Fatal(err)
	}
	logV, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	c, n, err := torchwood.VerifyCheckpoint([]byte(signed), torchwood.ThresholdPolicy(3, torchwood.OriginPolicy("log.example/a"), torchwood.SingleVerifierPolicy(logV), torchwood.SingleVerifierPolicy(theirs)))
	if err != nil || c.N != 7 || len(n.Sigs) != 2 {
		t.Fatalf("torchwood does not take our cosignature: %v", err)
	}
	if at, err := torchwood.CosignatureTimestamp(n.Sigs[1]); err != nil || at != signedAt.Unix() {
		t.Errorf("torchwood reads the time %d: %v", at, err)
	}

	key := ed25519.NewKeyFromSeed(seed(2))
	other, err := torchwood.NewCosignatureSigner("witness.example/w", key)
	if err != nil {
		t.Fatal(err)
	}
	if other.Verifier().String() != wkey {
		t.Errorf("the same key is written %s and %s", other.Verifier(), wkey)
	}
	alone, err := merkle.Sign(checkpointOf("log.example/a"), signer)
	if err != nil {
		t.Fatal(err)
	}
	both, err := note.Sign(&note.Note{Text: checkpointOf("log.example/a").Text(), Sigs: nil}, signer, other)
	if err != nil {
		t.Fatal(err)
	}
	before := time.Now().Add(-2 * time.Second)
	_, by, err := merkle.OpenCosigned(string(both), log, witness)
	if err != nil || len(by) != 1 || by[0].Witness != "witness.example/w" || by[0].At.Before(before) {
		t.Fatalf("theirs is not taken: %v %v", by, err)
	}
	if _, by, err = merkle.OpenCosigned(alone, log, witness); err != nil || len(by) != 0 {
		t.Errorf("a cosignature that is not there: %v %v", by, err)
	}
}

func TestALineIsPutUnderAndVerifiedAlone(t *testing.T) {
	signer, log, _ := logKey(t, "log.example/a", 1)
	cosigner, witness, _ := witnessKey(t, "witness.example/w", 2, signedAt)
	_, stranger, _ := witnessKey(t, "witness.example/w", 3, signedAt)
	c := checkpointOf("log.example/a")
	line, err := cosigner.Line(c.Text())
	if err != nil {
		t.Fatal(err)
	}
	if at, err := witness.Cosigned(c.Text(), line); err != nil || !at.Equal(signedAt) {
		t.Fatalf("%v %v", at, err)
	}
	if at, err := witness.Cosigned(c.Text(), strings.TrimSuffix(line, "\n")); err != nil || !at.Equal(signedAt) {
		t.Fatalf("without newline: %v %v", at, err)
	}
	if _, err := stranger.Cosigned(c.Text(), line); !errs.Is(err, errs.Denied) {
		t.Errorf("another key of the same name: %v", err)
	}
	larger := c
	larger.Size++
	if _, err := witness.Cosigned(larger.Text(), line); !errs.Is(err, errs.Denied) {
		t.Errorf("under another checkpoint: %v", err)
	}
	s, _ := merkle.ParseSignature(line)
	flipped := []byte(s.Base64)
	flipped[10] ^= 1 // in the time
	if _, err := witness.Cosigned(c.Text(), "— "+s.Name+" "+string(flipped)); err == nil {
		t.Error("with another time")
	}

	signed, err := merkle.Sign(c, signer)
	if err != nil {
		t.Fatal(err)
	}
	with, err := merkle.AddLines(signed, line, line)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(with, "— witness.example/w ") != 1 {
		t.Errorf("put under it twice:\n%s", with)
	}
	if _, by, err := merkle.OpenCosigned(with, log, witness, stranger); err != nil || len(by) != 1 || !by[0].At.Equal(signedAt) {
		t.Errorf("%v %v", by, err)
	}
	if _, _, err := merkle.OpenCosigned(strings.Replace(with, s.Base64, string(flipped), 1), log, witness); !errs.Is(err, errs.Denied) {
		t.Errorf("a known witness's line that does not hold is passed over: %v", err)
	}
	if _, err := cosigner.Line("no checkpoint\n"); err == nil {
		t.Error("a witness signs what is no checkpoint")
	}
}

func TestNothingElseIsTheKeyOfAWitness(t *testing.T) {
	private, public, err := merkle.NewWitnessKey("w", seed(1))
	if err != nil {
		t.Fatal(err)
	}
	_, logPublic, _ := merkle.NewKey("w", seed(1))
	for _, k := range []string{"", "w", private, logPublic, public + "A", strings.Replace(public, "w+", "v+", 1), strings.ToUpper(public), "a b" + public, public[:len(public)-4]} {
		if _, err := merkle.NewWitness(k); !errs.Is(err, errs.Invalid) {
			t.Errorf("%q: %v", k, err)
		}
		if _, err := merkle.NewCosigner(k, time.Now); k != private && !errs.Is(err, errs.Invalid) {
			t.Errorf("%q: %v", k, err)
		}
	}
	for _, name := range []string{"", "a b", "a+b", "a\u00a0b", "\xff", "a\nb"} {
		if _, _, err := merkle.NewWitnessKey(name, seed(1)); err == nil {
			t.Errorf("the name %q", name)
		}
	}
	if _, _, err := merkle.NewWitnessKey("w", seed(1)[:31]); err == nil {
		t.Error("a short seed")
	}
}

func FuzzOpenCosigned(f *testing.F) {
	signer, log, _ := logKey(f, "log.example/a", 1)
	cosigner, witness, _ := witnessKey(f, "witness.example/w", 2, signedAt)
	signed, err := merkle.Sign(checkpointOf("log.example/a"), signer, cosigner)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(signed)
	f.Add(strings.ReplaceAll(signed, "A", "B"))
	f.Add("a\n1\nAAAA\n\n— x AAAAAAAA\n")
	want := checkpointOf("log.example/a")
	f.Fuzz(func(t *testing.T, s string) {
		c, by, err := merkle.OpenCosigned(s, log, witness)
		if err == nil && c.Text() != want.Text() {
			t.Errorf("nobody signed %q", c.Text())
		}
		if err == nil && len(by) == 1 && !by[0].At.Equal(signedAt) {
			t.Errorf("cosigned at %v", by[0].At)
		}
	})
}
