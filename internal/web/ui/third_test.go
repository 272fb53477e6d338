package ui

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"strings"
	"testing"
)

// What others made is here unchanged, pinned by its digest, with its licence beside it:
// htmx.org 2.0.11 (0BSD), @fontsource-variable/inter 5.3.0 and
// @fontsource-variable/source-serif-4 5.3.1 (OFL 1.1), all from npm.
func TestThirdParties(t *testing.T) {
	pinned := map[string]string{
		"inter-latin-ext-wght-normal.woff2":          "34b9c504cab7a73e37b746343a449132e56cf7b5481af2cb81dc74dcff25c956",
		"inter-latin-wght-normal.woff2":              "3100e775e8616cd2611beecfa23a4263d7037586789b43f035236a2e6fbd4c62",
		"source-serif-4-latin-ext-wght-normal.woff2": "d10ccbbd0dc4ebae2938958dc1f622a53460fe297e9c958564742dd684309c3f",
		"source-serif-4-latin-wght-normal.woff2":     "382475f38242c52d42a3e5ff8dc69b5d73f10d0d21e4550b5fe232984688779a",
		"htmx.min.js":                                "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717",
	}
	licences := map[string]string{
		"static/htmx/LICENSE.txt": "Zero-Clause BSD", "static/fonts/inter-LICENSE.txt": "SIL Open Font License, Version 1.1",
		"static/fonts/source-serif-4-LICENSE.txt": "SIL Open Font License, Version 1.1",
	}
	for name, want := range licences {
		text, err := staticFiles.ReadFile(name)
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s: the licence is not there (%v)", name, err)
		}
	}
	seen := 0
	for _, dir := range []string{"static/htmx", "static/fonts"} {
		entries, err := fs.ReadDir(staticFiles, dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), ".txt") {
				continue
			}
			seen++
			content, err := staticFiles.ReadFile(dir + "/" + e.Name())
			if err != nil {
				t.Fatal(err)
			}
			sum := sha256.Sum256(content)
			if got := hex.EncodeToString(sum[:]); got != pinned[e.Name()] {
				t.Errorf("%s is not the pinned file: %s", e.Name(), got)
			}
		}
	}
	if seen != len(pinned) {
		t.Errorf("%d files, %d pinned", seen, len(pinned))
	}
}
