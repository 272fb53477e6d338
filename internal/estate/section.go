package estate

import (
	"slices"
	"strings"
)

// part is one thing that an entry of a section declares, as far as expectations go.
type part[T any] struct {
	key     string
	kind    ReductionKind
	show    func(T) string
	reduced func(expected, now T) bool // now proves less than was expected
	keep    func(to *T, expected T)
}

// section is a list of entries with names: what of it is compared when an estate replaces another.
type section[T any] struct {
	name     string // as in garant.yaml
	of       func(*Estate) *[]T
	id       func(T) string // its name
	target   func(T) string // the scope name of it as a whole
	shown    func(T) string // the entry in a few words
	measures func(T) []string
	parts    []part[T]
}

// comparableSection is a section of whatever entries.
type comparableSection interface {
	diff(before, after *Estate, compare func(key, from, to string))
	reductions(before, after *Estate) []Reduction
	expect(grown, expected *Estate)
}

// comparableSections lists the sections that are compared in this way, in the order of garant.yaml.
func comparableSections() []comparableSection {
	return []comparableSection{checkSection(), importSection(), witnessSection(), auditKeeping{}, auditCopySection(), streamSection(), logSection(), cloudLogSection(), workspaceSection()}
}

func (s section[T]) find(e *Estate, id string) (T, bool) {
	list := *s.of(e)
	if i := slices.IndexFunc(list, func(one T) bool { return s.id(one) == id }); i >= 0 {
		return list[i], true
	}
	var none T
	return none, false
}

func (s section[T]) diff(before, after *Estate, compare func(key, from, to string)) {
	for _, now := range *s.of(after) {
		key := s.name + "." + s.id(now)
		was, ok := s.find(before, s.id(now))
		if !ok {
			compare(key, "", s.shown(now))
			continue
		}
		for _, p := range s.parts {
			compare(key+"."+p.key, p.show(was), p.show(now))
		}
	}
	for _, was := range *s.of(before) {
		if _, ok := s.find(after, s.id(was)); !ok {
			compare(s.name+"."+s.id(was), s.shown(was), "")
		}
	}
}

func (s section[T]) reductions(before, after *Estate) []Reduction {
	var reductions []Reduction
	list := slices.SortedFunc(slices.Values(*s.of(before)), func(a, b T) int { return strings.Compare(s.id(a), s.id(b)) })
	for _, was := range list {
		key := s.name + "." + s.id(was)
		now, ok := s.find(after, s.id(was))
		if !ok {
			reductions = append(reductions, Reduction{Kind: TargetRemoved, Target: s.target(was), Key: key, From: s.shown(was), Measures: s.measures(was)})
			continue
		}
		for _, p := range s.parts {
			if p.reduced(was, now) {
				reductions = append(reductions, Reduction{Kind: p.kind, Target: s.target(was), Key: key + "." + p.key, From: p.show(was), To: p.show(now), Measures: s.measures(was)})
			}
		}
	}
	return reductions
}

// expect puts back into grown what the expected estate has and grown lacks.
func (s section[T]) expect(grown, expected *Estate) {
	list := slices.Clone(*s.of(grown))
	for _, was := range *s.of(expected) {
		i := slices.IndexFunc(list, func(one T) bool { return s.id(one) == s.id(was) })
		if i < 0 {
			list = append(list, was)
			continue
		}
		now := list[i]
		for _, p := range s.parts {
			if p.reduced(was, now) {
				p.keep(&list[i], was)
			}
		}
	}
	*s.of(grown) = list
}

// never is the reduced of a part that nothing leans on.
func never[T any](T, T) bool { return false }

// differ is the reduced of a part of which any change is one.
func differ[T any](show func(T) string) func(a, b T) bool {
	return func(a, b T) bool { return show(a) != show(b) }
}

// lacks reports whether something of was is not in now.
func lacks(was, now []string) bool {
	return slices.ContainsFunc(was, func(w string) bool { return !slices.Contains(now, w) })
}

// sorted writes names in order.
func sorted(names []string) string {
	return strings.Join(slices.Sorted(slices.Values(names)), ", ")
}
