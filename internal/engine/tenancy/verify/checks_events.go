package verify

import (
	"slices"
	"strings"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/token"
)

func eventChecks() []Check {
	return []Check{
		{ID: "events.not_captured", Kind: Static, Severity: High, Title: "Changes of a table are not recorded as declared",
			Why: "Who reads, changes or deletes there leaves no event: the audit log says nothing of it.", look: notCaptured},
		{ID: "events.partition", Kind: Static, Severity: Low, Title: "Changes made in a partition itself are not recorded",
			Why: "The application writes through the partitioned table, which records; who owns the partition can write to it directly, and leaves no event.", look: partitionNotCaptured},
		{ID: "events.disabled", Kind: Static, Severity: High, Title: "The recording of a table’s changes is switched off",
			Why: "Its triggers stand there and do not fire: whoever switched them off writes without an event.", look: captureDisabled},
		{ID: "events.differs", Kind: Static, Severity: High, Title: "A table’s changes are recorded otherwise than declared",
			Why: "Other columns are kept than were agreed, under another name or tenant, or something else runs in the place of what records.", look: captureDiffers},
		{ID: "events.undeclared", Kind: Static, Severity: Medium, Title: "Changes of a table are recorded that nobody declared",
			Why: "Values of its columns are kept in the audit log, and nobody decided which.", look: captureUndeclared},
		{ID: "events.replica", Kind: Static, Severity: High, Title: "Somebody can write without the triggers that record",
			Why: "In a session whose session_replication_role is replica, ordinary triggers do not fire.", look: replicaSessions},
		{ID: "events.cast", Kind: Static, Severity: Medium, Title: "A cast to JSON keeps changes from being recorded",
			Why: "What records turns rows into JSON as garant_sec; while somebody’s own function could run by that, it refuses every write.", look: jsonCasts},
	}
}

// captureOf tells how the changes of a relation are to be recorded; nil: not at all.
func (j *judge) captureOf(t *target) *token.Capture {
	of := j.recordedBy(t.rel, 0)
	if of == nil {
		return nil
	}
	named := of
	if t.rel != of.rel && j.c.root(t.rel) != of.rel {
		named = t // it inherits, and is no partition
	}
	capture := &token.Capture{Table: t.rel.printed, Type: j.m.Key.Type, Mode: of.entry.Record.Mode, Columns: of.entry.Record.Columns, As: named.rel.printed}
	if of.entry.Class == manifest.Tenant {
		capture.Tenant = of.entry.Column
	}
	for _, i := range named.rel.indexes {
		if i.primary {
			for _, n := range i.columns {
				if col := named.rel.number(n); col != nil {
					capture.Keys = append(capture.Keys, col.name)
				}
			}
		}
	}
	capture.Keys = token.NamingKeys(capture.Keys, capture.Tenant)
	return capture
}

// recordedBy is the relation itself or the nearest above it whose entry says that changes are recorded.
func (j *judge) recordedBy(rel *relation, depth int) *target {
	t := j.byOID[rel.oid]
	if t != nil && t.entry.Record != nil {
		return t
	}
	if depth > 20 || rel.kind == foreign {
		return nil
	}
	for _, id := range rel.parents {
		if p := j.c.relations[id]; p != nil {
			if of := j.recordedBy(p, depth+1); of != nil {
				return of
			}
		}
	}
	return nil
}

// captures calls each for every trigger that there should be, with that which has its name, or nil.
func (j *judge) captures(each func(*target, token.CaptureTrigger, *trigger)) {
	for _, t := range j.targets {
		c := j.captureOf(t)
		if c == nil {
			continue
		}
		for _, want := range c.Triggers() {
			j.see()
			i := slices.IndexFunc(t.rel.triggers, func(g trigger) bool { return g.name == want.Name })
			if i < 0 {
				each(t, want, nil)
			} else {
				each(t, want, &t.rel.triggers[i])
			}
		}
	}
}

func captureName(t *target, want token.CaptureTrigger) string {
	return "trigger " + want.Name + " on " + t.rel.printed
}

func notCaptured(j *judge) { j.lacks(false) }

func partitionNotCaptured(j *judge) { j.lacks(true) }

// lacks finds triggers that are not there: of partitions that came after apply, or of the rest.
func (j *judge) lacks(partition bool) {
	j.captures(func(t *target, want token.CaptureTrigger, is *trigger) {
		if is == nil && t.rel.partition == partition {
			j.found(captureName(t, want), "It is not there: "+want.On+" leaves no event.", "garant isolation apply")
		}
	})
}

func captureDisabled(j *judge) {
	j.captures(func(t *target, want token.CaptureTrigger, is *trigger) {
		if is != nil && !is.is.Enabled() {
			j.found(captureName(t, want), "It does not fire: "+want.On+" leaves no event.", "ALTER TABLE "+t.rel.printed+" ENABLE TRIGGER "+want.Name+";")
		}
	})
}

func captureDiffers(j *judge) {
	j.captures(func(t *target, want token.CaptureTrigger, is *trigger) {
		if is != nil && !want.Is(is.is) {
			j.found(captureName(t, want), "It is not the trigger that the manifest asks for.", "garant isolation apply")
		}
	})
}

func captureUndeclared(j *judge) {
	for _, rel := range j.c.ordered() {
		t := j.byOID[rel.oid]
		if rel.schema.name == tenancyName || t != nil && j.captureOf(t) != nil {
			continue
		}
		for _, g := range rel.triggers {
			j.see()
			if g.is.Captures() {
				j.found("trigger "+g.printed+" on "+rel.printed, "It records the table’s changes, and the manifest does not ask for it.", "Write record in the table’s entry, or: garant isolation apply")
			}
		}
	}
}

// replicaSessions matters only where something is recorded.
func replicaSessions(j *judge) {
	recorded := false
	for _, t := range j.targets {
		if t.entry.Record != nil {
			recorded = true
			j.see()
		}
	}
	if !recorded {
		return
	}
	const parameter = "session_replication_role"
	for _, s := range j.c.settings {
		if s.name == parameter && s.value != "origin" {
			j.found(s.printed(j.c), "Sessions start with it as "+quote(s.value)+".", s.reset(j.c))
		}
	}
	if v := j.c.values[parameter]; v != "" && v != "origin" && !slices.ContainsFunc(j.c.settings, func(s roleSetting) bool { return s.name == parameter }) {
		j.found(parameter, "The server starts sessions with it as "+quote(v)+".", "ALTER SYSTEM RESET "+parameter+";")
	}
	for _, p := range j.c.parameters {
		if !strings.EqualFold(p.name, parameter) {
			continue
		}
		for _, g := range p.acl {
			if r := j.c.roles[g.grantee]; r != nil && (r.super || j.declared(r)) {
				continue // who goes around tenancy by declaration
			}
			if g.grantee != bootstrapRole {
				j.found(j.c.nameOf(g.grantee), "It may "+g.privilege+" the parameter "+parameter+".", "REVOKE "+g.privilege+" ON PARAMETER "+parameter+" FROM "+j.c.nameOf(g.grantee)+";")
			}
		}
	}
}

func jsonCasts(j *judge) {
	if !slices.ContainsFunc(j.targets, func(t *target) bool { return t.entry.Record != nil }) {
		return
	}
	j.see()
	for _, c := range j.c.casts {
		j.found(c, "It runs a function of this database.", "Drop the cast, or record nothing: "+strings.Replace(c, "cast from ", "DROP CAST (", 1)+")")
	}
}
