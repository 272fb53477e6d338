package tailoring

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/garant-project/garant/internal/measure/catalogue"
)

func load(t *testing.T) *catalogue.Catalogue {
	t.Helper()
	c, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func edited(t *testing.T, source string, edits ...Edit) (string, *catalogue.Catalogue) {
	t.Helper()
	out, err := apply(source, edits)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := catalogue.ParseTailoring([]byte(out))
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	c, err := load(t).Tailor(doc)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return out, c
}

func TestEveryEdit(t *testing.T) {
	base := load(t)
	said := func(fr, en string) catalogue.ByLanguage { return catalogue.ByLanguage{"fr": fr, "en": en} }
	all := []Edit{
		SetParameter(base.Parameters["backup.database.retention"], "30d"), SetParameter(base.Parameters["endpoint.tls.accepted"], "TLS 1.3"),
		SetParameter(catalogue.Parameter{Name: "own.training.period", Kind: catalogue.DurationKind}, "365d"),
		SetWords("ENC-1", FieldSentence, said("Chiffré : oui.", "Encrypted: yes.")), SetDrops("ENC-1", map[string]string{"endpoint.tls.accepted": "no: it's a secret"}),
		SetWords("ENC-1", FieldTitle, said("Un titre", "A title")),
		SetOwner("ENC-2", "platform"), SetTeam("platform", said("Plateforme", "Platform")), SetOperator("ENC-2", catalogue.Supplier),
		SetAttested("LOG-3", true), SetCadence("LOG-3", "36h"), Exclude("BAK-4", said("Sans objet.", "We have none.")),
		SetAnswer("training", said("Chacun est formé.", "Everybody is trained.")),
		SetOwn(catalogue.OwnMeasure{ID: "OWN-1", Section: "1.2", Kind: catalogue.Checked, Owner: "security", Operator: catalogue.Supplier, Attest: true, Per: catalogue.PerSite,
			Checks: []string{"vpn"}, Refs: catalogue.Refs{GDPR: []string{"32(1)(b)"}, ISO: []string{"8.1"}, CNIL: []string{"3"}},
			Title: said("Un titre", "A title"), Sentence: said("On forme par {own.training.period}.", "We train per {own.training.period}."), Method: said("On le voit.", "We see it.")}, "24h"),
	}
	all = append(all, SetCompany(catalogue.Identity{LegalName: "Ardoise: Mécénat", Address: "Rue", Registration: "0123", DPO: catalogue.Contact{Email: "dpo@ardoise.example", Phone: "+32", Address: "Rue"}, Revision: "2027-11-12"})...)
	full, c := edited(t, "# nothing yet\n", all...)
	if !strings.HasPrefix(full, "# nothing yet\n") {
		t.Errorf("the comment is lost:\n%s", full)
	}
	log, _ := c.Measure("LOG-3")
	enc, _ := c.Measure("ENC-2")
	bak, _ := c.Measure("BAK-4")
	own, _ := c.Measure("OWN-1")
	if log.Cadence != 36*time.Hour || log.Kind != catalogue.Attested || enc.Owner != "platform" || enc.Operator != catalogue.Supplier || bak.Excluded == nil ||
		own.Per != catalogue.PerSite || !own.Attest || own.Cadence != 24*time.Hour || c.Identity().LegalName != "Ardoise: Mécénat" || c.Identity().Revision != "2027-11-12" ||
		c.Words("fr", "ENC-1").Sentence.String() != "Chiffré\u202f: oui." || c.Parameters["own.training.period"].Duration != 365*24*time.Hour {
		t.Errorf("%+v %+v %+v %+v\n%s", log, enc, bak, own, full)
	}
	// The same again changes nothing.
	for _, e := range all {
		if !e.same(full) {
			t.Errorf("%s is written anew:\n%s", e.At(), full)
		}
	}
	// Everything taken back leaves nothing.
	none, c := edited(t, full,
		SetParameter(base.Parameters["backup.database.retention"], " "), SetParameter(base.Parameters["endpoint.tls.accepted"], ""), SetParameter(catalogue.Parameter{Name: "own.training.period"}, ""),
		SetWords("ENC-1", FieldSentence, nil), SetDrops("ENC-1", nil), SetWords("ENC-1", FieldTitle, nil), SetOwner("ENC-2", ""), SetTeam("platform", nil), SetOperator("ENC-2", ""),
		SetAttested("LOG-3", false), SetCadence("LOG-3", ""), Include("BAK-4"), SetAnswer("training", nil), RemoveOwn("OWN-1"),
		SetCompany(catalogue.Identity{})[0], SetCompany(catalogue.Identity{})[1], SetCompany(catalogue.Identity{})[2], SetCompany(catalogue.Identity{})[3], SetCompany(catalogue.Identity{})[4], SetCompany(catalogue.Identity{})[5], SetCompany(catalogue.Identity{})[6])
	if c.Hash() != base.Hash() || !strings.Contains(none, "{}") {
		t.Errorf("left over:\n%s", none)
	}
}

func TestEditsKeepComments(t *testing.T) {
	const source = `# ours
parameters:
  # agreed with everybody
  backup.database.retention: 30d # in the contract
  storage.encryption: AES-256
measures:
  ENC-1: {owner: security} # for now
  # the last
  ENC-2:
    owner: security
`
	got, _ := edited(t, source, SetParameter(catalogue.Parameter{Name: "backup.database.retention", Kind: catalogue.DurationKind}, "60d"), SetOwner("ENC-1", "legal"), SetOperator("ENC-2", catalogue.Supplier))
	want := strings.NewReplacer("30d", "60d", "{owner: security}", "{owner: legal}").Replace(source) + "    operator: supplier\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestEditsOfWhatIsNoDraft(t *testing.T) {
	for _, source := range []string{"- a\n", "measures: []\n", "measures: {ENC-1: yes}\n", "a: [\n", "x\n"} {
		if out, err := apply(source, []Edit{SetOwner("ENC-1", "security")}); err == nil {
			t.Errorf("%q became %q", source, out)
		}
	}
	if out, err := apply("measures:\n", []Edit{SetOwner("ENC-1", "security")}); err != nil || !strings.Contains(out, "owner: security") {
		t.Errorf("%q %v", out, err)
	}
}

func TestPlacesAreCompared(t *testing.T) {
	const a, b = "measures: {ENC-1: {title: {fr: x, en: y}}}\n", "measures:\n  ENC-1:\n    title:\n      en: y\n      fr: \"x\" # same\n"
	path := []string{"measures", "ENC-1", "title"}
	if at(a, path) != at(b, path) || at(a, path) == "" {
		t.Errorf("%q and %q", at(a, path), at(b, path))
	}
	if at(a, path) == at(strings.Replace(a, "x", "z", 1), path) || at(a, []string{"measures", "ENC-2"}) != "" || at("- a", path) != "" {
		t.Error("different places are the same")
	}
}

func TestStrength(t *testing.T) {
	d := func(name string, days int) catalogue.Parameter {
		return catalogue.Parameter{Name: name, Kind: catalogue.DurationKind, Duration: time.Duration(days) * 24 * time.Hour}
	}
	l := func(name string, names ...string) catalogue.Parameter {
		return catalogue.Parameter{Name: name, Kind: catalogue.ListKind, List: names}
	}
	for _, c := range []struct {
		before, after catalogue.Parameter
		want          Effect
	}{
		{d("backup.database.retention", 365), d("backup.database.retention", 30), Weakened},
		{d("backup.database.retention", 30), d("backup.database.retention", 365), Strengthened},
		{d("backup.search.extra_retention", 14), d("backup.search.extra_retention", 13), Weakened},
		{d("endpoint.hsts.required_max_age", 365), d("endpoint.hsts.required_max_age", 30), Weakened},
		{d("access.review.period", 365), d("access.review.period", 730), Weakened},
		{d("access.review.period", 365), d("access.review.period", 180), Strengthened},
		{d("incident.notice.authority", 3), d("incident.notice.authority", 4), Weakened},
		{d("own.thing", 3), d("own.thing", 4), Changed},
		{l("access.customer_data.teams", "A", "B"), l("access.customer_data.teams", "A"), Strengthened},
		{l("access.customer_data.teams", "A", "B"), l("access.customer_data.teams", "A", "C"), Weakened},
		{l("endpoint.tls.accepted", "TLS 1.3"), l("endpoint.tls.accepted", "TLS 1.2", "TLS 1.3"), Weakened},
		{l("own.places", "A"), l("own.places", "B"), Changed},
		{catalogue.Parameter{Name: "storage.encryption", Kind: catalogue.TextKind, Text: "AES-256"}, catalogue.Parameter{Name: "storage.encryption", Kind: catalogue.TextKind, Text: "AES-128"}, Changed},
		{d("a.retention", 1), l("a.retention", "x"), Changed},
	} {
		if got := Strength(c.before, c.after); got != c.want {
			t.Errorf("%s: %v → %v is %s, want %s", c.after.Name, c.before, c.after, got, c.want)
		}
	}
}

// Of every figure that the catalogue announces as a time or a list, it can be said which way is
// weaker: a new one is given its word in Strength.
func TestStrengthOfTheCatalogue(t *testing.T) {
	for name, p := range load(t).Parameters {
		other := p
		switch p.Kind {
		case catalogue.DurationKind:
			other.Duration = p.Duration / 2
		case catalogue.ListKind:
			other.List = append([]string{"x"}, p.List...)
		default:
			continue
		}
		if Strength(p, other) == Changed {
			t.Errorf("nobody can say whether %s grew weaker", name)
		}
	}
}

func TestDiff(t *testing.T) {
	_, before := edited(t, "", SetTeam("platform", catalogue.ByLanguage{"fr": "Plateforme", "en": "Platform"}), SetAnswer("training", catalogue.ByLanguage{"fr": "Oui.", "en": "Yes."}),
		Exclude("BAK-4", catalogue.ByLanguage{"fr": "Sans objet.", "en": "None."}))
	_, after := edited(t, "", Exclude("BAK-5", catalogue.ByLanguage{"fr": "Sans objet.", "en": "None."}), SetAttested("ENC-1", true),
		SetWords("ENC-2", FieldTitle, catalogue.ByLanguage{"fr": "Titre", "en": "Title"}), SetCadence("PHY-1", Span(730*24*time.Hour)),
		SetWords("ENC-1", FieldSentence, catalogue.ByLanguage{"fr": "Chiffré.", "en": "Encrypted."}), SetDrops("ENC-1", map[string]string{"endpoint.tls.accepted": "x"}),
		SetCompany(catalogue.Identity{LegalName: "Ardoise"})[0])
	got := map[string]Effect{}
	for _, d := range Diff(before, after) {
		got[strings.Join([]string{d.Measure, d.Field, d.Name, d.Lang}, "/")] = d.Effect
	}
	want := map[string]Effect{
		"/company/legal_name/": Changed, "PHY-1/cadence//": Weakened, "ENC-1/kind//": Weakened, "ENC-1/cadence//": Changed,
		"ENC-1/sentence//fr": Weakened, "ENC-1/sentence//en": Weakened, "ENC-1/method//fr": Weakened, "ENC-1/method//en": Weakened,
		"ENC-2/title//fr": Wording, "ENC-2/title//en": Wording, "BAK-4/excluded//fr": Strengthened, "BAK-4/excluded//en": Strengthened,
		"BAK-5/excluded//fr": Weakened, "BAK-5/excluded//en": Weakened, "/team/platform/fr": Wording, "/team/platform/en": Wording,
		"/answer/training/fr": Changed, "/answer/training/en": Changed,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if d := Diff(before, before); len(d) != 0 {
		t.Errorf("the same differs: %v", d)
	}
}
