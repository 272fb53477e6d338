package verify

import (
	"cmp"
	"slices"
	"strings"
)

// acceptedChecks hold the manifest's list of accepted findings to what was found. They come after all that judge
// the catalogue; what only a probe finds is accepted with the check that sees the cause.
func acceptedChecks() []Check {
	return []Check{
		{ID: "accepted.gone", Kind: Static, Severity: Low, Title: "An accepted finding is not found any more",
			Why: "Whoever accepted it spoke of what was there that day; left on the list, the line would cover the next fault at the same place.", look: acceptedGone},
		{ID: "accepted.refused", Kind: Static, Severity: Medium, Title: "The manifest accepts what cannot be accepted",
			Why: "Findings of high and critical severity open the way to other tenants’ rows: they are mended, or declared as a way around. The entry has no effect.", look: acceptedRefused},
	}
}

// acceptable reports whether somebody may answer for what a check finds.
func (c *Check) acceptable() bool {
	return c.Kind == Static && !c.Severity.AtLeast(High) && c.look != nil && !strings.HasPrefix(c.ID, "accepted.")
}

// accept parts the findings that the manifest accepts from the rest.
func (j *judge) accept(check Check, findings []Finding) (left []Finding, accepted []Accepted) {
	id := cmp.Or(check.accepted, check.ID)
	for _, f := range findings {
		a := j.m.Accepts(id, f.Object)
		if by := checkOf(id); a == nil || by == nil || !by.acceptable() {
			left = append(left, f)
			continue
		}
		if j.accepted[a] == nil {
			j.accepted[a] = map[string]bool{}
		}
		j.accepted[a][f.Object] = true
		accepted = append(accepted, Accepted{f, a.Reason, a.By, a.Date})
	}
	return left, accepted
}

func acceptedGone(j *judge) {
	for i := range j.m.Accepted {
		a := &j.m.Accepted[i]
		if check := checkOf(a.Check); check == nil || !check.acceptable() {
			continue
		}
		for _, object := range a.Objects {
			j.see()
			if !j.accepted[a][object] {
				j.found(object, "The manifest accepts "+a.Check+" of it, which is not found there.", "Remove it from accepted in the manifest.")
			}
		}
	}
}

func acceptedRefused(j *judge) {
	for i := range j.m.Accepted {
		a := &j.m.Accepted[i]
		j.see()
		switch check := checkOf(a.Check); {
		case check == nil:
			j.found(quote(a.Check), "There is no such check.", "Correct the entry under accepted in the manifest: garant isolation checks lists them.")
		case check.Kind == Probe:
			j.found(a.Check, "It is a probe: what it finds has a cause that another check names.", "Accept the finding of that check, or mend it; remove the entry from accepted in the manifest.")
		case strings.HasPrefix(check.ID, "accepted."):
			j.found(a.Check, "It is about this list itself.", "Mend the list, and remove the entry from accepted in the manifest.")
		case !check.acceptable():
			j.found(a.Check, "Its findings are of high severity or worse.", "Mend them, and remove the entry from accepted in the manifest.")
		}
	}
}

// checkOf is the check of an id, nil when there is none.
func checkOf(id string) *Check {
	checks := Checks()
	if i := slices.IndexFunc(checks, func(c Check) bool { return c.ID == id }); i >= 0 {
		return &checks[i]
	}
	return nil
}
