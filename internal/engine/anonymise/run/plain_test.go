package run

import (
	"fmt"
	"testing"

	"github.com/garant-project/garant/internal/engine/anonymise/personal"
	"github.com/garant-project/garant/internal/engine/anonymise/seen"
	"github.com/garant-project/garant/internal/engine/anonymise/transform"
)

// A text in which nothing was found is not looked through again; one in which somebody stands always is.
func TestPlainTexts(t *testing.T) {
	builder := seen.NewBuilder()
	defer builder.Discard()
	p := newPlainTexts()
	g := &gatherer{adder: builder.Adder(), plain: p}
	f := &finder{plain: p}
	const nothing, somebody, short = "the order arrived broken and is on its way back", "the order arrived broken, says jo.dubois@example.com", "nothing of note"
	for _, text := range []string{nothing, somebody, short} {
		for range 2 {
			g.add(personal.Text, []byte(text))
		}
	}
	if !p.has([]byte(nothing)) || p.has([]byte(somebody)) || p.has([]byte(short)) || p.has([]byte(nothing+".")) {
		t.Error("what is remembered is not what nothing was found in")
	}
	if got := f.Find(nil, []byte(somebody)); len(got) != 1 || got[0].Kind != personal.Email {
		t.Errorf("found %v", got)
	}
	if got := f.Find([]transform.Mention{{End: 1}}, []byte(nothing)); len(got) != 1 {
		t.Errorf("found %v", got)
	}
	var none *plainTexts
	if none.has([]byte(nothing)) {
		t.Error("nothing is remembered, and this is")
	}
	for i := range mostPlain / 4 { // beside each other
		p.add(fmt.Appendf(nil, "%s, for the %d. time", nothing, i))
	}
	kept := 0
	for i := range mostPlain / 4 {
		if p.has(fmt.Appendf(nil, "%s, for the %d. time", nothing, i)) {
			kept++
		}
	}
	if kept < mostPlain/4*9/10 {
		t.Errorf("%d of %d are remembered", kept, mostPlain/4)
	}
}
