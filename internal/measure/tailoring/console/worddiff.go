package console

import "strings"

// piece is a part of a text that is set apart when the other text does not have it.
type piece struct {
	Text   string
	Marked bool
}

// compareWords tells what two texts have and the other does not, word by word: the longest common
// subsequence of their words. Very long texts are set apart whole.
func compareWords(before, after string) (was, is []piece) {
	a, b := cut(before), cut(after)
	const most = 1200
	if len(a) > most || len(b) > most || before == "" || after == "" {
		return whole(before), whole(after)
	}
	// longest[i][j] is the length of the longest common subsequence of a[i:] and b[j:].
	longest := make([][]int16, len(a)+1)
	for i := range longest {
		longest[i] = make([]int16, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				longest[i][j] = longest[i+1][j+1] + 1
			} else {
				longest[i][j] = max(longest[i+1][j], longest[i][j+1])
			}
		}
	}
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			was, is = join(was, a[i], false), join(is, b[j], false)
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && longest[i+1][j] >= longest[i][j+1]:
			was = join(was, a[i], true)
			i++
		default:
			is = join(is, b[j], true)
			j++
		}
	}
	return was, is
}

// cut parts a text into words with the space before them.
func cut(s string) []string {
	var out []string
	start := 0
	for i := 1; i < len(s); i++ {
		if s[i] == ' ' && s[i-1] != ' ' {
			out = append(out, s[start:i])
			start = i
		}
	}
	if start < len(s) {
		out = append(out, s[start:])
	}
	return out
}

func whole(s string) []piece {
	if s == "" {
		return nil
	}
	return []piece{{s, true}}
}

// join adds a word to the last piece, or begins another. The space before a piece that is set
// apart stays outside of it.
func join(list []piece, word string, marked bool) []piece {
	if n := len(list) - 1; n >= 0 && list[n].Marked == marked {
		list[n].Text += word
		return list
	}
	if rest, spaced := strings.CutPrefix(word, " "); spaced && len(list) > 0 && marked {
		list[len(list)-1].Text += " "
		word = rest
	}
	return append(list, piece{word, marked})
}
