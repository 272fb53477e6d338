package ui

import "testing"

// What an application wrote stands as it is; names, ids and figures are the reader's.
func TestValues(t *testing.T) {
	m, err := NewMessages(map[string][]byte{
		"fr": []byte("own.detail.run: passage\nother.detail.size: taille\nother.value.fail: échec\nown.value.pass: conforme\nwhy.known: Le compte ne répond pas."),
		"en": []byte("own.detail.run: run\nother.detail.size: size\nother.value.fail: failed\nown.value.pass: passed\nwhy.known: The account does not answer."),
	})
	if err != nil {
		t.Fatal(err)
	}
	fr, en := m.For("fr", nil), m.For("en", nil)
	got := fr.Values(map[string]any{
		"run": "01a21f1a-7f21-767d-9ee9-015cf5eec2a1", "size": 1234.0, "outcome": "fail", "word": "pass", "none": []any{}, "empty": "",
		"inside": map[string]any{"b": true, "a": []any{"x", 2.5}},
	}, "own", "other")
	want := "inside\u00a0a\u00a0x, 2,5, b\u00a0oui · none\u00a0néant · outcome\u00a0fail · passage\u00a0…\u2060f5eec2a1 · taille\u00a01\u202f234 · word\u00a0conforme"
	if got != want {
		t.Errorf("%q\nwant %q", got, want)
	}
	for _, c := range []struct {
		p                   *Printer
		id, said            string
		text, lang, comment string
	}{
		{fr, "why.known", "It is away.", "Le compte ne répond pas.", "", "words"},
		{en, "why.known", "It is away, at noon.", "It is away, at noon.", "", "what was written says more"},
		{fr, "why.unknown", "It is away.", "It is away.", "en", "no words"},
		{fr, "", "It is away.", "It is away.", "en", "of before there were ids"},
	} {
		if text, lang := c.p.Reason(c.id, c.said); text != c.text || lang != c.lang {
			t.Errorf("%s: %q in %q", c.comment, text, lang)
		}
	}
	if got := string(options([]Option{{Label: "all"}, {Value: "a", Label: "A", Group: "G"}, {Value: "b", Label: "B", Group: "G"}, {Value: "c", Label: "C", Group: "H"}})); got !=
		`<option value="">all</option><optgroup label="G"><option value="a">A</option><option value="b">B</option></optgroup><optgroup label="H"><option value="c">C</option></optgroup>` {
		t.Error(got)
	}
}
