package measure

import "strings"

// RegisterScope is how a scope begins that is a register; the register's name follows.
const RegisterScope = "register:"

// RegisterOf returns the first register that a scope names; empty where it names none.
func RegisterOf(scope []string) string {
	for _, s := range scope {
		if name, ok := strings.CutPrefix(s, RegisterScope); ok {
			return name
		}
	}
	return ""
}
