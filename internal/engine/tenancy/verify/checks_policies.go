package verify

import (
	"slices"
	"strings"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
)

func policyChecks() []Check {
	return []Check{
		{ID: "policies.always_true", Kind: Static, Severity: Critical, Title: "A policy lets every row through",
			Why: "An expression that is true of every row keeps nobody from anything.", look: policyReads(alwaysTrue, "It is true of every row.")},
		{ID: "policies.widening", Kind: Static, Severity: Critical, Title: "A second policy opens what the first one keeps",
			Why: "Permissive policies are joined by OR: one that does not ask for the tenant undoes all that do.", look: widening},
		{ID: "policies.check_weaker", Kind: Static, Severity: Critical, Title: "Rows can be written for another tenant",
			Why: "WITH CHECK asks less than USING: a session cannot read the row that it plants among another tenant’s.", look: checkWeaker},
		{ID: "policies.command_missing", Kind: Static, Severity: Medium, Title: "A right has no policy",
			Why: "The application was given a command that no policy allows on any row: it fails, or touches nothing, without a word.", look: commandMissing},
		{ID: "policies.role_left_out", Kind: Static, Severity: Medium, Title: "Policies leave out a role of the application",
			Why: "The role has rights on the table and no policy speaks of it: it gets no rows, and the next hurried policy will be a wide one.", look: roleLeftOut},
		{ID: "policies.user_setting", Kind: Static, Severity: Critical, Title: "A policy rests on what the application can set itself",
			Why:  "Whoever can send SQL sets the setting, or is the role, and reads whom they like; that is what an injection does first.",
			look: policyReads(userSetting, "It follows a setting or a name of the session, which the session chooses.")},
		{ID: "policies.reader_writes", Kind: Static, Severity: High, Title: "A token for reading may write",
			Why: "PostgreSQL before 17 lets anybody say RESET transaction_read_only: only a policy that asks for a tenant that may write keeps a token for reading from writing.", look: readerWrites},
		{ID: "policies.unwrapped", Kind: Static, Severity: Medium, Title: "A policy asks for the tenant once a row",
			Why: "Without (SELECT …) around it the function runs for every row: a thousand times for an insert of a thousand rows.", look: unwrappedPolicy},
		{ID: "policies.null_branch", Kind: Static, Severity: Critical, Title: "A policy opens when there is no tenant",
			Why:  "OR, COALESCE or CASE beside the comparison gives rows to a session that never presented a token.",
			look: policyReads(nullBranch, "Beside the tenant it allows something else.")},
		{ID: "policies.subquery_unprotected", Kind: Static, Severity: High, Title: "A policy trusts a table that is not under a policy",
			Why: "Whoever may write that table decides whose rows are seen.", look: subqueryUnprotected},
		{ID: "policies.subquery_slow", Kind: Static, Severity: Low, Title: "A policy follows a foreign key instead of the tenant’s own column",
			Why: "Each query joins: measured, 350 to 930 ms where the own column took under one.", look: subquerySlow},
		{ID: "policies.other_column", Kind: Static, Severity: Critical, Title: "A policy compares another column",
			Why: "The row is held to a column that does not say whose it is.", look: policyReads(otherColumn, "It compares another column than the manifest names.")},
		{ID: "policies.application_function", Kind: Static, Severity: High, Title: "A policy calls a function that the application can replace",
			Why: "What the application may rewrite decides what the application may see.", look: applicationFunction},
		{ID: "policies.drift", Kind: Static, Severity: High, Title: "A policy is not the one that the manifest prescribes",
			Why:  "It cannot be shown to keep tenants apart: nobody prescribed it, and no rule here knows it.",
			look: policyReads(otherwise, "It is not the comparison of the tenant’s column with the tenant of the transaction.")},
	}
}

// commands are the letters of pg_policy with the right that needs them.
func commands() map[string]string {
	return map[string]string{"SELECT": "r", "INSERT": "a", "UPDATE": "w", "DELETE": "d"}
}

// judged is one permissive policy that keeps a command from being held to the tenant.
type judged struct {
	t      *target
	p      *policy
	says   reading
	check  bool // it is WITH CHECK that fails
	beside bool // another policy of the command does ask for the tenant
}

// says reads one side of a policy.
func (j *judge) says(t *target, text string) reading {
	column := t.rel.column(t.entry.Column).printed
	key := column + "\x00" + text
	r, ok := j.readings[key]
	if !ok {
		r = expression(text, column, j.m.Key.Type)
		j.readings[key] = r
	}
	return r
}

// policyReading judges one side of a policy: a function called once a row is slow, not open, and one
// that a token for reading satisfies keeps tenants apart.
func (j *judge) policyReading(t *target, text string) reading {
	if r := j.says(t, text); r != unwrapped && r != holdsReader {
		return r
	}
	return holds
}

// applies reports whether a policy is for a login: named, by a group, or for everybody.
func (p *policy) applies(a login) bool {
	return slices.ContainsFunc(p.roles, func(id uint32) bool { return id == everybody || a.reach[id] })
}

// sides are the expressions by which a policy holds a command: the rows that are there, the rows
// that are written.
func (p *policy) sides(command string) (rows, written []string) {
	check := p.check
	if check == "" {
		check = p.using
	}
	switch command {
	case "a":
		return nil, []string{check}
	case "w":
		return []string{p.using}, []string{check}
	}
	return []string{p.using}, nil
}

// policed are the guarded tables whose policies can be judged.
func (j *judge) policed() []*target {
	return slices.DeleteFunc(j.guarded(), func(t *target) bool { return !t.rel.rls || t.rel.column(t.entry.Column) == nil })
}

// open lists the policies by which the application gets past the tenant, each once.
func (j *judge) open() []judged {
	var list []judged
	for _, t := range j.policed() {
		seen := map[*policy]bool{}
		for _, a := range j.apps {
			for _, right := range []string{"SELECT", "INSERT", "UPDATE", "DELETE"} {
				if command := commands()[right]; j.may(a, t.rel, right) {
					for _, one := range j.openFor(t, a, command) {
						if !seen[one.p] {
							seen[one.p] = true
							list = append(list, one)
						}
					}
				}
			}
		}
	}
	return list
}

// openFor judges one command of one login: a restrictive policy that holds the tenant is enough;
// else every permissive one has to.
func (j *judge) openFor(t *target, a login, command string) []judged {
	var permissive []*policy
	rowsHeld, writtenHeld := false, false
	holding := func(sides []string) bool {
		return !slices.ContainsFunc(sides, func(s string) bool { return j.policyReading(t, s) != holds })
	}
	for _, p := range t.rel.policies {
		if !p.of(command) || !p.applies(a) {
			continue
		}
		if p.permissive {
			permissive = append(permissive, p)
			continue
		}
		rows, written := p.sides(command)
		rowsHeld, writtenHeld = rowsHeld || len(rows) > 0 && holding(rows), writtenHeld || len(written) > 0 && holding(written)
	}
	sound := func(p *policy) bool { rows, _ := p.sides("r"); return holding(rows) }
	var list []judged
	for _, p := range permissive {
		rows, written := p.sides(command)
		beside := slices.ContainsFunc(permissive, func(other *policy) bool { return other != p && sound(other) })
		for _, s := range rows {
			if r := j.policyReading(t, s); r != holds && !rowsHeld {
				list = append(list, judged{t, p, r, false, beside})
			}
		}
		for _, s := range written {
			if r := j.policyReading(t, s); r != holds && !writtenHeld {
				list = append(list, judged{t, p, r, p.check != "" && sound(p) || command == "a" && p.command == "a", beside})
			}
		}
	}
	return list
}

func (t *target) policy(p *policy) string { return "policy " + p.printed + " on " + t.rel.printed }

// prescribed is the expression that the manifest prescribes for a command.
func (j *judge) prescribed(t *target, command string) string {
	col := t.rel.column(t.entry.Column)
	if command == "r" {
		return j.m.Key.Policy(col.name, col.typ)
	}
	return j.m.Key.WritePolicy(col.name, col.typ)
}

// sidesSQL writes the expressions of a policy for a command.
func (j *judge) sidesSQL(t *target, command string) string {
	e := "(" + j.prescribed(t, command) + ")"
	switch command {
	case "a":
		return " WITH CHECK " + e
	case "r", "d":
		return " USING " + e
	}
	return " USING " + e + " WITH CHECK " + e
}

// policySQL makes the policies that a table needs for a right, for all when none is given.
func (j *judge) policySQL(t *target, rights ...string) string {
	if t.rel.column(t.entry.Column) == nil {
		return "Correct column in the manifest first."
	}
	if len(rights) == 0 {
		rights = t.entry.Grants
	}
	if len(rights) == 0 {
		rights = manifest.GrantWords()
	}
	var to, steps []string
	for _, a := range j.apps {
		to = append(to, a.role.printed)
	}
	for _, right := range rights {
		steps = append(steps, "CREATE POLICY tenant_"+strings.ToLower(right)+" ON "+t.rel.printed+" FOR "+right+" TO "+strings.Join(to, ", ")+j.sidesSQL(t, commands()[right])+";")
	}
	return strings.Join(steps, " ")
}

func (j *judge) repolicy(t *target, p *policy) string {
	if p.command == "*" {
		return "DROP POLICY " + p.printed + " ON " + t.rel.printed + "; " + j.policySQL(t)
	}
	return "ALTER POLICY " + p.printed + " ON " + t.rel.printed + j.sidesSQL(t, p.command) + ";"
}

// everyPolicy counts what was looked at.
func (j *judge) everyPolicy() {
	for _, t := range j.policed() {
		for range t.rel.policies {
			j.see()
		}
	}
}

func policyReads(what reading, text string) func(*judge) {
	return func(j *judge) {
		j.everyPolicy()
		for _, o := range j.open() {
			if o.says == what && !o.beside && !o.check {
				j.found(o.t.policy(o.p), text, j.repolicy(o.t, o.p))
			}
		}
	}
}

func widening(j *judge) {
	j.everyPolicy()
	for _, o := range j.open() {
		if o.beside && !o.check {
			j.found(o.t.policy(o.p), "It does not ask for the tenant, and stands beside one that does.", "DROP POLICY "+o.p.printed+" ON "+o.t.rel.printed+"; -- or make it AS RESTRICTIVE")
		}
	}
}

func checkWeaker(j *judge) {
	j.everyPolicy()
	for _, o := range j.open() {
		if o.check && o.p.command != "w" {
			j.found(o.t.policy(o.p), "Its WITH CHECK does not hold a written row to the tenant.", j.repolicy(o.t, o.p))
		}
	}
}

func columnUpdatable(j *judge) {
	j.everyPolicy()
	for _, o := range j.open() {
		if o.check && o.p.command == "w" {
			j.found(o.t.policy(o.p), "An update may change the tenant of a row.", j.repolicy(o.t, o.p))
		}
	}
}

// unanswered calls found for each right of a login that no permissive policy answers.
func (j *judge) unanswered(found func(t *target, a login, right string, others bool)) {
	for _, t := range j.policed() {
		if len(t.rel.policies) == 0 {
			continue // tables.no_policy speaks of it
		}
		for _, a := range j.apps {
			if a.role.super || a.role.bypassRLS {
				continue
			}
			applies := slices.ContainsFunc(t.rel.policies, func(p *policy) bool { return p.permissive && p.applies(a) })
			for _, right := range []string{"SELECT", "INSERT", "UPDATE", "DELETE"} {
				command := commands()[right]
				j.see()
				if j.may(a, t.rel, right) && !slices.ContainsFunc(t.rel.policies, func(p *policy) bool { return p.permissive && p.of(command) && p.applies(a) }) {
					found(t, a, right, !applies)
				}
			}
		}
	}
}

func commandMissing(j *judge) {
	j.unanswered(func(t *target, a login, right string, others bool) {
		if !others {
			j.found(t.rel.printed, a.role.printed+" has "+right+", and no policy allows it on any row.", j.policySQL(t, right))
		}
	})
}

func roleLeftOut(j *judge) {
	said := map[string]bool{}
	j.unanswered(func(t *target, a login, _ string, others bool) {
		if key := t.rel.printed + " " + a.role.printed; others && !said[key] {
			said[key] = true
			j.found(t.rel.printed, a.role.printed+" has rights on it, and its policies are for others.", j.policySQL(t))
		}
	})
}

func unwrappedPolicy(j *judge) {
	for _, t := range j.policed() {
		for _, p := range t.rel.policies {
			j.see()
			if !slices.ContainsFunc(j.apps, p.applies) {
				continue
			}
			for _, text := range []string{p.using, p.check} {
				if text != "" && j.says(t, text) == unwrapped {
					j.found(t.policy(p), "It calls the tenant’s function without (SELECT …) around it.", j.repolicy(t, p))
					break
				}
			}
		}
	}
}

// subqueries calls found for each policy that follows a query on other tables.
func (j *judge) subqueries(protected bool, text string) {
	j.everyPolicy()
	for _, o := range j.open() {
		if o.says != subquery || o.beside || o.check {
			continue
		}
		all := len(o.p.reads) > 0
		for _, id := range o.p.reads {
			t := j.byOID[id]
			all = all && t != nil && slices.Contains(j.policed(), t) && len(t.rel.policies) > 0
		}
		if all == protected {
			j.found(o.t.policy(o.p), text, j.repolicy(o.t, o.p))
		}
	}
}

func subqueryUnprotected(j *judge) {
	j.subqueries(false, "It follows a query on a table that no policy holds.")
}

func subquerySlow(j *judge) {
	j.subqueries(true, "It follows a query on another table under a policy.")
}

func applicationFunction(j *judge) {
	for _, t := range j.policed() {
		for _, p := range t.rel.policies {
			for _, id := range p.calls {
				f := j.c.functions[id]
				if f == nil || f.schema.name == tenancyName {
					continue
				}
				j.see()
				if slices.ContainsFunc(j.apps, func(a login) bool { return a.reach[f.owner] }) {
					j.found(t.policy(p), "It calls "+f.printed+", which the application owns.", j.repolicy(t, p))
				}
			}
		}
	}
}

func readerWrites(j *judge) {
	j.everyPolicy()
	for _, t := range j.policed() {
		for _, p := range t.rel.policies {
			if p.command == "r" || !p.permissive || !slices.ContainsFunc(j.apps, p.applies) {
				continue
			}
			check := p.check
			if check == "" {
				check = p.using
			}
			side := check
			if p.command == "d" {
				side = p.using
			}
			writes := slices.ContainsFunc(j.apps, func(a login) bool {
				return slices.ContainsFunc([]string{"INSERT", "UPDATE", "DELETE"}, func(right string) bool { return p.of(commands()[right]) && j.may(a, t.rel, right) })
			})
			if writes && (j.says(t, side) == holdsReader || p.command == "*" && j.says(t, p.using) == holdsReader) {
				j.found(t.policy(p), "It lets a transaction write whose token is for reading.", j.repolicy(t, p))
			}
		}
	}
}
