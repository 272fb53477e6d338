package token

import (
	"fmt"
	"slices"
	"strings"

	"github.com/garant-project/garant/internal/pg/sqlname"
)

// The modes of a [Capture]: of which columns the values are recorded. Of the others it is recorded that they changed.
const (
	CaptureAll  = "all"  // of every column
	CaptureOnly = "only" // of the columns that are named
	CaptureBut  = "but"  // of every column but those that are named
)

// CaptureFunction is what the triggers of a captured table run.
const CaptureFunction = "garant.capture()"

// Capture says how the changes of a table become events. Every string is as the catalogue has it, but Table.
type Capture struct {
	Table   string   // as PostgreSQL prints it, with its schema
	Tenant  string   // the column with the tenant's key; empty: its rows are of no one tenant
	Type    string   // of the key: uuid, bigint or text
	Keys    []string // the columns that name a row within its tenant (NamingKeys)
	Mode    string   // CaptureAll, CaptureOnly or CaptureBut
	Columns []string // of the mode
	As      string   // the name that it is recorded under: of a partition, that of the table that it is a part of
}

// NamingKeys are the columns of a primary key by which a row is named within its tenant: all but the tenant's own, unless it is alone.
func NamingKeys(primary []string, tenant string) []string {
	if len(primary) < 2 || tenant == "" {
		return primary
	}
	return slices.DeleteFunc(slices.Clone(primary), func(c string) bool { return c == tenant })
}

// CaptureTrigger is one of the triggers of a captured table.
type CaptureTrigger struct {
	Name string
	On   string   // INSERT, UPDATE, DELETE, TRUNCATE
	Args []string // of [CaptureFunction]
	New  bool     // sees the new rows
	Old  bool     // sees the old rows
	SQL  string
}

// CaptureTriggers are the names of the triggers of a captured table.
func CaptureTriggers() []string {
	return []string{"garant_capture_delete", "garant_capture_insert", "garant_capture_truncate", "garant_capture_update"}
}

// Triggers are those of the table, in the order of [CaptureTriggers].
func (c Capture) Triggers() []CaptureTrigger {
	columns := slices.Sorted(slices.Values(c.Columns))
	args := []string{c.Tenant, c.Type, array(c.Keys), c.Mode, array(columns), c.As}
	quoted := make([]string, len(args))
	for i, a := range args {
		quoted[i] = sqlname.Literal(a)
	}
	var all []CaptureTrigger
	for _, name := range CaptureTriggers() {
		t := CaptureTrigger{Name: name, On: strings.ToUpper(strings.TrimPrefix(name, "garant_capture_")), Args: args}
		t.New = t.On == "INSERT" || t.On == "UPDATE"
		t.Old = t.On == "DELETE" || t.On == "UPDATE"
		sees := ""
		if t.Old {
			sees = " OLD TABLE AS garant_old"
		}
		if t.New {
			sees += " NEW TABLE AS garant_new"
		}
		if sees != "" {
			sees = " REFERENCING" + sees
		}
		t.SQL = fmt.Sprintf("CREATE TRIGGER %s AFTER %s ON %s%s FOR EACH STATEMENT EXECUTE FUNCTION %s", t.Name, t.On, c.Table, sees,
			strings.TrimSuffix(CaptureFunction, ")")+strings.Join(quoted, ", ")+")")
		all = append(all, t)
	}
	return all
}

// array writes names as PostgreSQL reads an array of text.
func array(names []string) string {
	all := make([]string, len(names))
	for i, n := range names {
		all[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(n) + `"`
	}
	return "{" + strings.Join(all, ",") + "}"
}

// TriggerColumns are what a query of pg_trigger as t, with nothing but pg_catalog in the search path, reads for a [FoundTrigger].
const TriggerColumns = `(SELECT quote_ident(n.nspname) || '.' || quote_ident(p.proname) || '(' || oidvectortypes(p.proargtypes) || ')' FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace WHERE p.oid = t.tgfoid),
	t.tgtype, t.tgenabled::text, t.tgargs, coalesce(t.tgoldtable::text, ''), coalesce(t.tgnewtable::text, ''), t.tgqual IS NULL AND cardinality(t.tgattr::int2[]) = 0 AND NOT t.tgdeferrable`

// FoundTrigger is a trigger as the catalogue has it.
type FoundTrigger struct {
	function string
	on       int16
	enabled  string
	args     []byte
	old, new string
	plain    bool // neither WHEN nor UPDATE OF
}

// Targets are where a row of [TriggerColumns] is scanned to.
func (f *FoundTrigger) Targets() []any {
	return []any{&f.function, &f.on, &f.enabled, &f.args, &f.old, &f.new, &f.plain}
}

// Captures reports whether it runs [CaptureFunction].
func (f *FoundTrigger) Captures() bool { return f.function == CaptureFunction }

// Enabled reports whether it fires on what sessions write in the ordinary way.
func (f *FoundTrigger) Enabled() bool { return f.enabled == "O" || f.enabled == "A" }

// Is reports whether a found trigger is this one, enabled or not.
func (t CaptureTrigger) Is(f FoundTrigger) bool {
	args := ""
	for _, a := range t.Args {
		args += a + "\x00"
	}
	old, new := "", ""
	if t.Old {
		old = "garant_old"
	}
	if t.New {
		new = "garant_new"
	}
	on := map[string]int16{"INSERT": 4, "DELETE": 8, "UPDATE": 16, "TRUNCATE": 32}[t.On] // tgtype of AFTER … FOR EACH STATEMENT
	return f.function == CaptureFunction && f.on == on && string(f.args) == args && f.old == old && f.new == new && f.plain
}
