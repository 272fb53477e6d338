package plan

import (
	"testing"

	"github.com/garant-project/garant/internal/engine/anonymise/catalog"
	"github.com/garant-project/garant/internal/engine/anonymise/personal"
	"github.com/garant-project/garant/internal/engine/anonymise/transform"
)

func TestAnswer(t *testing.T) {
	db := tables(t, `
		member: id bigint key, zorg text, code text unique, profile jsonb, born date
		visit: id bigint key, member_code text > member.code`)
	name := func(s string) catalog.Name { return catalog.Name{Schema: "public", Table: s} }
	samples := Samples{name("member"): {"profile": {`{"zig": "aa bb", "n": 1}`, `{"zig": "cc dd", "n": 2}`}}}
	p := Propose(db, samples, Options{})
	zorg := entryOf(t, &p, "member", "zorg")
	if zorg.Question == "" {
		t.Fatal("no question to answer")
	}
	if !p.Answer(db, name("member"), "zorg", "", personal.Phone, "") || zorg.Question != "" || zorg.Kind != personal.Phone || zorg.Class != personal.Identifier || zorg.Transform.Name != "phone" {
		t.Errorf("%+v", zorg)
	}
	if !p.Answer(db, name("member"), "zorg", "", personal.None, "of a horse") || zorg.Transform.Name != "keep" || zorg.Reason != "of a horse" || zorg.Class != personal.Harmless {
		t.Errorf("%+v", zorg)
	}
	// Both sides of a key become the same, of which one is unique.
	if !p.Answer(db, name("visit"), "member_code", "", personal.Phone, "") {
		t.Fatal("no answer")
	}
	a, b := entryOf(t, &p, "member", "code"), entryOf(t, &p, "visit", "member_code")
	if value(a.Transform) != value(b.Transform) || a.Transform.Name != "phone" || a.Transform.Args["unique"] != true {
		t.Errorf("%+v, %+v", a, b)
	}
	profile := entryOf(t, &p, "member", "profile")
	before := profile.Transform.Args["paths"].(map[string]any)["zig"]
	if !p.Answer(db, name("member"), "profile", "zig", personal.FullName, "") || profile.Class != personal.FreeText {
		t.Errorf("%+v", profile)
	}
	if s := profile.Transform.Args["paths"].(map[string]any)["zig"].(transform.Spec); s.Name != "full_name" || value(before.(transform.Spec)) == value(s) {
		t.Errorf("the path becomes %s", s.Name)
	}
	for _, no := range []bool{
		p.Answer(db, name("nothing"), "x", "", personal.None, ""), p.Answer(db, name("member"), "x", "", personal.None, ""), p.Answer(db, name("member"), "zorg", "a.b", personal.None, ""),
	} {
		if no {
			t.Error("an answer to what does not stand there")
		}
	}
	if _, err := Load(FileName, p.Write()); err != nil {
		t.Error(err)
	}
}
