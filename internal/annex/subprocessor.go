package annex

import (
	"cmp"
	"slices"
	"time"
)

// Subprocessor is another company that processes personal data on behalf of this one
// (GDPR 28(2)). All of it is published.
type Subprocessor struct {
	ID      string `json:"id"`      // stable, whatever the name becomes
	Name    string `json:"name"`    // legal name
	Country string `json:"country"` // where it is established, ISO 3166-1 alpha-2

	Service   map[string]string `json:"service"`             // what it does, by language
	Data      map[string]string `json:"data"`                // what data it sees, by language
	Places    []string          `json:"places"`              // countries where it processes, ISO 3166-1 alpha-2
	Safeguard map[string]string `json:"safeguard,omitempty"` // of transfers out of the EEA, by language
	Since     time.Time         `json:"since,omitzero"`      // when it began, or is to begin
}

// sorted brings a list into an order that depends on nothing but the list. It is never nil: a
// list that was declared and is empty says that there are none.
func sorted(list []Subprocessor) []Subprocessor {
	out := append([]Subprocessor{}, list...)
	for i := range out {
		out[i].Since = out[i].Since.UTC()
	}
	slices.SortFunc(out, func(a, b Subprocessor) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return out
}
