package export

import (
	"net/netip"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/audit"
)

// SchemaVersion is the version of OCSF that events follow: https://schema.ocsf.io/1.6.0. What they use is in 1.3.0 as well.
const SchemaVersion = "1.6.0"

// Class is an event class of OCSF.
type Class int

// The classes that entries are put into.
const (
	AccountChange     Class = 3001
	Authentication    Class = 3002
	EntityManagement  Class = 3004
	APIActivity       Class = 6003
	DatastoreActivity Class = 6005
)

type classWords struct {
	name     string
	category string
	activity map[int]string
}

const other = 99

// classes gives the words of each class and its activities, of those that entries are put into.
func classes() map[Class]classWords {
	const iam, application = "Identity & Access Management", "Application Activity"
	return map[Class]classWords{
		AccountChange:     {"Account Change", iam, map[int]string{1: "Create", 2: "Enable", 5: "Disable", 6: "Delete", 10: "MFA Factor Enable", 11: "MFA Factor Disable"}},
		Authentication:    {"Authentication", iam, map[int]string{1: "Logon", 2: "Logoff", 3: "Authentication Ticket"}},
		EntityManagement:  {"Entity Management", iam, map[int]string{1: "Create", 2: "Read", 3: "Update", 4: "Delete", 8: "Enable", 9: "Disable"}},
		APIActivity:       {"API Activity", application, map[int]string{1: "Create", 2: "Read", 3: "Update", 4: "Delete"}},
		DatastoreActivity: {"Datastore Activity", application, map[int]string{1: "Read", 2: "Update", 4: "Query", 5: "Write", 6: "Create", 7: "Delete"}},
	}
}

type ocsfEvent struct {
	CategoryUID  int            `json:"category_uid"`
	CategoryName string         `json:"category_name"`
	ClassUID     Class          `json:"class_uid"`
	ClassName    string         `json:"class_name"`
	ActivityID   int            `json:"activity_id"`
	ActivityName string         `json:"activity_name"`
	TypeUID      int64          `json:"type_uid"`
	TypeName     string         `json:"type_name"`
	SeverityID   int            `json:"severity_id"`
	Severity     string         `json:"severity"`
	StatusID     int            `json:"status_id"`
	Status       string         `json:"status"`
	StatusDetail string         `json:"status_detail,omitempty"`
	Time         int64          `json:"time"` // milliseconds since 1970
	Message      string         `json:"message"`
	Metadata     ocsfMetadata   `json:"metadata"`
	Actor        *ocsfActor     `json:"actor"`
	SrcEndpoint  ocsfEndpoint   `json:"src_endpoint"`
	User         *ocsfUser      `json:"user,omitempty"`
	Service      *ocsfNamed     `json:"service,omitempty"`
	Session      *ocsfSession   `json:"session,omitempty"`
	Entity       *ocsfResource  `json:"entity,omitempty"`
	API          *ocsfAPI       `json:"api,omitempty"`
	Resources    []ocsfResource `json:"resources,omitempty"`
	Database     *ocsfDatabase  `json:"database,omitempty"`
	Table        *ocsfNamed     `json:"table,omitempty"`
	Unmapped     ocsfUnmapped   `json:"unmapped"`
}

type ocsfMetadata struct {
	Version        string      `json:"version"`
	Product        ocsfProduct `json:"product"`
	UID            string      `json:"uid"`
	EventCode      string      `json:"event_code"`
	LogName        string      `json:"log_name"`
	LogProvider    string      `json:"log_provider"`
	LoggedTime     int64       `json:"logged_time"`
	OriginalTime   string      `json:"original_time"`
	TenantUID      string      `json:"tenant_uid,omitempty"`
	CorrelationUID string      `json:"correlation_uid,omitempty"`
}

type ocsfProduct struct {
	Name       string `json:"name"`
	VendorName string `json:"vendor_name"`
	Version    string `json:"version,omitempty"`
}

type ocsfActor struct {
	User    *ocsfUser    `json:"user"`
	Session *ocsfSession `json:"session,omitempty"`
	AppName string       `json:"app_name,omitempty"`
}

type ocsfUser struct {
	UID    string     `json:"uid"`
	TypeID int        `json:"type_id"`
	Type   string     `json:"type"`
	Org    *ocsfNamed `json:"org,omitempty"`
}

type ocsfSession struct {
	UID string `json:"uid"`
}

type ocsfEndpoint struct {
	IP   string `json:"ip,omitempty"`
	Port int    `json:"port,omitempty"`
	Name string `json:"name,omitempty"`
}

type ocsfNamed struct {
	UID  string `json:"uid,omitempty"`
	Name string `json:"name,omitempty"`
}

type ocsfResource struct {
	UID  string `json:"uid"`
	Type string `json:"type"`
}

type ocsfAPI struct {
	Operation string    `json:"operation"`
	Service   ocsfNamed `json:"service"`
}

type ocsfDatabase struct {
	UID    string `json:"uid,omitempty"`
	Name   string `json:"name,omitempty"`
	TypeID int    `json:"type_id"`
}

// ocsfUnmapped is what the schema has no place for: that of the entry in the record first of all.
type ocsfUnmapped struct {
	Position   int64          `json:"position,omitempty"`
	ID         int64          `json:"id"`
	Occurred   string         `json:"occurred,omitempty"`
	ActorKind  string         `json:"actor_kind"`
	Origin     string         `json:"origin,omitempty"`
	ObjectKind string         `json:"object_kind"`
	ObjectID   string         `json:"object_id"`
	Reason     string         `json:"reason,omitempty"`
	Detail     map[string]any `json:"detail,omitempty"`
	Changes    []changed      `json:"changes,omitempty"`
	Sealed     bool           `json:"sealed,omitempty"`
	Erased     bool           `json:"erased,omitempty"`
	Shortened  bool           `json:"shortened,omitempty"`
	Log        string         `json:"log,omitempty"`
	Tree       string         `json:"tree,omitempty"`
	Index      *int64         `json:"index,omitempty"`
	Leaf       string         `json:"leaf,omitempty"`
	Checkpoint string         `json:"checkpoint,omitempty"`
}

// event writes an entry as an event of OCSF.
func event(l Line, o Options, shortened bool) any {
	e := l.Entry
	class, activity := Classify(e.Action, e.Object.Kind)
	words := classes()[class]
	name, known := words.activity[activity]
	if !known { // 99: what the source calls it
		_, name, _ = strings.Cut(e.Action, ".")
		if name == "" {
			name = "Other"
		}
	}
	when := e.At
	if !e.Occurred.IsZero() {
		when = e.Occurred
	}
	v := ocsfEvent{
		CategoryUID: int(class) / 1000, CategoryName: words.category, ClassUID: class, ClassName: words.name,
		ActivityID: activity, ActivityName: name, TypeUID: int64(class)*100 + int64(activity), TypeName: words.name + ": " + name,
		SeverityID: 1, Severity: "Informational", StatusID: 1, Status: "Success",
		Time: millis(when), Message: e.Action + " " + e.Object.Kind + " " + e.Object.ID,
		Metadata: ocsfMetadata{
			Version: SchemaVersion, Product: ocsfProduct{"Garant", "Garant", o.Build}, UID: l.UID(), EventCode: e.Action, LogName: "audit", LogProvider: "Garant",
			LoggedTime: millis(e.At), OriginalTime: stamp(when), TenantUID: e.Tenant, CorrelationUID: e.Request,
		},
		Actor: actorOf(e), SrcEndpoint: endpointOf(e),
		Unmapped: ocsfUnmapped{
			Position: l.Place.Position, ID: e.ID, Occurred: stamp(e.Occurred), ActorKind: string(e.Actor.Kind), Origin: e.Actor.Origin, ObjectKind: e.Object.Kind, ObjectID: e.Object.ID,
			Reason: e.Reason, Detail: e.Detail, Changes: changes(e, o.Values), Sealed: closed(e), Erased: e.Erased, Shortened: shortened,
			Log: l.Place.Log, Tree: l.Place.Tree, Index: index(l.Place), Leaf: leaf(l.Place), Checkpoint: l.Checkpoint,
		},
	}
	if e.Refused {
		v.SeverityID, v.Severity, v.StatusID, v.Status, v.StatusDetail = 2, "Low", 2, "Failure", "refused"
	}
	if Tampered(e) {
		v.SeverityID, v.Severity, v.StatusID, v.Status, v.StatusDetail = 5, "Critical", 2, "Failure", "changed in the database"
	}
	switch object := (ocsfResource{orUnknown(e.Object.ID), e.Object.Kind}); class {
	case Authentication:
		v.User, v.Service, v.Session = v.Actor.User, &ocsfNamed{Name: "Garant"}, v.Actor.Session
	case AccountChange:
		v.User = v.Actor.User
		if e.Object.Kind == "person" || e.Object.Kind == "user" {
			v.User = &ocsfUser{UID: object.UID, TypeID: 1, Type: "User"}
		}
	case EntityManagement:
		v.Entity = &object
	case DatastoreActivity:
		v.Table, v.Database = storeOf(e)
	default:
		v.API = &ocsfAPI{Operation: e.Action, Service: ocsfNamed{Name: "Garant"}}
		v.Resources = []ocsfResource{object}
	}
	return v
}

// millis is a moment in milliseconds since 1970; 0: it is not known, as of what is not there any more.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// storeOf names the table that a row is in, when the object's id tells it ("public.pupil/17"), and the database.
func storeOf(e audit.Entry) (*ocsfNamed, *ocsfDatabase) {
	if e.Object.Kind == "database" {
		return nil, &ocsfDatabase{Name: orUnknown(e.Object.ID), TypeID: 1}
	}
	table, _, _ := strings.Cut(e.Object.ID, "/")
	return &ocsfNamed{Name: orUnknown(table), UID: orUnknown(e.Object.ID)}, nil
}

func actorOf(e audit.Entry) *ocsfActor {
	user := &ocsfUser{UID: orUnknown(e.Actor.ID)}
	a := &ocsfActor{User: user}
	switch e.Actor.Kind {
	case "person", "user":
		user.TypeID, user.Type = 1, "User"
	case "system":
		user.TypeID, user.Type, a.AppName = 3, "System", e.Actor.ID
	default:
		user.Type = "Unknown"
	}
	if e.Tenant != "" && e.Actor.Kind == "user" {
		user.Org = &ocsfNamed{UID: e.Tenant}
	}
	if e.Actor.Session != "" {
		a.Session = &ocsfSession{e.Actor.Session}
	}
	return a
}

// endpointOf says where the action came from: an address, or the name of a part of Garant.
func endpointOf(e audit.Entry) ocsfEndpoint {
	origin := strings.TrimSpace(e.Actor.Origin)
	if address, err := netip.ParseAddrPort(origin); err == nil {
		return ocsfEndpoint{IP: address.Addr().Unmap().WithZone("").String(), Port: int(address.Port())}
	}
	if address, err := netip.ParseAddr(strings.Trim(origin, "[]")); err == nil {
		return ocsfEndpoint{IP: address.Unmap().WithZone("").String()}
	}
	if origin == "" && e.Actor.Kind == "system" {
		return ocsfEndpoint{Name: orUnknown(e.Actor.ID)}
	}
	return ocsfEndpoint{Name: orUnknown(origin)}
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}
