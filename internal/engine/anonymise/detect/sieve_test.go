package detect

import (
	"strings"
	"testing"
)

// No word of the dictionary is held back by the sieve, however it is written, and most others are.
func TestSieve(t *testing.T) {
	for word := range dictionary() {
		for _, written := range []string{word, strings.ToUpper(word), strings.ReplaceAll(word, "e", "é"), strings.ReplaceAll(word, "e", "É"), strings.ReplaceAll(word, " ", "  "), strings.ReplaceAll(word, " ", "\n"), strings.ReplaceAll(word, "'", "’"), strings.ReplaceAll(word, "ae", "æ")} {
			if fold(written) == word && sieved(written) {
				t.Errorf("%q is held back", written)
			}
		}
	}
	held := 0
	for i := range 1000 {
		if sieved("xq" + strings.Repeat("z", i%7) + string(rune('a'+i%26)) + string(rune('a'+i/26%26))) {
			held++
		}
	}
	if held < 900 {
		t.Errorf("only %d of 1000 words that are in no list are held back", held)
	}
}
