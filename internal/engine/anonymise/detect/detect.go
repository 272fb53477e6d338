package detect

import (
	"slices"

	"github.com/garant-project/garant/internal/engine/anonymise/personal"
)

// Column is what is known of a column. Only Name and Type are needed; the more there is, the surer the answer.
type Column struct {
	Schema, Table, Name string
	Type                string   // as format_type or the catalogue writes it: "character varying(80)", "text[]", "inet"
	Comment             string   // of the column
	Checks              []string // expressions of its check constraints
	Enum                []string // labels, where the type is an enumeration
	References          string   // table.column that a foreign key of this column alone leads to
	Beside              *Names   // TableColumns, read beforehand for all columns of a table; nil: they are read here
	TableColumns        []string // names of the table's columns: "name" beside "email" is a person's, beside "sku" a product's
	Unique              bool
	Samples             []string // values in text form, without NULL; none where there is no data to look at
}

// Confidence says what an answer rests on.
type Confidence uint8

// The degrees. The first is a question: a person has to say.
const (
	Unknown Confidence = iota // nothing speaks clearly, or what speaks contradicts itself
	Weak                      // a word that means this together with what stands around it
	Fair                      // a name, a type or samples that say it clearly
	Strong                    // two of these that agree, or check digits
)

func (c Confidence) String() string {
	switch c {
	case Weak:
		return "weak"
	case Fair:
		return "fair"
	case Strong:
		return "strong"
	default:
		return "unknown"
	}
}

// Result is what a column holds.
type Result struct {
	Kind         personal.Kind // of a question, the most careful of what it may be: never personal.None
	Class        personal.Class
	Confidence   Confidence
	Because      []Reason
	Alternatives []personal.Kind // what else it may be; for a question personal.None may be among them
	Paths        []Path          // of a JSON column with samples
}

// Question tells whether a person has to say what the column holds. A plan must not take a question for an answer.
func (r Result) Question() bool { return r.Confidence == Unknown }

// Detect says what a column holds.
func Detect(c Column) Result {
	r := examine(&c)
	if r.Question() && c.Unique && typeOf(c.Type, len(c.Enum) > 0).family == ofText { // no two rows alike: it may tell persons apart
		r.Alternatives = append(r.Alternatives, personal.Username)
	}
	r.Class = r.Kind.Class()
	r.Alternatives = slices.DeleteFunc(r.Alternatives, func(k personal.Kind) bool { return k == r.Kind })
	return r
}

func examine(c *Column) Result {
	t := typeOf(c.Type, len(c.Enum) > 0)
	ctx := contextOf(c)
	named := ctx.named(c, t)
	switch t.family {
	case ofBoolean:
		return byBoolean(named)
	case ofTime:
		return byTime(c, t, named)
	case ofNumber:
		return byNumber(c, named)
	case ofEnum:
		return byLabels(c.Enum, named)
	case ofJSON:
		return byDocument(c, named)
	case ofBytes:
		return byBytes(named)
	case ofUUID:
		if (named.kind == personal.Device || named.kind == personal.Credential) && c.References == "" { // the key of a row that holds a token is none
			return answer(named.kind, Fair, named.because)
		}
		return answer(personal.None, Fair, because(reasonType, t.name))
	case ofNetwork:
		return byType(personal.IP, t, named)
	case ofHardware:
		return byType(personal.Device, t, named)
	case ofPlace:
		return byType(personal.Coordinates, t, named)
	case ofSearch:
		return answer(personal.Text, Fair, because(reasonType, t.name))
	case ofPlain:
		return answer(personal.None, Fair, because(reasonType, t.name))
	case ofText:
		return byText(c, named)
	}
	if named.kind == personal.None || named.confidence == Unknown { // a type that is not known
		return question(personal.Text, append(named.because, because(reasonUnknownType, t.name)...), personal.None)
	}
	return byText(c, named)
}

func answer(k personal.Kind, c Confidence, reasons []Reason, alternatives ...personal.Kind) Result {
	return Result{Kind: k, Confidence: c, Because: reasons, Alternatives: alternatives}
}

func question(k personal.Kind, reasons []Reason, alternatives ...personal.Kind) Result {
	if k == personal.None {
		k = personal.Text
	}
	return Result{Kind: k, Confidence: Unknown, Because: reasons, Alternatives: alternatives}
}

func because(code Code, word string) []Reason { return []Reason{{Code: code, Word: word}} }

// byType answers where the type itself is personal data.
func byType(k personal.Kind, t typed, named reading) Result {
	reasons := because(reasonType, t.name)
	if named.kind == k {
		return answer(k, Strong, append(reasons, named.because...))
	}
	return answer(k, Fair, reasons)
}

// byBoolean: only a special category is worth a yes or no: disabled, pregnant, smoker.
func byBoolean(named reading) Result {
	if named.kind == personal.Special && named.confidence > Unknown {
		return answer(personal.Special, named.confidence, named.because)
	}
	return answer(personal.None, Fair, because(reasonType, "boolean"))
}

// byTime: a day or a time is personal when it is that of a birth, a death or an illness.
func byTime(c *Column, t typed, named reading) Result {
	if named.confidence > Unknown && (named.kind == personal.BirthDate || named.kind == personal.Special) {
		if named.kind == personal.BirthDate && birthYears(c.Samples) {
			return answer(personal.BirthDate, Strong, append(named.because, Reason{Code: reasonBirthYears}))
		}
		return answer(named.kind, named.confidence, named.because)
	}
	if birthYears(c.Samples) {
		return question(personal.BirthDate, append(named.because, Reason{Code: reasonBirthYears}), personal.None)
	}
	if t.name == "date" && len(c.Samples) == 0 && named.confidence == Unknown && !ofEvent(c.Name) {
		return question(personal.BirthDate, because(reasonNoSamples, ""), personal.None)
	}
	return answer(personal.None, Fair, because(reasonType, t.name))
}

// byNumber: a number is personal when its name says so, or when its samples carry check digits.
func byNumber(c *Column, named reading) Result {
	seen := contentOf(c)
	if named.confidence > Unknown {
		switch named.kind {
		case personal.Special, personal.Sex, personal.BirthDate, personal.NationalNumber, personal.Card, personal.Coordinates, personal.Postcode, personal.IdentityPaper:
			if seen.kind == named.kind {
				return answer(named.kind, Strong, append(named.because, seen.reason()))
			}
			return answer(named.kind, named.confidence, named.because)
		case personal.Phone, personal.IBAN:
			if !named.weak {
				return answer(named.kind, named.confidence, named.because)
			}
		case personal.Credential:
			if isShortSecret(named.word) {
				return answer(named.kind, named.confidence, named.because)
			}
		}
	}
	if seen.kind != personal.None && seen.sure && seen.whole >= 0.9 && seen.n >= 3 {
		return question(seen.kind, []Reason{seen.reason()}, personal.None)
	}
	return answer(personal.None, Fair, because(reasonType, "number"))
}

// isShortSecret tells the secrets that are numbers.
func isShortSecret(word string) bool {
	switch word {
	case "pin", "pincode", "codepin", "cvv", "cvc", "cvv2", "otp", "securitycode", "verificationcode", "accesscode", "activationcode", "coderecuperation", "recoverycode", "authcode":
		return true
	}
	return false
}

// byLabels: the labels of an enumeration, or of a check that lists values.
func byLabels(labels []string, named reading) Result {
	reasons := because(reasonLabels, "")
	switch {
	case areSexes(labels):
		return answer(personal.Sex, Strong, reasons)
	case named.confidence > Unknown && (named.kind == personal.Sex || named.kind == personal.Special):
		return answer(named.kind, named.confidence, named.because)
	case areSpecial(labels):
		return question(personal.Special, reasons, personal.None)
	}
	return answer(personal.None, Fair, reasons)
}

// byBytes: bytes may hold anything, but a name may say that they are a secret.
func byBytes(named reading) Result {
	reasons := because(reasonType, "bytea")
	if named.kind == personal.Credential {
		return answer(personal.Credential, Fair, append(named.because, reasons...))
	}
	if named.kind == personal.None && named.confidence >= Fair && !named.silent && isDigest(named.word) {
		return answer(personal.None, Fair, append(named.because, reasons...))
	}
	return answer(personal.File, Fair, reasons)
}

func isDigest(word string) bool {
	switch word {
	case "checksum", "digest", "md5", "sha1", "sha256", "etag", "publickey", "variationdigest":
		return true
	}
	return false
}

// byDocument: a JSON document is judged by its paths.
func byDocument(c *Column, named reading) Result {
	if named.kind == personal.Coordinates || named.kind == personal.Credential && !named.weak {
		r := answer(named.kind, Fair, named.because, personal.Text)
		r.Paths = DetectJSON(c.Samples)
		return r
	}
	if len(c.Samples) == 0 {
		return question(personal.Text, append(because(reasonDocument, ""), Reason{Code: reasonNoSamples}), personal.None)
	}
	r := answer(personal.None, Fair, because(reasonDocument, ""))
	r.Paths = DetectJSON(c.Samples)
	for _, p := range r.Paths {
		if p.Kind != personal.None {
			r.Kind, r.Confidence = personal.Text, Fair
			r.Because = append(r.Because, Reason{Code: reasonPath, Word: p.Path})
			break
		}
	}
	return r
}
