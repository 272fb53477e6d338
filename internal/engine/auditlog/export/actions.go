package export

import "strings"

// Classify says which class of OCSF an action belongs to, and which of its activities it is; 99 (Other) of one that the class has
// no activity for. An action is "thing.past_participle"; what an application records may be of any thing.
func Classify(action, object string) (Class, int) {
	if known, ok := named(action); ok {
		return known.class, known.activity
	}
	thing, done, _ := strings.Cut(action, ".")
	if i := strings.LastIndexByte(done, '_'); i >= 0 && verbs(done[i+1:]) != none { // population_exported
		done = done[i+1:]
	}
	class := APIActivity
	switch {
	case object == "row" || object == "table" || object == "rows" || thing == "row" || thing == "table":
		class = DatastoreActivity
	case kept(thing):
		class = EntityManagement
	case thing == "person" || thing == "user":
		class = AccountChange
	}
	return class, activity(class, verbs(done))
}

type place struct {
	class    Class
	activity int
}

// named are the actions whose class their words do not tell.
func named(action string) (place, bool) {
	switch action {
	case "sign_in.passkey", "sign_in.throttled", "link.redeemed", "recovery.used":
		return place{Authentication, 1}, true
	case "session.ended", "session.others_ended", "tenant_session.revoked":
		return place{Authentication, 2}, true
	case "tenant_token.minted", "tenant_token.refused":
		return place{Authentication, 3}, true
	case "person.added", "user.added", "user.created":
		return place{AccountChange, 1}, true
	case "person.enabled", "user.enabled":
		return place{AccountChange, 2}, true
	case "person.disabled", "person.seat_ended", "user.disabled":
		return place{AccountChange, 5}, true
	case "user.deleted", "user.removed":
		return place{AccountChange, 6}, true
	case "passkey.added":
		return place{AccountChange, 10}, true
	case "passkey.deleted":
		return place{AccountChange, 11}, true
	case "recovery.renewed", "link.created", "token.created", "token.revoked", "credential.issued", "credential.rotated":
		return place{AccountChange, other}, true
	case "person.read", "person.listed", "person.exported", "user.read", "user.listed", "user.exported":
		return place{APIActivity, 2}, true
	}
	if thing, _, _ := strings.Cut(action, "."); thing == "sign_in" {
		return place{Authentication, 1}, true
	}
	return place{}, false
}

// kept reports whether a thing is one that Garant keeps: declared, registered, published.
func kept(thing string) bool {
	switch thing {
	case "estate", "register", "annex", "document", "evidence", "measure", "sample", "service_job", "witness", "tenancy", "tenant", "copy", "check", "notice", "mail":
		return true
	}
	return false
}

type verb int

const (
	none verb = iota
	create
	read
	update
	remove
	enable
	disable
	query
)

func verbs(done string) verb {
	switch done {
	case "created", "added", "inserted", "made", "drawn", "stored", "received", "imported", "asked", "proposed", "stated", "issued", "opened", "published", "routed", "redeemed":
		return create
	case "read", "seen", "exported", "downloaded", "viewed", "tested":
		return read
	case "listed", "searched", "queried":
		return query
	case "updated", "changed", "edited", "applied", "moved", "set", "assigned", "delegated", "attested", "acknowledged", "noted", "confirmed", "rotated", "rekeyed", "keyed", "renewed", "accepted", "installed", "retried", "replaced":
		return update
	case "deleted", "removed", "erased", "purged", "revoked", "truncated", "dismissed", "withdrawn", "retired", "destroyed", "lost":
		return remove
	case "enabled":
		return enable
	case "disabled", "ended":
		return disable
	}
	return none
}

// activity is the number of a verb in a class.
func activity(c Class, v verb) int {
	var numbers map[verb]int
	switch c {
	case EntityManagement:
		numbers = map[verb]int{create: 1, read: 2, query: 2, update: 3, remove: 4, enable: 8, disable: 9}
	case DatastoreActivity:
		numbers = map[verb]int{create: 6, read: 1, query: 4, update: 2, remove: 7}
	case APIActivity:
		numbers = map[verb]int{create: 1, read: 2, query: 2, update: 3, remove: 4, enable: 3, disable: 3}
	}
	if n, ok := numbers[v]; ok {
		return n
	}
	return other
}
