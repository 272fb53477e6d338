package detect

import (
	"slices"
	"strings"

	"github.com/garant-project/garant/internal/engine/anonymise/personal"
)

// byText weighs a name against samples.
func byText(c *Column, named reading) Result {
	if labels := listed(c.Checks); len(labels) > 1 && (named.kind == personal.None || named.weak || named.confidence == Unknown || areSexes(labels)) {
		r := byLabels(labels, named)
		if r.Kind != personal.None || named.kind == personal.None || named.weak {
			return r
		}
	}
	seen := contentOf(c)
	if seen.n == 0 {
		if named.confidence == Unknown {
			return question(named.kind, append(named.because, Reason{Code: reasonNoSamples}), named.others...)
		}
		return answer(named.kind, named.confidence, named.because, named.others...)
	}
	clear := named.confidence > Unknown
	said := named.kind
	strong := clear && !named.weak
	switch {
	case seen.kind != personal.None && seen.whole >= 0.6 || isName(seen.kind) && seen.whole >= 0.4 && (!clear || named.weak || isName(said)):
		return weigh(named, seen)
	case clear && said == personal.None:
		return harmless(named, seen)
	case clear && said == personal.Text && !strong:
		return looseText(named, seen)
	case strong && contradicts(said, seen):
		return question(said, append(named.because, Reason{Code: reasonContradicts}), append(named.others, personal.None)...)
	case strong:
		if seen.hits[said] > 0 {
			return answer(said, Strong, append(named.because, Reason{Code: reasonSamples, Word: string(said), Hit: seen.hits[said], Of: seen.n}), named.others...)
		}
		return answer(said, Fair, named.because, named.others...)
	case clear:
		return weak(named, seen)
	}
	return unnamed(named, seen)
}

// weigh: most samples are of one kind.
func weigh(named reading, seen *content) Result {
	said, k := named.kind, seen.kind
	reasons := slices.Concat(named.because, []Reason{seen.reason()})
	clear := named.confidence > Unknown
	switch {
	case clear && said == k:
		return answer(k, Strong, reasons, named.others...)
	case clear && said != personal.None && !named.weak && agrees(said, k):
		return answer(said, Strong, reasons, k)
	case clear && said != personal.None && named.weak && agrees(said, k):
		if isName(said) && isName(k) && said != personal.FullName || !seen.sure && (isName(said) || said == personal.Username) {
			k = said
		}
		return answer(k, Strong, reasons, said)
	case clear && said == personal.Text:
		if seen.whole >= 0.95 && seen.sure || named.weak {
			return answer(k, Fair, reasons, personal.Text)
		}
		return answer(personal.Text, Fair, append(named.because, Reason{Code: reasonWithin, Word: string(k), Hit: seen.hits[k], Of: seen.n}), k)
	case clear && said == personal.None && !seen.sure:
		if named.weak && seen.whole >= 0.8 && k != personal.Town && k != personal.GivenName {
			return answer(k, Fair, reasons, personal.None)
		}
		return question(k, append(reasons, Reason{Code: reasonContradicts}), personal.None)
	case clear && said != personal.None && !named.weak && !seen.sure:
		return answer(said, Fair, named.because, append(named.others, k)...)
	case seen.sure && seen.whole >= 0.9:
		return answer(k, Strong, reasons, append(named.others, said)...)
	}
	return answer(k, Fair, reasons, append(named.others, said)...)
}

// agrees tells whether samples of kind seen are what a name of kind said may look like.
func agrees(said, seen personal.Kind) bool {
	switch said {
	case personal.GivenName, personal.FamilyName, personal.FullName:
		return isName(seen) || seen == personal.Town
	case personal.Username:
		return isName(seen) || seen == personal.Email || seen == personal.PersonURL || seen == personal.Phone || seen == personal.Device
	case personal.Address, personal.Town, personal.Postcode:
		return isPlace(seen) || isName(seen)
	case personal.NationalNumber, personal.IdentityPaper, personal.Card, personal.IBAN, personal.Device:
		return seen == personal.Phone || seen == personal.Card || seen == personal.NationalNumber || seen == personal.Postcode || seen == personal.IBAN && said != personal.Card
	case personal.Credential:
		return seen != personal.Email
	case personal.Special:
		return true
	case personal.File:
		return seen == personal.PersonURL
	case personal.Phone:
		return seen == personal.NationalNumber || seen == personal.Card
	}
	return false
}

// contradicts tells whether no sample has the form that a name promises, where that kind has one.
func contradicts(said personal.Kind, seen *content) bool {
	switch said {
	case personal.Email, personal.IBAN, personal.IP, personal.Phone, personal.Coordinates:
		if said == personal.Coordinates || said == personal.Phone {
			return seen.n >= 3 && seen.codes == seen.n && seen.distinct*2 <= seen.n
		}
		return seen.n >= 3 && seen.hits[said] == 0 && seen.held == 0
	case personal.GivenName, personal.FamilyName, personal.FullName, personal.Address, personal.Town:
		return seen.n >= 3 && seen.codes == seen.n && seen.names == 0
	}
	return false
}

// harmless: the name says that it is nothing. Samples may say otherwise.
func harmless(named reading, seen *content) Result {
	switch {
	case seen.held > 0 && seen.share(seen.held) >= 0.1:
		return question(personal.Text, append(named.because, Reason{Code: reasonWithin, Word: string(seen.within), Hit: seen.held, Of: seen.n}), personal.None)
	case seen.share(seen.sentences) >= 0.5:
		return question(personal.Text, append(named.because, Reason{Code: reasonSentences, Hit: seen.sentences, Of: seen.n}), personal.None)
	case seen.share(seen.codes) >= 0.8:
		return answer(personal.None, Strong, append(named.because, Reason{Code: reasonCodes, Hit: seen.codes, Of: seen.n}))
	}
	return answer(personal.None, Fair, named.because)
}

// looseText: a word such as value or title, which may hold text or nothing.
func looseText(named reading, seen *content) Result {
	switch {
	case seen.share(seen.codes) >= 0.9 && seen.held == 0:
		return answer(personal.None, Fair, append(named.because, Reason{Code: reasonCodes, Hit: seen.codes, Of: seen.n}), personal.Text)
	case seen.share(seen.opaque) >= 0.8:
		return question(personal.Credential, append(named.because, Reason{Code: reasonOpaque, Hit: seen.opaque, Of: seen.n}), personal.Text, personal.None)
	case seen.sentences > 0:
		return answer(personal.Text, Strong, append(named.because, Reason{Code: reasonSentences, Hit: seen.sentences, Of: seen.n}))
	}
	return answer(personal.Text, Weak, named.because, personal.None)
}

// weak: a word that means something only where it stands, and samples that show no kind.
func weak(named reading, seen *content) Result {
	said := named.kind
	switch {
	case seen.share(seen.opaque) >= 0.8 && said == personal.Credential:
		return answer(said, Strong, append(named.because, Reason{Code: reasonOpaque, Hit: seen.opaque, Of: seen.n}))
	case seen.share(seen.sentences) >= 0.5:
		return answer(personal.Text, Fair, append(named.because, Reason{Code: reasonSentences, Hit: seen.sentences, Of: seen.n}), said)
	case (isName(said) || said == personal.Phone || said == personal.Email) && seen.codes == seen.n && seen.distinct < seen.n:
		return question(said, append(named.because, Reason{Code: reasonContradicts}), personal.None)
	}
	return answer(said, named.confidence, named.because, named.others...)
}

// unnamed: the name says nothing; samples alone decide, and where they do not, a person has to.
func unnamed(named reading, seen *content) Result {
	switch {
	case seen.share(seen.opaque) >= 0.5:
		return question(personal.Credential, append(named.because, Reason{Code: reasonOpaque, Hit: seen.opaque, Of: seen.n}), personal.Device, personal.None)
	case seen.held > 0:
		return answer(personal.Text, Fair, append(named.because, Reason{Code: reasonWithin, Word: string(seen.within), Hit: seen.held, Of: seen.n}))
	case seen.sentences > 0 && seen.share(seen.sentences) >= 0.3:
		return answer(personal.Text, Fair, append(named.because, Reason{Code: reasonSentences, Hit: seen.sentences, Of: seen.n}))
	case seen.codes == seen.n && seen.n >= 2:
		return answer(personal.None, Fair, append(named.because, Reason{Code: reasonCodes, Hit: seen.codes, Of: seen.n}))
	}
	return question(named.kind, named.because, named.others...)
}

// listed returns the values that a check lists: sex IN ('M', 'F'), as PostgreSQL writes it with ARRAY.
func listed(checks []string) []string {
	for _, check := range checks {
		if !containsAny(check, "ARRAY[", " IN (", " in (") {
			continue
		}
		var labels []string
		for i := 0; i < len(check); i++ {
			if check[i] != '\'' {
				continue
			}
			j := i + 1
			for j < len(check) && check[j] != '\'' {
				j++
			}
			labels = append(labels, check[i+1:min(j, len(check))])
			i = j
		}
		if len(labels) > 1 {
			return labels
		}
	}
	return nil
}

func containsAny(s string, parts ...string) bool {
	for _, p := range parts {
		if strings.Contains(s, p) {
			return true
		}
	}
	return false
}
