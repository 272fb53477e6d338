package filltest

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// person is somebody who does not exist. What leads to them is written in no other way for two of them.
type person struct {
	given, family, full, user, email, private, phone, iban, national, card, street, postcode, town, country, ip, born, sex, url, note string
}

type place struct{ town, postcode, country string }

// people makes the first n persons of a seed.
func people(n int, seed uint64) []person {
	rnd := rand.New(rand.NewPCG(seed, 7)) //nolint:gosec // for tests: the same every time
	givens := strings.Fields("Élodie Mathilde Aurélien Zoé Ségolène Wouter Hannelore Marieke Joost Björn Jürgen Annegret Friederike Gwendolyn Rupert Beatrix Ottilie Théophile Ludivine Godelieve")
	starts := strings.Fields("Quatre Montgol Lachap Vanden Ooster Haesel Grüne Trémouil Wester Ashcom Brinken Delvau Fauque Hooge Kerck Louve Mauper Rosen Steen Thiébau")
	middles := strings.Fields("sols fière perie brempt lynckx aere waldt lard gaard berley kamp quois gnies straete hoven court tuis feld brugge ville")
	streets := []string{"rue %s", "avenue %s", "%sstraat", "%slaan", "%sstraße", "%s Street", "%sweg", "chemin %s"}
	places := []place{{"Namêche", "5300", "BE"}, {"Zwijnaarde", "9052", "BE"}, {"Plougastel", "29470", "FR"}, {"Bettembourg", "3201", "LU"}, {"Nieuwegein", "3431", "NL"}, {"Warburg", "34414", "DE"}, {"Shrewsbury", "SY1 1AA", "GB"}}
	out := make([]person, n)
	for i := range out {
		p := &out[i]
		given := givens[rnd.IntN(len(givens))]
		family := starts[i%len(starts)] + middles[i/len(starts)%len(middles)] + syllables(i/(len(starts)*len(middles)))
		at := places[rnd.IntN(len(places))]
		born := time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(rnd.IntN(4)*10, rnd.IntN(12), rnd.IntN(28))
		bare := plain(family)
		*p = person{given: given, family: family, full: given + " " + family, town: at.town, postcode: at.postcode, country: at.country, born: born.Format(time.DateOnly), sex: []string{"F", "M"}[i%2]}
		p.user = bare + strconv.Itoa(10+i%90)
		p.email = fmt.Sprintf("%s.%s@firma-%d.example", plain(given), bare, i%9)
		p.private = fmt.Sprintf("%s%d@kunde-%d.example", bare, 1900+i%100, i%7)
		p.phone = fmt.Sprintf("+32 4%02d %02d %02d %02d", 70+i/9000%29, 10+i/90%90, 10+i%90, rnd.IntN(100))
		p.iban = ibanOf("BE", fmt.Sprintf("%010d", 5390075000+int64(i)*97))
		p.national = nationalNumber(born, 1+i%997)
		p.card = luhn(fmt.Sprintf("45399%010d", 1_000_003*(i+1)%10_000_000_000))
		p.street = fmt.Sprintf("%d "+streets[i%len(streets)], 1+rnd.IntN(180), strings.ToUpper(middles[i%len(middles)][:1])+middles[i%len(middles)][1:]+starts[(i+i/20)%len(starts)]+syllables(i/20))
		p.ip = fmt.Sprintf("81.%d.%d.%d", 240+i/60000%10, i/250%240+1, i%250+1)
		p.url = fmt.Sprintf("https://social.example/@%s/%d", bare, 100+i)
		p.note = []string{
			fmt.Sprintf("Rappelé %s au %s, puis écrit à %s.", p.full, p.phone, p.email),
			fmt.Sprintf("Please send the parcel to %s, %s, %s %s.", p.full, p.street, p.postcode, p.town),
			fmt.Sprintf("Mevrouw %s vroeg waarom %s niet werkt; terugbellen op %s.", p.family, p.email, p.phone),
			fmt.Sprintf("%s %s hat die Rechnung von %s überwiesen.", p.given, p.family, p.iban),
		}[i%4]
	}
	return out
}

func syllables(i int) string {
	s := ""
	for ; i > 0; i /= 60 {
		s += string("bcdfgklmnprt"[i%12]) + string("aeiou"[i/12%5])
	}
	return s
}

// plain writes a name as an address would.
func plain(s string) string {
	return strings.ToLower(strings.NewReplacer("É", "E", "é", "e", "è", "e", "ê", "e", "ö", "o", "ü", "u", "ß", "ss").Replace(s))
}

func ibanOf(country, account string) string {
	account += fmt.Sprintf("%02d", check97(account))
	return fmt.Sprintf("%s%02d%s", country, 98-mod97(account+"111400"), account) // B = 11, E = 14
}

// check97 is how Belgium checks the ten digits of an account.
func check97(s string) int {
	if r := mod97(s); r > 0 {
		return r
	}
	return 97
}

func mod97(s string) int {
	r := 0
	for _, c := range s {
		r = (r*10 + int(c-'0')) % 97
	}
	return r
}

// nationalNumber is one as Belgium gives them to people born before 2000.
func nationalNumber(born time.Time, serial int) string {
	s := born.Format("060102") + fmt.Sprintf("%03d", serial)
	return fmt.Sprintf("%s.%s.%s-%s.%02d", s[:2], s[2:4], s[4:6], s[6:], 97-mod97(s))
}

func luhn(s string) string {
	sum := 0
	for i := range len(s) {
		d := int(s[len(s)-1-i] - '0')
		if i%2 == 0 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return s + strconv.Itoa((10-sum%10)%10)
}
