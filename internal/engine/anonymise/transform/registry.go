package transform

import (
	"slices"

	"github.com/garant-project/garant/internal/engine/anonymise/personal"
)

// Words are a short text in both languages.
type Words struct{ FR, EN string }

// An Argument is something that a plan may write beside a transformer's name.
type Argument struct {
	Name    string
	Default string // as a plan would write it; empty: none
	Needed  bool
	Words   Words
}

// A Description is what plans, pages and commands say of a transformer.
type Description struct {
	Name      string
	Kinds     []personal.Kind // that it may serve
	DefaultOf []personal.Kind // that it serves unless a plan says otherwise
	Fits      []Family
	Args      []Argument
	Unique    bool // serves unique columns
	Clear     bool // what it gives may be a value of the source, or is not judged here: the plan's reader must know
	MayBeNull bool // may give NULL
	Words     Words
}

// entry is a transformer with what makes it.
type entry struct {
	Description
	make func(*maker) (Transformer, error)
}

// Descriptions lists all transformers, in the order in which the manual shows them.
func Descriptions() []Description {
	var all []Description
	for _, e := range entries() {
		all = append(all, e.Description)
	}
	return all
}

// Describe finds a transformer by its name.
func Describe(name string) (Description, bool) {
	e, ok := find(name)
	return e.Description, ok
}

// find returns the transformer of a name. The list is made anew each time: it refers to what refers to it, and is short.
func find(name string) (entry, bool) {
	all := entries()
	i := slices.IndexFunc(all, func(e entry) bool { return e.Name == name })
	if i < 0 {
		return entry{}, false
	}
	return all[i], true
}

func transformerNames() []string {
	var all []string
	for _, e := range entries() {
		all = append(all, e.Name)
	}
	slices.Sort(all)
	return all
}

// uniqueFor names the transformers that serve a unique column of a family.
func uniqueFor(f Family) []string {
	var all []string
	for _, e := range entries() {
		if e.Unique && e.fits(f) {
			all = append(all, e.Name)
		}
	}
	if len(all) == 0 {
		return []string{"none: leave the column out of the unique index of the copy"}
	}
	return all
}

func entries() []entry {
	return slices.Concat(personEntries(), numberEntries(), placeEntries(), plainEntries(), compoundEntries())
}
