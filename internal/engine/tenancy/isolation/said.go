package isolation

import (
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/garant-project/garant/internal/web/ui"
)

// sayings are the sentences of package verify in another language. Evidence keeps them as they were said, in English: so they
// are recognised, whatever names stand in them.
type sayings []saying

type saying struct {
	english string
	parts   []string // between the names
	is      *regexp.Regexp
	letters []string // of the names, in the order in which they stand
	known   int      // how much of it is no name
	theirs  string
}

// placeholder stands for a name in a sentence.
var placeholder = regexp.MustCompile(`\{[A-Z]\}`)

func readSayings(lang string, text []byte) (sayings, error) {
	var pairs map[string]string
	if err := yaml.Unmarshal(text, &pairs); err != nil {
		return nil, err
	}
	var all sayings
	for english, theirs := range pairs {
		parts := placeholder.Split(english, -1)
		var quoted []string
		for _, p := range parts {
			quoted = append(quoted, regexp.QuoteMeta(p))
		}
		is, err := regexp.Compile(`(?s)^` + strings.Join(quoted, `(.+?)`) + `$`)
		if err != nil {
			return nil, err
		}
		all = append(all, saying{english, parts, is, placeholder.FindAllString(english, -1), len(placeholder.ReplaceAllString(english, "")), ui.Typeset(lang, theirs)})
	}
	slices.SortFunc(all, func(a, b saying) int {
		if a.known != b.known {
			return b.known - a.known
		}
		return strings.Compare(a.english, b.english)
	})
	return all, nil
}

// say gives a sentence in the other language; not ok when it is not known there.
func (all sayings) say(text string) (said string, ok bool) {
	s, names := all.find(text)
	if s == nil {
		return text, false
	}
	var replaced []string
	for i, letter := range s.letters {
		name := names[i]
		if strings.Contains(name, " ") { // a part of a sentence, or a name in quotes, which is none
			name, _ = all.say(name)
		}
		replaced = append(replaced, letter, name)
	}
	return strings.NewReplacer(replaced...).Replace(s.theirs), true
}

// find is the sentence that says the most of a text, with the names in it.
func (all sayings) find(text string) (s *saying, names []string) {
	for i := range all {
		if !all[i].mayBe(text) {
			continue
		}
		if found := all[i].is.FindStringSubmatch(text); found != nil && !slices.ContainsFunc(found[1:], cutsName) {
			return &all[i], found[1:]
		}
	}
	return nil, nil
}

// mayBe reports whether all that is no name stands in a text: quicker told than by an expression, of which there are hundreds.
func (s *saying) mayBe(text string) bool {
	if !strings.HasPrefix(text, s.parts[0]) || !strings.HasSuffix(text, s.parts[len(s.parts)-1]) {
		return false
	}
	for _, p := range s.parts {
		_, after, found := strings.Cut(text, p)
		if !found {
			return false
		}
		text = after
	}
	return true
}

// cutsName reports whether a part of a text begins or ends within a name in quotes.
func cutsName(part string) bool { return strings.Count(part, `"`)%2 == 1 }
