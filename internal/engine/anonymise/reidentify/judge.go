package reidentify

import "fmt"

// Thresholds say what is tolerable.
type Thresholds struct {
	K      int     // persons in the smallest class
	L      int     // values of a sensitive column in the class that has fewest; 0 does not ask
	Small  float64 // part of the rows that may stand in classes below K or L
	Linked float64 // part of the rows that an attack may lead back to their person
}

// A Figure names what was measured.
type Figure string

// The figures.
const (
	NoRows    Figure = "rows"      // there were none to measure
	ClassSize Figure = "k"         // rows in classes that are too small
	Variety   Figure = "l"         // rows in classes with too few values of a sensitive column
	Linkable  Figure = "linked"    // rows that an attack led back
	NoAttack  Figure = "attack"    // the attack saw other rows than the copy has
	Unasked   Figure = "threshold" // a threshold that asks for nothing
)

// A Problem is a figure beyond its threshold.
type Problem struct {
	Figure  Figure
	Columns []string // concerned
	Rows    int64
	Got     float64
	Want    float64
}

func (p Problem) String() string {
	return fmt.Sprintf("%s %v: %d rows, %.4g instead of %.4g", p.Figure, p.Columns, p.Rows, p.Got, p.Want)
}

// Judge lists what is not tolerable; nothing means that the figures pass. attack may be nil only where no column of the table tells of a person.
func Judge(t Table, c Classes, attack *Outcome, want Thresholds) []Problem {
	var out []Problem
	if want.K < 2 {
		out = append(out, Problem{Figure: Unasked, Got: float64(want.K), Want: 2})
	}
	if c.Rows == 0 {
		return append(out, Problem{Figure: NoRows, Want: 1})
	}
	part := func(rows int64) float64 { return float64(rows) / float64(c.Rows) }
	if c.Smallest < int64(want.K) && part(c.Small) > want.Small {
		out = append(out, Problem{ClassSize, t.Quasi, c.Small, float64(c.Smallest), float64(want.K)})
	}
	for _, d := range c.Diversity {
		if want.L > 0 && d.Least < int64(want.L) && part(d.Rows) > want.Small {
			out = append(out, Problem{Variety, []string{d.Column}, d.Rows, float64(d.Least), float64(want.L)})
		}
	}
	switch {
	case attack == nil || attack.Rows != c.Rows:
		p := Problem{Figure: NoAttack, Want: float64(c.Rows)}
		if attack != nil {
			p.Rows, p.Got = attack.Rows, float64(attack.Rows)
		}
		out = append(out, p)
	case attack.Share() > want.Linked:
		out = append(out, Problem{Linkable, attack.Worst.Columns, attack.Worst.Right, attack.Share(), want.Linked})
	}
	return out
}
