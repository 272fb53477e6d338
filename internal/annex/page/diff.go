package page

import (
	"strings"
	"unicode"
)

// part is a piece of a text that changed.
type part struct {
	Op   op
	Text string
}

// op is what became of a piece.
type op string

const (
	kept    op = "kept"
	removed op = "removed"
	added   op = "added"
)

// mostWords is the longest text that is compared word by word; the time taken grows with its
// square.
const mostWords = 400

// difference tells two texts word by word: what stayed, what went, what came. A replacement is
// told as the words that went and then the words that came.
func difference(before, after string) []part {
	a, b := tokens(before), tokens(after)
	if len(a) > mostWords || len(b) > mostWords {
		return joinParts([]part{{removed, before}, {added, after}})
	}
	// longest[i][j] is the length of the longest common sequence of a[i:] and b[j:].
	longest := make([][]int, len(a)+1)
	for i := range longest {
		longest[i] = make([]int, len(b)+1)
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
	var out []part
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			out = append(out, part{kept, a[i]})
			i, j = i+1, j+1
		case i < len(a) && (j == len(b) || longest[i+1][j] >= longest[i][j+1]):
			out = append(out, part{removed, a[i]})
			i++
		default:
			out = append(out, part{added, b[j]})
			j++
		}
	}
	return joinParts(out)
}

// tokens cuts a text into words, each with the space after it, and signs that stand alone.
func tokens(s string) []string {
	var out []string
	start, spaced := 0, false
	for i, r := range s {
		space := unicode.IsSpace(r)
		if spaced && !space {
			out = append(out, s[start:i])
			start = i
		}
		spaced = space
	}
	if start < len(s) {
		out = append(out, s[start:])
	}
	return out
}

// joinParts brings together what has one fate, and puts what went before what came.
func joinParts(list []part) []part {
	var out []part
	var gone, come strings.Builder
	flush := func() {
		if gone.Len() > 0 {
			out = append(out, part{removed, gone.String()})
		}
		if come.Len() > 0 {
			out = append(out, part{added, come.String()})
		}
		gone.Reset()
		come.Reset()
	}
	for _, p := range list {
		switch p.Op {
		case removed:
			gone.WriteString(p.Text)
		case added:
			come.WriteString(p.Text)
		default:
			flush()
			if last := len(out) - 1; last >= 0 && out[last].Op == kept {
				out[last].Text += p.Text
				continue
			}
			out = append(out, p)
		}
	}
	flush()
	return out
}
