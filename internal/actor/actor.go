// Package actor says who acts. An Actor is an explicit argument of every operation; it is
// never taken from a context. Jobs and commands act under a named system actor.
package actor

import "slices"

// Kind tells people from programs.
type Kind string

// The kinds of actors.
const (
	Person Kind = "person" // a member of staff or a contractor, signed in
	System Kind = "system" // a named part of Garant: "scheduler", "runner", "cli"
	Public Kind = "public" // a reader who is not signed in
	User   Kind = "user"   // a login within a customer, of an application
)

// Permission is a right to do one kind of thing. Routes and operations name the one they need.
type Permission string

// The permissions of staff.
const (
	ReadChecks    Permission = "checks:read"
	RunChecks     Permission = "checks:run"
	ReadAnnex     Permission = "annex:read"
	ReadAudit     Permission = "audit:read"
	ReadEstate    Permission = "estate:read"
	ChangeEstate  Permission = "estate:change"
	ReadPersons   Permission = "persons:read"
	ChangePersons Permission = "persons:change"
	OwnAccount    Permission = "account:own" // one's own passkeys, sessions, recovery codes and tokens

	OwnTasks        Permission = "tasks:own"        // to confirm and acknowledge what one is asked to
	ReadRegisters   Permission = "registers:read"   // all but the personal fields of others
	ChangeRegisters Permission = "registers:change" // entries, their states and documents
	ChangeAnnex     Permission = "annex:change"     // the private draft of the annex
	ReviewAnnex     Permission = "annex:review"     // to publish what somebody else has drafted
	AssignMeasures  Permission = "measures:assign"  // who answers for a measure
	ImportEvidence  Permission = "evidence:import"  // results of scanners, statements of a witness
	SampleRecords   Permission = "audit:sample"     // to draw samples of records and keep them

	ReadTenancy   Permission = "tenancy:read"   // keys' ages, what was minted, service jobs, sessions
	MintTokens    Permission = "tenancy:mint"   // to have tokens of tenants minted, for proven logins and accepted jobs: an application's API token
	ChangeTenancy Permission = "tenancy:change" // to end sessions, and to ask for service jobs and withdraw them
	AcceptJobs    Permission = "tenancy:accept" // to decide on the service jobs that others ask for
	KeepKeys      Permission = "tenancy:keys"   // to replace the keys of guarded databases

	ReadCopies   Permission = "copies:read"   // runs, proofs and plans of anonymised copies
	UseCopies    Permission = "copies:use"    // to read the credentials of developers' roles
	ChangeCopies Permission = "copies:change" // to replace those credentials

	AnswerAnomalies Permission = "audit:answer" // to say what it was that did not fit in the audit log
)

// Role is a named set of permissions.
type Role string

// The roles of staff. More come with the access engine.
const (
	Member    Role = "member"    // confirms and acknowledges what they are asked to, and reads the annex
	Reader    Role = "reader"    // reads everything, changes nothing but their own tasks
	Developer Role = "developer" // a member who also works with the anonymised copies
	Auditor   Role = "auditor"   // reads everything, draws samples; their seat has an end
	Operator  Role = "operator"  // reads, runs checks, keeps registers, imports results
	Lead      Role = "lead"      // security lead: everything
)

// Permissions returns what a role may do; nothing for an unknown role.
func (r Role) Permissions() []Permission {
	read := []Permission{ReadChecks, ReadAnnex, ReadAudit, ReadEstate, ReadRegisters, ReadTenancy, ReadCopies, OwnAccount}
	switch r {
	case Member:
		return []Permission{ReadAnnex, OwnAccount, OwnTasks}
	case Developer:
		return append(Member.Permissions(), ReadCopies, UseCopies)
	case Reader:
		return append(read, OwnTasks)
	case Auditor:
		return append(read, SampleRecords)
	case Operator:
		return append(read, OwnTasks, RunChecks, ChangeRegisters, ImportEvidence, MintTokens, ChangeTenancy, UseCopies, ChangeCopies)
	case Lead:
		return append(read, OwnTasks, RunChecks, ChangeRegisters, ImportEvidence, ChangeEstate, ReadPersons, ChangePersons,
			ChangeAnnex, ReviewAnnex, AssignMeasures, SampleRecords, MintTokens, ChangeTenancy, AcceptJobs, KeepKeys, UseCopies, ChangeCopies, AnswerAnomalies)
	}
	return nil
}

// Roles lists the roles from the narrowest to the widest.
func Roles() []Role { return []Role{Member, Developer, Reader, Auditor, Operator, Lead} }

// Actor is who acts.
type Actor struct {
	Kind        Kind
	ID          string // a person's id, or the name of the part of Garant
	Name        string // shown to people; never written to the audit record
	Role        Role   // of a person
	Session     string // id of the session or token, when there is one
	Origin      string // where the request came from: an address, "cli"
	Permissions []Permission
	Minting     *Minting // of an API token that may have tokens of tenants minted
}

// Minting is what an API token may have tokens of tenants minted for. Nil, which tokens from before it was asked have,
// narrows nothing.
type Minting struct {
	Databases []string // guarded ones, by their names in the estate
	Logins    bool     // in exchange for the ID tokens of logins
	Jobs      []string // for service jobs of these names
}

// In reports whether a token may be minted for a database.
func (m *Minting) In(database string) bool { return m == nil || slices.Contains(m.Databases, database) }

// By reports whether a token may be minted for a service job, or for a login when none is named.
func (m *Minting) By(job string) bool {
	return m == nil || job == "" && m.Logins || job != "" && slices.Contains(m.Jobs, job)
}

// NewSystem returns the actor of a named part of Garant; it may do everything.
func NewSystem(name string) Actor { return Actor{Kind: System, ID: name, Name: name} }

// May reports whether the actor holds a permission.
func (a Actor) May(p Permission) bool {
	return a.Kind == System || slices.Contains(a.Permissions, p)
}

// Anonymous is a reader who is not signed in.
func Anonymous(origin string) Actor { return Actor{Kind: Public, ID: "anonymous", Origin: origin} }
