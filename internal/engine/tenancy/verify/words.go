package verify

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg/sqlname"
)

// Names of Garant's own in a guarded cluster.
const (
	tenancyName = "garant"      // the schema
	movesName   = "garant_move" // of package move
	secRole     = "garant_sec"
	keeperRole  = "garant_keeper"
)

// pinned are the parameters that hold the tenant context in design pinned. Whoever may set one chooses
// the tenant.
func pinned() []string { return []string{"backtrace_functions"} }

func quote(name string) string { return sqlname.Quote(name) }

func number(n int64) string { return strconv.FormatInt(n, 10) }

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

func tooMuch(what string, most int) error {
	return errs.New(errs.Invalid, "tenancy.verify.too_large", fmt.Sprintf("The database has more than %d %s.", most, what)).
		WithFix("Nothing was judged; verify reads a database that people can still oversee.")
}
