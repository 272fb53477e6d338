package verify

import (
	_ "embed"
	"strings"
)

// prints are the functions that this version of schema garant installs: design, signature and
// fingerprint, one a line. TestFunctionsAreKnown writes it anew with GARANT_UPDATE=1.
//
//go:embed fingerprints.txt
var prints string

// fingerprints returns those of a design, by signature.
func fingerprints(design string) map[string]string {
	known := map[string]string{}
	for line := range strings.Lines(prints) {
		if d, rest, ok := strings.Cut(strings.TrimSpace(line), " "); ok && d == design {
			at := strings.LastIndexByte(rest, ' ')
			known[rest[:at]] = rest[at+1:]
		}
	}
	return known
}
