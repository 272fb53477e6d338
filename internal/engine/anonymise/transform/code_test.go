package transform

import (
	"bytes"
	"fmt"
	"math/big"
	"net/netip"
	"strings"
	"testing"
)

// ibanValid is ISO 13616's check, done with large numbers.
func ibanValid(s string) bool {
	s = strings.ToUpper(strings.ReplaceAll(s, " ", ""))
	var digits strings.Builder
	for _, c := range s[4:] + s[:4] {
		if c >= 'A' {
			fmt.Fprint(&digits, c-'A'+10)
		} else {
			digits.WriteRune(c)
		}
	}
	n, ok := new(big.Int).SetString(digits.String(), 10)
	return ok && n.Mod(n, big.NewInt(97)).Int64() == 1
}

func TestIBANs(t *testing.T) {
	tr := must(t, "iban", nil, text(), env())
	for value, begin := range map[string]string{
		"BE68 5390 0754 7034": "BE", "FR14 2004 1010 0505 0001 3M02 606": "FR", "DE89370400440532013000": "DE", "NL91 ABNA 0417 1643 00": "NL", "GB29 NWBK 6016 1331 9268 19": "GB",
		"lu280019400644750000": "lu", "MT84MALT011000012345MTLCAST001S": "MT", "none": "BE", "ES9121000418450200051332": "ES",
	} {
		got := apply(t, tr, value)
		if !ibanValid(got) || !strings.HasPrefix(got, begin) || strings.HasPrefix(got, value[:min(8, len(value))]) {
			t.Errorf("%q becomes %q", value, got)
		}
		if value != "none" && len(got) != len(value) {
			t.Errorf("%q becomes %q of another length", value, got)
		}
		compact := strings.ReplaceAll(strings.ToUpper(got), " ", "")
		switch compact[:2] {
		case "BE":
			if ten := number([]byte(compact[4:14])); compact[14:] != "98" || ten%97 == 98 {
				t.Errorf("%q may be an account", got)
			}
		case "FR":
			if rem := (89*number([]byte(compact[4:9])) + 15*number([]byte(compact[9:14])) + 3*number([]byte(compact[14:25])) + number([]byte(compact[25:27]))) % 97; compact[4:9] != "99999" || rem != 0 {
				t.Errorf("%q: the key of the account is wrong, or the bank another", got)
			}
		case "DE":
			if compact[4] != '9' {
				t.Errorf("%q may be an account", got)
			}
		}
	}
	if a, b := apply(t, tr, "BE68 5390 0754 7034"), apply(t, tr, "be68539007547034"); !strings.EqualFold(strings.ReplaceAll(a, " ", ""), b) {
		t.Errorf("%q and %q", a, b)
	}
}

func TestNationalNumbersAreGivenToNobody(t *testing.T) {
	small, wide := must(t, "national_number", nil, text(), env()), must(t, "national_number", map[string]any{"unique": true}, text(), env())
	if belgianIn > belgianOut || frenchIn > frenchOut {
		t.Fatal("more numbers go in than can come out")
	}
	for i, value := range []string{"85.07.30-033.28", "85073003328", "17073003384"} {
		got := apply(t, small, value)
		d := signs(nil, []byte(got))
		if belgianCentury(d) != 1 || d[0] < '5' || (d[8]-'0')%2 != "110"[i]-'0' && i < 2 {
			t.Errorf("%q becomes %q, which may be somebody's", value, got)
		}
		if i == 0 && len(got) != len(value) || got == value {
			t.Errorf("%q becomes %q", value, got)
		}
		d = signs(nil, []byte(apply(t, wide, value)))
		if month := number(d[2:4]); belgianCentury(d) != 0 || month < 53 || month > 92 {
			t.Errorf("%q becomes %q in the large range, which may be somebody's", value, d)
		}
	}
	for _, value := range []string{"1 85 05 78 006 084 91", "185057800608491", "2 69 05 2A 588 157 80", "2690549588157"} {
		for _, tr := range []Transformer{small, wide} {
			got := apply(t, tr, value)
			d := signs(nil, []byte(got))
			if d[0] != value[0] || len(got) != len(value) || len(d) == 15 && number(d[13:15]) != 97-number(d[:13])%97 {
				t.Errorf("%q becomes %q", value, got)
			}
			if month := number(d[3:5]); (month < 13 || month > 19 && month < 43 || month > 49) && string(d[5:7]) != "00" {
				t.Errorf("%q becomes %q, which may be somebody's", value, got)
			}
		}
	}
	dutch := must(t, "national_number", map[string]any{"country": "NL"}, text(), env())
	if d := apply(t, dutch, "123456782"); !strings.HasPrefix(d, "9999") || elevens([]byte(d[:8])) != int(d[8]-'0') {
		t.Errorf("a Dutch number becomes %q", d)
	}
}

func TestCards(t *testing.T) {
	card := must(t, "card", nil, text(), env())
	for value, begin := range map[string]string{"4539 1488 0343 6467": "4000 00", "5425-2334-3010-9903": "5555-55", "374245455400126": "378282", "6011000991300009": "601111", "x": "999999"} {
		got := apply(t, card, value)
		d := signs(nil, []byte(got))
		if !strings.HasPrefix(got, begin) || luhn(d[:len(d)-1]) != d[len(d)-1] {
			t.Errorf("%q becomes %q", value, got)
		}
	}
	if luhn([]byte("453914880343646")) != '7' {
		t.Error("the check digit of a known number is wrong")
	}
}

func TestAddressesOfTheNetwork(t *testing.T) {
	ip := must(t, "ip", nil, Column{Name: "t.c", Type: "inet"}, env())
	docs := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8::/32")}
	in := func(s string) bool {
		a, err := netip.ParseAddr(s)
		for _, p := range docs {
			if err == nil && p.Contains(a) {
				return true
			}
		}
		return false
	}
	for value, rest := range map[string]string{"81.242.1.2": "", "81.242.1.2/16": "/16", "2a02:a03f::1": "", "2a02:a03f::1/64": "/64", "81.242.1.2:8080": ":8080", "nonsense": "", "fe80::1%eth0": ""} {
		got := apply(t, ip, value)
		host, ok := strings.CutSuffix(got, rest)
		if !ok || !in(host) {
			t.Errorf("%q becomes %q", value, got)
		}
	}
	if got := apply(t, ip, "81.242.1.2, 10.0.0.1"); len(strings.Split(got, ", ")) != 2 || !in(strings.Split(got, ", ")[1]) || strings.Split(got, ", ")[0] != apply(t, ip, "81.242.1.2") {
		t.Errorf("a list becomes %q", got)
	}
	if a, b := apply(t, ip, "::ffff:81.242.1.2"), apply(t, ip, "81.242.1.2"); a != b {
		t.Errorf("%q and %q", a, b)
	}
	wide := must(t, "ip", nil, Column{Name: "t.c", Type: "inet", Unique: true}, env())
	if got := apply(t, wide, "81.242.1.2"); !in(got) || !strings.Contains(got, ":") {
		t.Errorf("in a unique column: %q", got)
	}
	mac := must(t, "device", nil, Column{Name: "t.c", Type: "macaddr"}, env())
	if got := apply(t, mac, "00:1b:44:11:3a:b7"); got[1] != '2' && got[1] != '6' && got[1] != 'a' && got[1] != 'e' || len(got) != 17 {
		t.Errorf("a hardware address becomes %q, which is not a local one", got)
	}
	url := must(t, "url", nil, text(), env())
	if got := apply(t, url, "https://firm.be/people/eric.dupont/face.png?k=1"); !strings.HasPrefix(got, "https://www.") || !strings.Contains(got, ".example.") || !strings.HasSuffix(got, ".png") || strings.Count(got, "/") != 5 {
		t.Errorf("a URL becomes %q", got)
	}
}

// Keys are permuted: the same number in each column, whatever its type, none stays, none meets another.
func TestRekey(t *testing.T) {
	e := env()
	big, small, asText := must(t, "rekey", nil, Column{Name: "t.c", Type: "bigint", Unique: true}, e), must(t, "rekey", nil, Column{Name: "t.c", Type: "integer"}, e), must(t, "rekey", nil, text(), e)
	seen := map[string]bool{}
	for n := 1; n < 20_000; n++ {
		value := fmt.Sprint(n)
		got := apply(t, big, value)
		if got == value || seen[got] || got != apply(t, small, value) || got != apply(t, asText, value) || len(got) > 10 {
			t.Fatalf("%s becomes %s, %s, %s", value, got, apply(t, small, value), apply(t, asText, value))
		}
		seen[got] = true
	}
	for value, most := range map[string]string{"2147483648": "9007199254740992", "9223372036854775807": "9223372036854775807", "-5": "2147483647", "0": "0"} {
		if got := strings.TrimPrefix(apply(t, big, value), "-"); len(got) > len(most) {
			t.Errorf("%s becomes %s", value, got)
		}
	}
	if got := apply(t, big, "-5"); got[0] != '-' {
		t.Errorf("-5 becomes %s", got)
	}
	if a, b := apply(t, asText, "018f3c4e-7d1a-7b3c-8a4d-0123456789ab"), apply(t, asText, "018F3C4E7D1A7B3C8A4D0123456789AB"); strings.ReplaceAll(a, "-", "") != b || a[14] != '7' || a[:8] == "018f3c4e" {
		t.Errorf("%q and %q", a, b)
	}
	if a, b := apply(t, must(t, "rekey", map[string]any{"of": "orders"}, text(), e), "5"), apply(t, asText, "5"); a == b {
		t.Error("two domains give the same key")
	}
	for _, n := range []uint64{1, 2, 3, 10, 26, 1000, 4096, 4097} {
		p := fixedKey(3).permutation("test", n)
		hit := map[uint64]bool{}
		for v := range n {
			if got := p.moved(v); got >= n || hit[got] || got == v && n > 1 || p.back(p.of(v)) != v {
				t.Fatalf("of %d: %d goes to %d", n, v, got)
			}
			hit[p.moved(v)] = true
		}
	}
}

// A key that differs in one bit gives other replacements, and so does another domain of the same key.
func TestKeysDoNotLink(t *testing.T) {
	a, b, c := fixedKey(1).mac("x").draw([]byte("value"), 0).sum, fixedKey(2).mac("x").draw([]byte("value"), 0).sum, fixedKey(1).mac("y").draw([]byte("value"), 0).sum
	again := fixedKey(1).mac("x").draw([]byte("value"), 1).sum
	if a == b || a == c || b == c || a == again {
		t.Error("two keys, domains or tries draw the same")
	}
	k := NewKey()
	if s := fmt.Sprintf("%v %+v %#v %s", k, k, k, k); bytes.Contains([]byte(s), k.secret[:4]) || strings.Contains(s, "secret") {
		t.Errorf("a key is printed: %s", s)
	}
	if k.Erase(); k.secret != [32]byte{} {
		t.Error("a key is not erased")
	}
}
