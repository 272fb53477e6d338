package estate

import (
	"math/big"
	"regexp"
	"strings"
)

// Comparison is what a value is held to: "= on", "<= 5". Both sides are compared as numbers when
// the constant is one, else as text, which only = and != can do.
type Comparison struct {
	Op   string // "=", "!=", "<", "<=", ">", ">="
	Than string
}

var (
	comparisonForm = regexp.MustCompile(`^(=|!=|<=|>=|<|>)\s*(\S.*)$`)
	numberForm     = regexp.MustCompile(`^[+-]?[0-9]{1,30}(\.[0-9]{1,30})?$`)
)

// ParseComparison reads a comparison; a constant alone means "=". Not a number (NaN) and infinity
// are texts, so that no order is ever found between them and a number.
func ParseComparison(s string) (Comparison, bool) {
	s = strings.TrimSpace(s)
	c := Comparison{"=", s}
	if m := comparisonForm.FindStringSubmatch(s); m != nil {
		c = Comparison{m[1], strings.TrimSpace(m[2])}
	}
	if strings.Trim(c.Than, "=!<>") == "" {
		return Comparison{}, false
	}
	_, number := decimal(c.Than)
	return c, c.Than != "" && (number || c.Op == "=" || c.Op == "!=")
}

func decimal(s string) (*big.Rat, bool) {
	if !numberForm.MatchString(s) {
		return nil, false
	}
	return new(big.Rat).SetString(s)
}

// Number reports whether the constant is a number.
func (c Comparison) Number() bool {
	_, ok := decimal(c.Than)
	return ok
}

// Holds compares a value. ok is false when the two cannot be compared: a number is asked for and
// the value is none.
func (c Comparison) Holds(value string) (holds, ok bool) {
	than, number := decimal(c.Than)
	if !number {
		return (value == c.Than) == (c.Op == "="), true
	}
	is, ok := decimal(strings.TrimSpace(value))
	if !ok {
		return false, false
	}
	order := is.Cmp(than)
	switch c.Op {
	case "=":
		return order == 0, true
	case "!=":
		return order != 0, true
	case "<":
		return order < 0, true
	case "<=":
		return order <= 0, true
	case ">":
		return order > 0, true
	}
	return order >= 0, true
}

// String writes it as garant.yaml has it.
func (c Comparison) String() string { return c.Op + " " + c.Than }
