package detect

import (
	"strings"
	"testing"
)

// No word of the dictionary is held back by the sieve, however it is written, and most others are.
func TestSieve(t *testing.T) {
	for word := range dictionary() {
		for _, written := range []string{word, strings.ToUpper(word), strings.ReplaceAll(word, "e", "é"), strings.ReplaceAll(word, "e", "É"), strings.ReplaceAll(word, " ", "  "), strings.ReplaceAll(word, " ", "\n"), strings.ReplaceAll(word, "'", "’"), strings.ReplaceAll(word, "ae", "æ")} {
			if fold(written) == word && sieves().words.lacks(written) {
				t.Errorf("%q is held back", written)
			}
		}
	}
	held := 0
	for i := range 1000 {
		if sieves().words.lacks("xq" + strings.Repeat("z", i%7) + string(rune('a'+i%26)) + string(rune('a'+i/26%26))) {
			held++
		}
	}
	if held < 900 {
		t.Errorf("only %d of 1000 words that are in no list are held back", held)
	}
}

// A name of several words is read to its end, however it is written.
func TestNamesOfSeveralWords(t *testing.T) {
	read := 0
	for word := range dictionary() {
		for _, written := range []string{word, strings.ToUpper(word), strings.ReplaceAll(word, "e", "é"), strings.ReplaceAll(word, " ", "  "), strings.ReplaceAll(word, " ", "\u00a0"), strings.ReplaceAll(word, "'", "’")} {
			f := finder{s: written}
			first, _ := f.next(0)
			want, last := first.end, first
			for range longestName - 1 {
				next, ok := f.next(last.end)
				if !ok || next.gap != gapBlank && next.gap != gapPoint || next.digits || look(written[:first.end])&roleBegins == 0 {
					break
				}
				if last = next; look(written[:next.end])&(roleGiven|roleFamily|roleTown) != 0 {
					want = next.end
				}
			}
			if want == first.end {
				continue
			}
			read++
			if w := f.known(first); w.end != want {
				t.Errorf("%q is read up to %q", written, written[:w.end])
			}
		}
	}
	if read < 500 {
		t.Errorf("%d names have several words", read)
	}
}
