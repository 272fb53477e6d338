package detect

import (
	"strings"

	"github.com/garant-project/garant/internal/engine/anonymise/personal"
)

// streetAfter reads an address of French form, whose word for street stands first: 12 bis, rue de la Gare.
func (f *finder) streetAfter(w, house word) int {
	last, names, small := w, 0, 0
	for n := 0; n < 7; n++ {
		next, ok := f.next(last.end)
		if !ok || next.gap != gapBlank && !(next.gap == gapPoint && n == 0) && next.gap != gapDash {
			break
		}
		if next.digits {
			if n == 0 || f.s[next.start-1] != ' ' || next.end-next.start > 2 { // rue du 11 Novembre
				break
			}
			last = next
			continue
		}
		next = f.known(next)
		particle := next.role&roleInfix != 0 || isArticle(f.s[next.start:next.end])
		switch {
		case particle && !next.capital:
		case next.capital || strings.ContainsAny(f.s[next.start:next.end], "'’"):
			names++
		case house.end > 0 && names+small == 0:
			small++
		default:
			n = 7
			continue
		}
		last = next
	}
	if names+small == 0 || names == 0 && house.end == 0 {
		return 0
	}
	start := w.start
	if house.end > 0 {
		start = house.start
	} else if w.role&roleAmbiguous != 0 { // "place" may be anything when no number and no "de" speaks for it
		first, ok := f.next(w.end)
		if !ok || f.known(first).role&roleInfix == 0 && !isArticle(f.s[first.start:first.end]) {
			return 0
		}
	}
	end := last.end
	if house.end == 0 {
		end = f.houseNumber(end)
	}
	end = f.box(end)
	f.add(personal.Address, start, end, false)
	return f.town(end)
}

func isArticle(s string) bool {
	switch s {
	case "de", "du", "des", "la", "le", "les", "au", "aux", "et", "en", "sur", "sous", "l", "d", "à":
		return true
	}
	return false
}

var streetSuffixes = byLast("straat laan plein steenweg gracht singel strasse gasse platz dreef plantsoen chaussee allee")

// Suffixes that other words end with too: a house number has to follow.
var streetPerhaps = byLast("weg baan kade dijk lei ring damm ufer markt hof pad kaai vest str berg lust graben park stieg wal pleintje hoek")

// byLast puts suffixes by their last letter.
func byLast(all string) (by ['z' + 1][]string) {
	for x := range strings.FieldsSeq(all) {
		last := x[len(x)-1]
		by[last] = append(by[last], x)
	}
	return by
}

// streetIn reads an address of Dutch or German form, whose word for street ends the name: Kerkstraat 12 bus 3, Am Lindenweg 5.
func (f *finder) streetIn(w word) int {
	var buf [longestWord * 2]byte
	if w.end-w.start > longestWord {
		return 0
	}
	name := string(appendFolded(buf[:0], f.s[w.start:w.end]))
	strong, perhaps := endsWith(name, &streetSuffixes), endsWith(name, &streetPerhaps)
	if !strong && !perhaps {
		// Two words: Lange Straße 5, Oude Baan 12.
		next, ok := f.next(w.end)
		if !ok || !w.capital || next.gap != gapBlank || !next.capital || next.end-next.start > longestWord {
			return 0
		}
		second := string(appendFolded(buf[:0], f.s[next.start:next.end]))
		strong, perhaps = endsWith(second, &streetSuffixes), endsWith(second, &streetPerhaps)
		if !strong && !perhaps {
			return 0
		}
		w.end = next.end
		strong = false
	}
	end := f.houseNumber(w.end)
	if end == w.end {
		whole := w.start == skipBlanks(f.s, 0) && f.atEnd(w.end)
		if !w.capital || !strong && !(whole && perhaps) {
			return 0
		}
		f.add(personal.Address, w.start, end, false)
		return end
	}
	if !w.capital && !strong {
		return 0
	}
	end = f.box(end)
	f.add(personal.Address, w.start, end, false)
	return f.town(end)
}

func endsWith(s string, suffixes *['z' + 1][]string) bool {
	if s == "" || s[len(s)-1] > 'z' {
		return false
	}
	for _, x := range suffixes[s[len(s)-1]] {
		if strings.HasSuffix(s, x) {
			return true
		}
	}
	return false
}

// houseNumber goes over the number of a house, "12", "12A", "nr. 12", that follows end.
func (f *finder) houseNumber(end int) int {
	w, ok := f.next(end)
	if ok && w.gap <= gapPoint && w.gap != gapBreak && !w.digits && (f.s[w.start:w.end] == "nr" || f.s[w.start:w.end] == "n" || f.s[w.start:w.end] == "no") {
		w, ok = f.next(w.end)
	}
	if !ok || !w.digits || w.gap == gapBreak || w.gap == gapDash || w.end-w.start > 5 {
		return end
	}
	if n := skipDigits(f.s, w.start) - w.start; n > 4 || w.end-w.start-n > 2 {
		return end
	}
	return w.end
}

// box goes over a part of a house that follows end: bus 3, bte 4, boîte A.
func (f *finder) box(end int) int {
	w, ok := f.next(end)
	if !ok || w.gap == gapBreak || w.gap == gapDash || !w.letters || look(f.s[w.start:w.end])&roleUnit == 0 {
		return end
	}
	part, ok := f.next(w.end)
	if !ok || part.gap != gapBlank && part.gap != gapPoint || part.end-part.start > 4 {
		return end
	}
	return part.end
}

// unit reads a value that names a part of a building: Apt 4, bte 12, Bâtiment B.
func (f *finder) unit(w word) int {
	part, ok := f.next(w.end)
	if !ok || part.gap != gapBlank && part.gap != gapPoint || part.end-part.start > 5 || !part.digits && !part.capital || !f.atEnd(part.end) && !short(f.s) {
		return 0
	}
	f.add(personal.Address, w.start, part.end, false)
	return part.end
}

// town reads a postcode and a town that follow an address.
func (f *finder) town(end int) int {
	w, ok := f.next(end)
	if !ok || w.gap == gapBreak || !w.digits && !f.isPrefixed(w) {
		return end
	}
	if n := f.postcode(w, true); n > 0 {
		return n
	}
	return end
}

// isPrefixed tells a postcode with the letter of its country: B-1000, D-10115.
func (f *finder) isPrefixed(w word) bool {
	c := f.s[w.start:w.end]
	head, tail, ok := strings.Cut(c, "-")
	return ok && (len(head) == 1 || len(head) == 2) && (len(tail) == 4 || len(tail) == 5) && skipDigits(tail, 0) == len(tail)
}

// postcode reads a postcode and the town after it. After an address any capitalised word is a town; elsewhere only one of the list.
func (f *finder) postcode(w word, address bool) int {
	n := skipDigits(f.s, w.start) - w.start
	dutch := false
	if f.isPrefixed(w) {
		n = 4
	}
	end := w.end
	if n == 4 && w.end-w.start == 4 { // 1012 AB
		if next, ok := f.next(w.end); ok && next.gap == gapBlank && next.end-next.start == 2 && capitals(f.s[next.start:next.end]) {
			dutch, end = true, next.end
		}
	} else if n == 4 && w.end-w.start == 6 && capitals(f.s[w.start+4:w.end]) { // 9712CP
		dutch = true
	} else if w.end-w.start != n && !f.isPrefixed(w) {
		return 0
	}
	if n != 4 && n != 5 {
		return 0
	}
	next, ok := f.next(end)
	if ok && next.letters && (next.gap == gapBlank || next.gap == gapComma && address) {
		next = f.known(next)
		if next.capital && (next.role&roleTown != 0 || address || dutch) {
			f.add(personal.Postcode, w.start, end, false)
			f.add(personal.Town, next.start, next.end, false)
			return next.end
		}
	}
	if address && f.atEnd(end) || dutch && w.start == skipBlanks(f.s, 0) && f.atEnd(end) {
		f.add(personal.Postcode, w.start, end, false)
		return end
	}
	return 0
}

func capitals(s string) bool {
	for i := range len(s) {
		if s[i] < 'A' || s[i] > 'Z' {
			return false
		}
	}
	return s != ""
}

// fromNumber reads what begins with a number: an English address, or a postcode with its town.
func (f *finder) fromNumber(w word, known int) int {
	if w.end-w.start > 6 {
		return 0
	}
	if n := f.postcode(w, false); n > 0 {
		return n
	}
	last := w
	for n := 0; n < 5; n++ {
		next, ok := f.next(last.end)
		if !ok || next.gap != gapBlank || !next.capital && !next.digits || !f.free(next.start, next.end, known) {
			return 0
		}
		last = next
		if n > 0 && next.letters && look(f.s[next.start:next.end])&roleStreetEnd != 0 {
			end := f.box(next.end)
			f.add(personal.Address, w.start, end, false)
			return end
		}
	}
	return 0
}

// britishPostcode reads SW1A 1AA; without its blank only as a whole value.
func (f *finder) britishPostcode(w word) int {
	c := f.s[w.start:w.end]
	if f.isPrefixed(w) {
		return f.postcode(w, false)
	}
	if len(c) < 2 || len(c) > 7 || c[0] < 'A' || c[0] > 'Z' {
		return 0
	}
	end := w.end
	if len(c) >= 5 && w.start == skipBlanks(f.s, 0) && f.atEnd(w.end) {
		if !isInward(c[len(c)-3:]) {
			return 0
		}
		c = c[:len(c)-3]
	} else {
		next, ok := f.next(w.end)
		if !ok || next.gap != gapBlank || !isInward(f.s[next.start:next.end]) {
			return 0
		}
		end = next.end
	}
	k := 1
	if k < len(c) && 'A' <= c[k] && c[k] <= 'Z' {
		k++
	}
	if k >= len(c) || !isDigit(c[k]) || len(c)-k > 2 || len(c)-k == 2 && !isDigit(c[k+1]) && !capitals(c[k+1:]) {
		return 0
	}
	f.add(personal.Postcode, w.start, end, true)
	return end
}

func isInward(c string) bool { return len(c) == 3 && isDigit(c[0]) && capitals(c[1:]) }
