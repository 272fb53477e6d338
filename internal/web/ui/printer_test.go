package ui

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/errs"
)

// spaces writes a no-break space as _ and a narrow one as ~, so that tables can be read.
func spaces(s string) string {
	out := []rune(s)
	for i, r := range out {
		switch r {
		case '\u00a0':
			out[i] = '_'
		case '\u202f':
			out[i] = '~'
		}
	}
	return string(out)
}

func printers(t *testing.T) (fr, en *Printer) {
	t.Helper()
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	m := messages(t)
	return m.For("fr", paris), m.For("en", paris)
}

func TestDuration(t *testing.T) {
	fr, en := printers(t)
	for d, want := range map[time.Duration][2]string{
		0:                                 {"0_seconde", "0_seconds"},
		time.Second:                       {"1_seconde", "1_second"},
		90 * time.Second:                  {"90_secondes", "90_seconds"},
		1800 * time.Millisecond:           {"1,8_s", "1.8_s"},
		250 * time.Millisecond:            {"0,2_s", "0.2_s"},
		time.Minute:                       {"1_minute", "1_minute"},
		15 * time.Minute:                  {"15_minutes", "15_minutes"},
		90 * time.Minute:                  {"90_minutes", "90_minutes"},
		time.Hour:                         {"1_heure", "1_hour"},
		6 * time.Hour:                     {"6_heures", "6_hours"},
		72 * time.Hour:                    {"3_jours", "3_days"},
		36 * time.Hour:                    {"36_heures", "36_hours"},
		131 * time.Minute:                 {"2_h_11_min", "2_h_11_min"},
		200 * time.Second:                 {"3_min_20_s", "3_min_20_s"},
		2*time.Hour + 5*time.Second:       {"2_h_5_s", "2_h_5_s"},
		day:                               {"1_jour", "1_day"},
		14 * day:                          {"14_jours", "14_days"},
		4*day + 3*time.Hour + time.Minute: {"4_j_3_h_1_min", "4_d_3_h_1_min"},
		366 * day:                         {"366_jours", "366_days"},
		365 * day:                         {"1_an", "1_year"},
		10 * 365 * day:                    {"10_ans", "10_years"},
		-time.Hour:                        {"−1_heure", "−1_hour"},
	} {
		if got := spaces(fr.Duration(d)); got != want[0] {
			t.Errorf("fr %v: %q, want %q", d, got, want[0])
		}
		if got := spaces(en.Duration(d)); got != want[1] {
			t.Errorf("en %v: %q, want %q", d, got, want[1])
		}
	}
}

func TestTimes(t *testing.T) {
	fr, en := printers(t)
	now := time.Date(2026, 11, 12, 20, 4, 0, 0, time.UTC) // 21:04 in Paris
	first := time.Date(2026, 2, 28, 23, 30, 0, 0, time.UTC)
	for _, c := range []struct{ name, got, want string }{
		{"clock fr", fr.Clock(now), "21_h_04"},
		{"clock en", en.Clock(now), "21:04"},
		{"whole hour fr", fr.Clock(now.Add(56 * time.Minute)), "22_h"},
		{"midnight en", en.Clock(first.Add(-30 * time.Minute)), "00:00"},
		{"day fr", fr.Day(now), "12_novembre 2026"},
		{"day en", en.Day(now), "12_November 2026"},
		{"first of a month, and the zone's day", fr.Day(first), "1er_mars 2026"},
		{"first of a month en", en.Day(first), "1_March 2026"},
		{"day of the month", fr.DayMonth(now), "12_novembre"},
		{"on fr", fr.OnDay(now), "le 12_novembre 2026"},
		{"on en", en.OnDay(now), "on 12_November 2026"},
		{"instant fr", fr.Instant(now), "le 12_novembre 2026 à 21_h_04"},
		{"instant en", en.Instant(now), "12_November 2026, 21:04"},
		{"iso", fr.ISO(now), "2026-11-12T20:04:00Z"},
		{"iso day", fr.ISODay(first), "2026-03-01"},
		{"ago s", fr.Ago(now.Add(-40*time.Second), now), "il y a 40_s"},
		{"ago min", fr.Ago(now.Add(-3*time.Minute), now), "il y a 3_min"},
		{"ago h", en.Ago(now.Add(-3*time.Hour-50*time.Minute), now), "3_h ago"},
		{"ago day", fr.Ago(now.Add(-25*time.Hour), now), "il y a 1_jour"},
		{"ago days", en.Ago(now.Add(-214*day), now), "214_days ago"},
		{"ago years", fr.Ago(now.Add(-3*year), now), "il y a 3_ans"},
		{"now", fr.Ago(now, now), "à l’instant"},
		{"now en", en.Ago(now.Add(time.Second), now), "just now"},
		{"to come", fr.Ago(now.Add(5*time.Minute), now), "dans 5_min"},
		{"to come en", en.Ago(now.Add(5*time.Minute), now), "in 5_min"},
		{"never", fr.Ago(time.Time{}, now), "jamais"},
		{"elapsed", fr.Elapsed(now.Add(-38*day), now), "38_jours"},
		{"elapsed backwards", en.Elapsed(now.Add(time.Hour), now), "0_s"},
		{"until overdue", fr.Until(now.Add(-time.Hour), now), "sans délai"},
		{"until min", fr.Until(now.Add(12*time.Minute), now), "dans 12_min"},
		{"until today", fr.Until(now.Add(116*time.Minute), now), "à 23_h"},
		{"until tomorrow", fr.Until(now.Add(9*time.Hour), now), "demain à 6_h_04"},
		{"until tomorrow en", en.Until(now.Add(9*time.Hour), now), "tomorrow at 06:04"},
		{"until later", fr.Until(now.Add(9*day), now), "le 21_novembre 2026"},
	} {
		if got := spaces(c.got); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestNumbers(t *testing.T) {
	fr, en := printers(t)
	for _, c := range []struct{ got, want string }{
		{fr.Number(0), "0"},
		{fr.Number(999), "999"},
		{fr.Number(1000), "1~000"},
		{fr.Number(1234567), "1~234~567"},
		{en.Number(1234567), "1,234,567"},
		{fr.Number(-1234), "−1~234"},
		{en.Number(-9223372036854775808), "−9,223,372,036,854,775,808"},
		{fr.Decimal(1.8, 1), "1,8"},
		{en.Decimal(1234.5, 2), "1,234.50"},
		{fr.Decimal(-0.25, -1), "−0,25"},
		{fr.Percent(97, 100), "97~%"},
		{en.Percent(97, 100), "97%"},
		{en.Percent(999, 1000), "99%"},
		{en.Percent(1, 0), "–"},
		{fr.Bytes(999), "999_o"},
		{fr.Bytes(1_240_000_000), "1,2_Go"},
		{en.Bytes(20_000_000), "20_MB"},
		{en.Bytes(999_600), "1.0_MB"},
		{fr.CountOf(14, "adresse", "adresses"), "14_adresses"},
		{fr.CountOf(0, "adresse", "adresses"), "0_adresse"},
		{fr.CountOf(1, "adresse", "adresses"), "1_adresse"},
		{fr.CountOf(12000, "adresse", "adresses"), "12~000_adresses"},
		{en.CountOf(0, "address", "addresses"), "0_addresses"},
		{en.CountOf(1, "address", "addresses"), "1_address"},
		{fr.List(nil), ""},
		{fr.List([]string{"a"}), "a"},
		{fr.List([]string{"a", "b"}), "a et b"},
		{fr.List([]string{"a", "b", "c"}), "a, b et c"},
		{en.List([]string{"a", "b", "c"}), "a, b and c"},
		{fr.Quote("a"), "«~a~»"},
		{en.Quote("a"), "“a”"},
		{fr.StateName(Stale), "à reconfirmer"},
		{fr.StateName("of tomorrow"), "pas encore prouvé"},
		{en.KindName(Run), "run through a register"},
		{en.KindName("other"), "⟦ui.kind.other⟧"},
	} {
		if got := spaces(c.got); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func TestGDPR(t *testing.T) {
	fr, en := printers(t)
	for _, c := range []struct {
		refs   []string
		fr, en string
	}{
		{nil, "", ""},
		{[]string{"32(1)(b)"}, "Article 32, paragraphe 1, point b, du RGPD", "GDPR Article 32(1)(b)"},
		{[]string{"32(1)(a)", "32(1)(b)"}, "Article 32, paragraphe 1, points a et b, du RGPD", "GDPR Article 32(1)(a) and (b)"},
		{[]string{"33", "recital 26"}, "Article 33 et considérant 26 du RGPD", "GDPR Article 33 and recital 26"},
	} {
		if got := fr.GDPR(c.refs); got != c.fr {
			t.Errorf("fr %v: %q, want %q", c.refs, got, c.fr)
		}
		if got := en.GDPR(c.refs); got != c.en {
			t.Errorf("en %v: %q, want %q", c.refs, got, c.en)
		}
	}
}

func TestPrinterError(t *testing.T) {
	fr, _ := printers(t)
	for name, c := range map[string]struct {
		err       error
		text, fix string
	}{
		"known":   {errs.New(errs.NotFound, "web.not_found", "English").Wrap(errors.New("secret")), "Il n’y a pas de page à cette adresse.", "Vérifiez l’adresse, ou repartez de la page d’accueil."},
		"unknown": {errs.New(errs.Invalid, "x.y", "English.").WithFix("Do it."), "English.", "Do it."},
		"timeout": {context.DeadlineExceeded, "L’opération a duré trop longtemps et a été arrêtée.", "Réessayez."},
	} {
		if text, fix := fr.Error(c.err); text != c.text || fix != c.fix {
			t.Errorf("%s: %q, %q", name, text, fix)
		}
	}
	if text, _ := fr.Error(errors.New("password is hunter2")); text != "L’erreur vient de nous." {
		t.Errorf("an error that nobody words shows %q", text)
	}
}
