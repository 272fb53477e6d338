package access

import "slices"

// Problem is the id of a message that says what is wrong with a database; the message that says
// what to do about it is the id followed by ".fix".
type Problem string

// The problems that hide a database from a check. They make a finding Error.
const (
	BadAddress         Problem = "access.address"
	Unverified         Problem = "access.unverified"
	Unreachable        Problem = "access.unreachable"
	Refused            Problem = "access.refused"
	Impostor           Problem = "access.impostor"
	Unreadable         Problem = "access.unreadable"
	TooLarge           Problem = "access.too_large"
	CheckBroken        Problem = "access.check_broken"
	RulesHidden        Problem = "access.rules_hidden"
	RulesBroken        Problem = "access.rules_broken"
	SettingsHidden     Problem = "access.settings_hidden"
	DevelopersUnnamed  Problem = "access.developers.unnamed"
	PersonalDataUnseen Problem = "access.personal.unseen"
)

// The problems that a database really has. They make a finding Fail.
const (
	Reader           Problem = "access.readers.undeclared"
	ReaderTeam       Problem = "access.readers.team"
	PublicReader     Problem = "access.readers.public"
	Unregistered     Problem = "access.privileged.unregistered"
	Gone             Problem = "access.privileged.gone"
	PublicCreate     Problem = "access.privileged.public_create"
	DeveloperRole    Problem = "access.developers.membership"
	DeveloperRight   Problem = "access.developers.right"
	DeveloperOwner   Problem = "access.developers.owner"
	DeveloperPower   Problem = "access.developers.power"
	DeveloperConnect Problem = "access.developers.connect"
	Trust            Problem = "access.developers.trust"
	NoTLS            Problem = "access.transport.off"
	OldTLS           Problem = "access.transport.old_version"
	PlainRule        Problem = "access.transport.plain"
	WholeInternet    Problem = "access.network.internet"
	PublicAddress    Problem = "access.network.public_address"
	Unlabelled       Problem = "access.labels.missing"
)

func blind() []Problem {
	return []Problem{BadAddress, Unverified, Unreachable, Refused, Impostor, Unreadable, TooLarge, CheckBroken, RulesHidden, RulesBroken, SettingsHidden, DevelopersUnnamed, PersonalDataUnseen}
}

// Blind reports whether the problem hides the database rather than being a fault of it.
func (p Problem) Blind() bool { return slices.Contains(blind(), p) }

// Problems returns every problem that the engine's findings can name.
func Problems() []Problem {
	return append(blind(), Reader, ReaderTeam, PublicReader, Unregistered, Gone, PublicCreate, DeveloperRole, DeveloperRight, DeveloperOwner,
		DeveloperPower, DeveloperConnect, Trust, NoTLS, OldTLS, PlainRule, WholeInternet, PublicAddress, Unlabelled)
}
