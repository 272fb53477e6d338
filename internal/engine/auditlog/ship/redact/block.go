package redact

import "regexp"

// How a private key begins and ends (RFC 7468, RFC 9580).
const (
	keyBegins = `-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----`
	keyEnds   = `-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----`
)

var (
	begins  = regexp.MustCompile(keyBegins)
	ends    = regexp.MustCompile(keyEnds)
	keyLine = regexp.MustCompile(`[A-Za-z0-9+/]{24,}={0,2}|^\s*[A-Za-z0-9+/=]+\s*$`)
)

// longestKey is how many lines of a private key are looked for when its end does not come: one of 16,384 bits has 200.
const longestKey = 256

// Block leaves out private keys that stand over several lines of a log, of which each by itself looks like nothing. It is for the lines of one file, in their
// order; the zero value stands before the first. Lines of others in between stay, but for what looks like part of a key.
type Block struct{ left int }

// Line is a line without what is part of a private key that began in one before it.
func (b *Block) Line(line []byte) []byte {
	if b.left > 0 {
		b.left--
		if end := ends.FindIndex(line); end != nil {
			b.left = 0
			line = append([]byte(Mark), line[end[1]:]...)
		} else {
			line = keyLine.ReplaceAll(line, []byte(Mark))
		}
	}
	all := begins.FindAllIndex(line, -1)
	if n := len(all); n > 0 && !ends.Match(line[all[n-1][1]:]) {
		b.left = longestKey
	}
	return line
}
