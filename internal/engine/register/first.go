package register

import (
	"regexp"

	"github.com/garant-project/garant/internal/calendar"
)

// The keys of the first registers.
const (
	Sites     = "sites"
	Persons   = "persons"
	Teams     = "teams"
	Assets    = "assets"
	Documents = "documents"
	Suppliers = "suppliers"
)

// First are the registers that every company has.
func First() []Definition {
	return []Definition{persons(), teams(), sites(), assets(), documents(), suppliers()}
}

// classes is the scale by which assets and documents are labelled, from the narrowest circle of
// readers to the widest.
func classes() []string { return []string{"secret", "confidential", "internal", "public"} }

// inUse is a life without a story: an entry is kept, and put aside when it is over.
func inUse() []State {
	return []State{{Key: "active", To: []string{"closed"}}, {Key: "closed", To: []string{"active"}, Over: true}}
}

// persons are the employees and contractors. Who is present follows from the two dates, never
// from a state that somebody would have to keep.
func persons() Definition {
	return Definition{
		Key: Persons, Icon: "person", Label: "name",
		Fields: []Field{
			{Key: "name", Type: Text, Required: true, Personal: true, Max: 80},
			{Key: "email", Type: Email, Required: true, Unique: true, Personal: true},
			{Key: "kind", Type: Choice, Required: true, Options: []string{"employee", "contractor"}},
			{Key: "team", Type: Reference, To: Teams},
			{Key: "site", Type: Reference, To: Sites},
			{Key: "arrival", Type: Date, Required: true},
			{Key: "leaving", Type: Date},
			{Key: "nda", Type: Date},
			{Key: "account", Type: Account, Unique: true},
		},
		States:    []State{{Key: "known"}},
		Retention: &Retention{From: "leaving", After: calendar.Yearly(5)},
		Columns:   []string{"name", "email", "kind", "team", "arrival", "leaving", "nda"},
		Filters:   []string{"kind", "team", "site"},
		Rule: func(v Values, _ string) []Fault {
			if v["leaving"] != "" && v["leaving"] < v["arrival"] {
				return []Fault{*fault("leaving", "before_arrival")}
			}
			return nil
		},
	}
}

// teams are those of the catalogue and any others; key is what measures name their owner by.
func teams() Definition {
	return Definition{
		Key: Teams, Icon: "users", Label: "name",
		Fields: []Field{
			{Key: "name", Type: Text, Required: true, Unique: true, Max: 80},
			{Key: "key", Type: Text, Unique: true, Max: 40, Pattern: regexp.MustCompile(`^[a-z][a-z_]*$`)},
			{Key: "lead", Type: Reference, To: Persons},
			{Key: "note", Type: LongText, Max: 2000},
		},
		States:  inUse(),
		Columns: []string{"name", "key", "lead", "state"},
		Filters: []string{"state"},
	}
}

func sites() Definition {
	return Definition{
		Key: Sites, Icon: "building", Label: "name",
		Fields: []Field{
			{Key: "name", Type: Text, Required: true, Unique: true, Max: 80},
			{Key: "kind", Type: Choice, Required: true, Options: []string{"office", "datacentre", "home"}},
			{Key: "address", Type: LongText, Max: 400},
			{Key: "owner", Type: Reference, To: Persons},
			{Key: "zones", Type: LongText, Max: 4000},
			{Key: "review", Type: Date},
		},
		States:    inUse(),
		Reminders: []Reminder{{Field: "review", Before: calendar.Daily(30)}},
		Columns:   []string{"name", "kind", "owner", "review", "state"},
		Filters:   []string{"kind", "state"},
	}
}

func assets() Definition {
	return Definition{
		Key: Assets, Icon: "laptop", Label: "tag",
		Fields: []Field{
			{Key: "tag", Type: Text, Required: true, Unique: true, Max: 60},
			{Key: "name", Type: Text, Max: 120},
			{Key: "kind", Type: Choice, Required: true, Options: []string{
				"laptop", "workstation", "phone", "removable_media", "server", "storage", "network", "printer", "service", "data", "other"}},
			{Key: "owner", Type: Reference, To: Persons},
			{Key: "site", Type: Reference, To: Sites},
			{Key: "class", Type: Choice, Vocabulary: "class", Options: classes()},
			{Key: "serial", Type: Text, Unique: true, Max: 80},
			{Key: "encrypted", Type: Bool},
			{Key: "keeper", Type: Reference, To: Persons},
			{Key: "place", Type: Text, Max: 120},
			{Key: "acquired", Type: Date},
			{Key: "note", Type: LongText, Max: 2000},
		},
		States: []State{
			{Key: "in_use", To: []string{"lent", "lost", "disposed"}},
			{Key: "lent", To: []string{"in_use", "lost", "disposed"}},
			{Key: "lost", To: []string{"in_use", "disposed"}},
			{Key: "disposed", Over: true},
		},
		Columns: []string{"tag", "name", "kind", "owner", "site", "class", "state"},
		Filters: []string{"kind", "class", "owner", "site", "state"},
	}
}

// documents are policies, plans and procedures. Coming into "published" adds a version, whose
// text no longer changes and which people acknowledge.
func documents() Definition {
	return Definition{
		Key: Documents, Icon: "file", Label: "title",
		Fields: []Field{
			{Key: "title", Type: Text, Required: true, Unique: true, Max: 120},
			{Key: "kind", Type: Choice, Required: true, Options: []string{"policy", "plan", "procedure", "record"}},
			{Key: "owner", Type: Reference, To: Persons},
			{Key: "class", Type: Choice, Vocabulary: "class", Options: classes()},
			{Key: "measures", Type: List, Pattern: regexp.MustCompile(`^[A-Z]{3}-[0-9]{1,2}$`)},
			{Key: "review", Type: Date},
			{Key: "acknowledge", Type: Bool},
			{Key: "teams", Type: List, Pattern: regexp.MustCompile(`^[a-z][a-z_]*$`)},
			{Key: "text", Type: LongText},
			{Key: "link", Type: URL, Max: 500},
			{Key: "version", Type: Number, Fixed: true},
			{Key: "published", Type: Date, Fixed: true},
		},
		States: []State{
			{Key: "draft", To: []string{"published"}},
			{Key: "published", To: []string{"published", "withdrawn"}, Publishes: true},
			{Key: "withdrawn", To: []string{"published"}, Over: true},
		},
		Reminders: []Reminder{{Field: "review", Before: calendar.Daily(30)}},
		Columns:   []string{"title", "kind", "owner", "measures", "review", "version", "state"},
		Filters:   []string{"kind", "class", "owner", "acknowledge", "state"},
	}
}

func suppliers() Definition {
	return Definition{
		Key: Suppliers, Icon: "truck", Label: "name",
		Fields: []Field{
			{Key: "name", Type: Text, Required: true, Unique: true, Max: 120},
			{Key: "country", Type: Text, Required: true, Max: 2, Pattern: regexp.MustCompile(`^[A-Z]{2}$`)},
			{Key: "subprocessor", Type: Bool, Required: true},
			{Key: "purpose_fr", Type: Text, Max: 300},
			{Key: "purpose_en", Type: Text, Max: 300},
			{Key: "data_fr", Type: Text, Max: 300},
			{Key: "data_en", Type: Text, Max: 300},
			{Key: "safeguard", Type: Choice, Options: []string{"eea", "adequacy", "clauses", "rules"}},
			{Key: "owner", Type: Reference, To: Persons},
			{Key: "contract", Type: Date},
			{Key: "dpa", Type: Date},
			{Key: "assessed", Type: Date},
			{Key: "review", Type: Date},
			{Key: "public_since", Type: Date},
			{Key: "public_until", Type: Date},
			{Key: "note", Type: LongText, Max: 2000},
		},
		States:    inUse(),
		Reminders: []Reminder{{Field: "review", Before: calendar.Daily(30)}},
		Columns:   []string{"name", "country", "subprocessor", "dpa", "review", "state"},
		Filters:   []string{"subprocessor", "owner", "state"},
		Rule: func(v Values, _ string) []Fault {
			var faults []Fault
			if v["public_until"] != "" && v["public_until"] < v["public_since"] {
				faults = append(faults, *fault("public_until", "before_public"))
			}
			if v["subprocessor"] == "true" && v["public_since"] != "" && (v["purpose_fr"] == "" || v["purpose_en"] == "") {
				faults = append(faults, *fault("purpose_fr", "public_purpose"))
			}
			return faults
		},
	}
}
