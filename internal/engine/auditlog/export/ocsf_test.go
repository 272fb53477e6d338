package export_test

import (
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/engine/auditlog/export"
)

// The tables below are written by hand from the schema as published: OCSF 1.6.0, https://schema.ocsf.io/1.6.0, the pages of the classes
// account_change, authentication, entity_management, api_activity and datastore_activity, and of the objects named.

// required lists the attributes that every class asks for (base_event) and that each asks for besides.
func required(class int) []string {
	list := []string{"activity_id", "category_uid", "class_uid", "metadata", "severity_id", "time", "type_uid"}
	switch class {
	case 3001, 3002:
		return append(list, "user")
	case 3004:
		return append(list, "entity")
	case 6003:
		return append(list, "actor", "api", "src_endpoint")
	case 6005:
		return append(list, "actor", "src_endpoint")
	}
	return nil
}

// activities are the activity_id values of each class, besides 0 and 99.
func activities(class int) map[int]string {
	switch class {
	case 3001:
		return enum("Create", "Enable", "Password Change", "Password Reset", "Disable", "Delete", "Attach Policy", "Detach Policy", "Lock", "MFA Factor Enable", "MFA Factor Disable", "Unlock")
	case 3002:
		return enum("Logon", "Logoff", "Authentication Ticket", "Service Ticket Request", "Service Ticket Renew", "Preauth", "Account Switch")
	case 3004:
		return enum("Create", "Read", "Update", "Delete", "Move", "Enroll", "Unenroll", "Enable", "Disable", "Activate", "Deactivate", "Suspend", "Resume")
	case 6003:
		return enum("Create", "Read", "Update", "Delete")
	case 6005:
		return enum("Read", "Update", "Connect", "Query", "Write", "Create", "Delete", "List", "Encrypt", "Decrypt")
	}
	return nil
}

func enum(captions ...string) map[int]string {
	m := map[int]string{}
	for i, c := range captions {
		m[i+1] = c
	}
	return m
}

// known are the attributes of each class that may be there at all: what is not in the schema stands in unmapped.
func known(class int) []string {
	list := append(required(class), "activity_name", "category_name", "class_name", "type_name", "message", "severity", "status", "status_id", "status_detail", "unmapped", "actor", "src_endpoint")
	switch class {
	case 3002:
		return append(list, "service", "session")
	case 6003:
		return append(list, "resources")
	case 6005:
		return append(list, "database", "table")
	}
	return list
}

// conforms holds an event to the tables.
func conforms(t testing.TB, event []byte) (class, activity int) {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(event, &v); err != nil {
		t.Fatalf("%v in %s", err, event)
	}
	number := func(name string) int {
		n, ok := v[name].(float64)
		if !ok || n != math.Trunc(n) {
			t.Errorf("%s is %v", name, v[name])
		}
		return int(n)
	}
	object := func(in map[string]any, name string) map[string]any {
		o, _ := in[name].(map[string]any)
		return o
	}
	oneOf := func(what string, in map[string]any, names ...string) {
		if in != nil && !slices.ContainsFunc(names, func(n string) bool { return in[n] != nil && in[n] != "" }) {
			t.Errorf("%s has none of %v: %v", what, names, in)
		}
	}
	class, activity = number("class_uid"), number("activity_id")
	if required(class) == nil {
		t.Fatalf("class %d", class)
	}
	for _, name := range required(class) {
		if v[name] == nil {
			t.Errorf("class %d lacks %s", class, name)
		}
	}
	for name := range v {
		if !slices.Contains(known(class), name) {
			t.Errorf("class %d has no attribute %s", class, name)
		}
	}
	if number("category_uid") != class/1000 || number("type_uid") != class*100+activity {
		t.Errorf("class %d: category %v, type %v", class, v["category_uid"], v["type_uid"])
	}
	caption, listed := activities(class)[activity]
	if activity != 99 && (!listed || v["activity_name"] != caption) {
		t.Errorf("class %d has no activity %d called %v", class, activity, v["activity_name"])
	}
	if s := number("severity_id"); s < 1 || s > 6 {
		t.Errorf("severity %d", s)
	}
	if s := number("status_id"); s != 1 && s != 2 || v["status"] != map[int]string{1: "Success", 2: "Failure"}[s] {
		t.Errorf("status %d %v", s, v["status"])
	}
	number("time")

	metadata := object(v, "metadata")
	product := object(metadata, "product")
	if metadata["version"] != "1.6.0" || product == nil || product["name"] != "Garant" {
		t.Errorf("metadata %v", metadata)
	}
	actor := object(v, "actor")
	oneOf("actor", actor, "process", "user", "invoked_by", "session", "app_name", "app_uid")
	for _, user := range []map[string]any{object(actor, "user"), object(v, "user")} {
		oneOf("user", user, "account", "name", "uid")
		if user != nil && !slices.Contains([]float64{0, 1, 2, 3, 4, 99}, user["type_id"].(float64)) {
			t.Errorf("user %v", user)
		}
	}
	endpoint := object(v, "src_endpoint")
	oneOf("src_endpoint", endpoint, "ip", "uid", "name", "hostname", "svc_name", "instance_uid", "interface_uid", "interface_name", "domain")
	if ip, ok := endpoint["ip"].(string); ok {
		if _, err := netip.ParseAddr(ip); err != nil {
			t.Errorf("ip %q", ip)
		}
	}
	switch class {
	case 3002:
		oneOf("authentication", v, "service", "dst_endpoint")
		oneOf("service", object(v, "service"), "name", "uid")
	case 3004:
		oneOf("entity", object(v, "entity"), "name", "uid", "device", "group", "org", "policy", "user")
	case 6003:
		oneOf("api", object(v, "api"), "operation")
		for _, r := range v["resources"].([]any) {
			oneOf("resource", r.(map[string]any), "name", "uid")
		}
	case 6005:
		oneOf("datastore activity", v, "database", "databucket", "table")
		if d := object(v, "database"); d != nil && d["type_id"] == nil {
			t.Errorf("database %v", d)
		}
		oneOf("table", object(v, "table"), "name", "uid")
		oneOf("database", object(v, "database"), "name", "uid")
	}
	return class, activity
}

func TestOCSF(t *testing.T) {
	for _, c := range []struct {
		action, object string
		by             actor.Kind
		origin         string
		refused        bool
		class          int
		activity       int
	}{
		{"sign_in.passkey", "person", actor.Person, "192.0.2.1", false, 3002, 1},
		{"sign_in.throttled", "person", actor.Public, "2001:db8::1", true, 3002, 1},
		{"session.ended", "session", actor.Person, "192.0.2.1", false, 3002, 2},
		{"tenant_token.minted", "tenant", actor.Person, "", false, 3002, 3},
		{"person.added", "person", actor.Person, "cli", false, 3001, 1},
		{"person.disabled", "person", actor.Person, "cli", false, 3001, 5},
		{"passkey.added", "passkey", actor.Person, "192.0.2.1", false, 3001, 10},
		{"person.role_changed", "person", actor.Person, "192.0.2.1", true, 3001, 99},
		{"estate.applied", "estate", actor.System, "cli", false, 3004, 3},
		{"register.entry_purged", "register", actor.System, "", false, 3004, 4},
		{"sample.population_exported", "sample", actor.Person, "", false, 3004, 2},
		{"copy.published", "database", actor.System, "", false, 3004, 1},
		{"request.refused", "route", actor.Public, "192.0.2.1", true, 6003, 99},
		{"invoice.created", "invoice", "user", "192.0.2.1", false, 6003, 1},
		{"person.exported", "person", actor.Person, "192.0.2.1", false, 6003, 2},
		{"pupil.updated", "row", "user", "192.0.2.1", false, 6005, 2},
		{"row.deleted", "row", "user", "", false, 6005, 7},
		{"table.truncated", "table", "user", "", false, 6005, 7},
		{"a.b_c", "", "", "", false, 6003, 99},
		{"odd", "row", "", "x\x00", true, 6005, 99},
	} {
		l := sample()
		l.Entry.Action, l.Entry.Object.Kind, l.Entry.Actor.Kind, l.Entry.Actor.Origin, l.Entry.Refused = c.action, c.object, c.by, c.origin, c.refused
		event := strings.TrimSuffix(write(t, export.OCSF, export.Options{Build: "1.2.3"}, l), "\n")
		if class, activity := conforms(t, []byte(event)); class != c.class || activity != c.activity {
			t.Errorf("%s of %s: class %d, activity %d", c.action, c.object, class, activity)
		}
	}
	event := write(t, export.OCSF, export.Options{Build: "1.2.3"}, sample())
	for _, want := range []string{
		`"class_uid":6005`, `"type_uid":600502`, `"type_name":"Datastore Activity: Update"`, `"time":1772355600000`, `"logged_time":1772356830123`, `"uid":"garant.example/log/2/900"`, `"tenant_uid":"0197f3a0`,
		`"correlation_uid":"req-9"`, `"src_endpoint":{"ip":"192.0.2.7","port":4711}`, `"table":{"uid":"public.pupil/17","name":"public.pupil"}`, `"org":{"uid":"0197f3a0`,
		`"changes":[{"field":"email"},{"field":"born"}]`, `"tree":"tenant/1","index":0,"leaf":"q6ur`, `"checkpoint":"garant.example/log/2\n`, `"product":{"name":"Garant","vendor_name":"Garant","version":"1.2.3"}`,
	} {
		if !strings.Contains(event, want) {
			t.Errorf("%s is not in %s", want, event)
		}
	}
	bare := write(t, export.OCSF, export.Options{}, export.Line{Entry: audit.Entry{Action: "database.opened", Object: audit.Object{Kind: "table"}}})
	conforms(t, []byte(bare))
	tampered := write(t, export.OCSF, export.Options{}, export.Line{Place: export.Place{Log: "garant.example/log", Position: 7}, Entry: export.StandIn("entry.missing", 0)})
	conforms(t, []byte(tampered))
	for _, want := range []string{`"severity_id":5,"severity":"Critical","status_id":2`, `"time":0,`, `"uid":"garant.example/log/7"`} {
		if !strings.Contains(tampered, want) {
			t.Errorf("%s is not in %s", want, tampered)
		}
	}
}

// TestEveryActionHasAClass: what Garant itself records today is put where the manual says.
func TestEveryActionHasAClass(t *testing.T) {
	for action, want := range map[string]string{
		"check.run_asked": "3004/1", "estate.reduction_confirmed": "3004/3", "evidence.stored": "3004/1", "link.created": "3001/99", "link.redeemed": "3002/1", "notice.dismissed": "3004/4",
		"passkey.deleted": "3001/11", "person.enabled": "3001/2", "person.listed": "6003/2", "person.seat_set": "3001/99", "recovery.used": "3002/1", "sample.drawn": "3004/1",
		"session.others_ended": "3002/2", "token.revoked": "3001/99", "measure.attested": "3004/3", "document.read": "3004/2", "document.erased": "3004/4", "tenant_session.revoked": "3002/2",
		"service_job.accepted": "3004/3", "credential.read": "6003/2", "annex.proposed": "3004/1", "register.entry_changed": "3004/3", "tenancy.key_rotated": "3004/3", "mail.tested": "3004/2",
	} {
		class, activity := export.Classify(action, "")
		if got := fmt.Sprintf("%d/%d", class, activity); got != want {
			t.Errorf("%s: %s, want %s", action, got, want)
		}
	}
}
