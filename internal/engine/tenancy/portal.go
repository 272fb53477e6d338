package tenancy

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/tenant"
)

// portalHeader carries the token of a customer.
const portalHeader = "Garant-Tenant-Token"

// MintingSeen is a token that was minted, as its customer sees it.
type MintingSeen struct {
	ID       uuid.UUID  `json:"id"`
	At       time.Time  `json:"at"`
	Expires  time.Time  `json:"expires_at"`
	Database string     `json:"database" doc:"In which it lets in; @garant: here"`
	Kind     string     `json:"kind" enum:"login,service,probe"`
	Session  uuid.UUID  `json:"session"`
	Subject  string     `json:"subject,omitempty" doc:"Of a login: stands for who signed in; the same for the same user"`
	Job      *uuid.UUID `json:"job,omitempty" doc:"Of a service: the accepted job"`
	Purpose  string     `json:"purpose,omitempty" doc:"Of a service: the name of the job"`
	Access   string     `json:"access" enum:"read,write"`
	Ended    *time.Time `json:"ended_at,omitempty" doc:"When its session was ended for good"`
}

// SessionEnd is a session that was ended, as its customer sees it.
type SessionEnd struct {
	Session  uuid.UUID `json:"session"`
	Database string    `json:"database"`
	EndedAt  time.Time `json:"ended_at"`
}

// JobSeen is a service job, as a customer of it sees it.
type JobSeen struct {
	ID          uuid.UUID  `json:"id"`
	Database    string     `json:"database"`
	Name        string     `json:"name"`
	Why         string     `json:"why"`
	Access      string     `json:"access" enum:"read,write"`
	AnyTenant   bool       `json:"any_tenant" doc:"Accepted for whatever customer; then it is listed once it has had a token for this one"`
	AcceptedAt  time.Time  `json:"accepted_at"`
	EndsAt      time.Time  `json:"ends_at"`
	WithdrawnAt *time.Time `json:"withdrawn_at,omitempty"`
}

// ResidenceSeen is where a customer's rows live, and lived.
type ResidenceSeen struct {
	Database string     `json:"database" doc:"That the customer belongs to"`
	Tenant   string     `json:"tenant" doc:"Its key there"`
	Place    string     `json:"place" doc:"Database with its rows"`
	Since    *time.Time `json:"since,omitempty" doc:"When it moved there; absent: it never moved"`
	Paused   bool       `json:"paused" doc:"It is about to leave there"`
	Moves    []MoveSeen `json:"moves" doc:"What was told of moves, the last first; at most 100"`
}

// MoveSeen is one thing that was told of a move.
type MoveSeen struct {
	At     time.Time `json:"at"`
	Place  string    `json:"place"`
	Paused bool      `json:"paused"`
}

// portal reads as garant_portal, under a token: the database shows the rows of its customer. No query
// below names one.
func portal[T any](ctx context.Context, t *Tenancy, by actor.Actor, sent string, scan pgx.RowToFunc[T], sql string, args ...any) ([]T, error) {
	caller := "portal " + by.Origin
	if wait := t.failing.wait(caller, t.Now()); wait > 0 {
		return nil, errs.New(errs.Unavailable, "tenancy.portal_wait", "Too many tokens that are not valid were sent from this address.").WithFix(fmt.Sprintf("Wait %d seconds.", int(wait/time.Second)+1))
	}
	token, err := tenant.ParseToken(sent)
	if err == nil {
		var list []T
		if list, err = read(ctx, t, token, scan, sql, args...); err == nil {
			return list, nil
		}
	} else {
		err = tenant.ErrInvalid
	}
	for _, refusal := range []struct {
		err             error
		id, text, fixes string
	}{
		{tenant.ErrInvalid, "tenancy.portal_token", "This is no token of a customer for Garant.", "Ask for one with the audience NAME" + Own + ", and send it in the header " + portalHeader + "."},
		{tenant.ErrExpired, "tenancy.portal_expired", "The token has expired.", "Ask for a new one."},
		{tenant.ErrRevoked, "tenancy.session_ended", "This session was ended.", "Sign in again."},
	} {
		if errors.Is(err, refusal.err) {
			t.failing.failed(caller, t.Now())
			return nil, errs.New(errs.Denied, refusal.id, refusal.text).WithFix(refusal.fixes)
		}
	}
	return nil, pg.Wrap(err)
}

func read[T any](ctx context.Context, t *Tenancy, token tenant.Token, scan pgx.RowToFunc[T], sql string, args ...any) ([]T, error) {
	rows, err := tenant.Query(ctx, t.DB.Pool(pg.Portal), token, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scan)
}

// mintingsSeen is a page of what was minted, the last first, and the key of the next page.
func (t *Tenancy) mintingsSeen(ctx context.Context, by actor.Actor, token, before string, limit int) ([]MintingSeen, string, error) {
	at, id, err := readKey(before)
	if err != nil {
		return nil, "", err
	}
	list, err := portal(ctx, t, by, token, func(row pgx.CollectableRow) (m MintingSeen, err error) {
		err = row.Scan(&m.ID, &m.At, &m.Expires, &m.Database, &m.Kind, &m.Session, &m.Subject, &m.Job, &m.Purpose, &m.Access, &m.Ended)
		return m, err
	}, `SELECT m.id, m.at, m.expires_at, m.database, m.kind, m.session, coalesce(encode(m.subject, 'hex'), ''), m.job, coalesce(j.name, ''),
	CASE m.access WHEN 'w' THEN 'write' ELSE 'read' END, e.ended_at
FROM tenancy.minting AS m LEFT JOIN tenancy.customer_job AS j ON j.job = m.job LEFT JOIN tenancy.session_end AS e ON e.database = m.database AND e.session = m.session
WHERE (m.at, m.id) < ($1, $2) ORDER BY m.at DESC, m.id DESC LIMIT $3`, at, id, limit+1)
	list, next := pageOf(list, limit, func(m MintingSeen) (time.Time, uuid.UUID) { return m.At, m.ID })
	return list, next, err
}

// endsSeen is a page of the sessions that were ended, the last first, and the key of the next page.
func (t *Tenancy) endsSeen(ctx context.Context, by actor.Actor, token, before string, limit int) ([]SessionEnd, string, error) {
	at, id, err := readKey(before)
	if err != nil {
		return nil, "", err
	}
	list, err := portal(ctx, t, by, token, func(row pgx.CollectableRow) (s SessionEnd, err error) {
		err = row.Scan(&s.Session, &s.Database, &s.EndedAt)
		return s, err
	}, `SELECT e.session, min(e.database), e.ended_at FROM tenancy.session_end AS e WHERE (e.ended_at, e.session) < ($1, $2) GROUP BY e.ended_at, e.session ORDER BY e.ended_at DESC, e.session DESC LIMIT $3`, at, id, limit+1)
	list, next := pageOf(list, limit, func(s SessionEnd) (time.Time, uuid.UUID) { return s.EndedAt, s.Session })
	return list, next, err
}

// jobsSeen is a page of the service jobs, those that end last first, and the key of the next page.
func (t *Tenancy) jobsSeen(ctx context.Context, by actor.Actor, token, before string, limit int) ([]JobSeen, string, error) {
	at, id, err := readKey(before)
	if err != nil {
		return nil, "", err
	}
	list, err := portal(ctx, t, by, token, func(row pgx.CollectableRow) (j JobSeen, err error) {
		err = row.Scan(&j.ID, &j.Database, &j.Name, &j.Why, &j.Access, &j.AnyTenant, &j.AcceptedAt, &j.EndsAt, &j.WithdrawnAt)
		return j, err
	}, `SELECT j.job, j.database, j.name, j.why, CASE j.access WHEN 'w' THEN 'write' ELSE 'read' END, j.any_tenant, j.accepted_at, j.ends_at, j.withdrawn_at
FROM tenancy.customer_job AS j WHERE (j.ends_at, j.job) < ($1, $2) ORDER BY j.ends_at DESC, j.job DESC LIMIT $3`, at, id, limit+1)
	list, next := pageOf(list, limit, func(j JobSeen) (time.Time, uuid.UUID) { return j.EndsAt, j.ID })
	return list, next, err
}

// residenceSeen is where the customer lives and what was told of its moves.
func (t *Tenancy) residenceSeen(ctx context.Context, by actor.Actor, token string) (ResidenceSeen, error) {
	// One statement is one snapshot: a move does not come in between.
	list, err := portal(ctx, t, by, token, func(row pgx.CollectableRow) (r ResidenceSeen, err error) {
		err = row.Scan(&r.Database, &r.Tenant, &r.Place, &r.Since, &r.Paused, &r.Moves)
		return r, err
	}, `SELECT c.database, c.tenant, coalesce(r.place, c.database), coalesce(r.since, (SELECT max(t.at) FROM hosting.told AS t WHERE t.place = c.database AND NOT t.paused)), coalesce(r.paused, false),
	coalesce((SELECT json_agg(json_build_object('at', t.at, 'place', t.place, 'paused', t.paused) ORDER BY t.id DESC) FROM (SELECT o.id, o.at, o.place, o.paused FROM hosting.told AS o ORDER BY o.id DESC LIMIT 100) AS t), '[]')
FROM tenancy.customer AS c LEFT JOIN hosting.residence AS r ON true`)
	if err != nil {
		return ResidenceSeen{}, err
	}
	if len(list) != 1 {
		return ResidenceSeen{}, errs.New(errs.Internal, "tenancy.portal_customer", "Who this customer is, is not known.")
	}
	return list[0], nil
}

// A page's key is the moment and the id of its last row.
const keyMark = "."

func pageOf[T any](list []T, limit int, key func(T) (time.Time, uuid.UUID)) (page []T, next string) {
	if len(list) <= limit {
		return append([]T{}, list...), ""
	}
	at, id := key(list[limit-1])
	return list[:limit], strconv.FormatInt(at.UnixMicro(), 10) + keyMark + id.String()
}

// readKey reads the key of a page; empty: the first.
func readKey(key string) (at any, id uuid.UUID, err error) {
	if key == "" {
		return "infinity", uuid.Max, nil
	}
	moment, rest, ok := strings.Cut(key, keyMark)
	micro, err := strconv.ParseInt(moment, 10, 64)
	if id, parseErr := uuid.Parse(rest); ok && err == nil && parseErr == nil && micro >= 0 && micro < 1<<52 {
		return time.UnixMicro(micro), id, nil
	}
	return nil, uuid.Nil, errs.New(errs.Invalid, "tenancy.portal_page", "This is not the key of a page.").WithFix("Send what the page before has as next.")
}

// addPortal adds the calls for customers. Whoever sends a token of a customer may make them: what they show is
// decided by the database.
func (t *Tenancy) addPortal(a *web.API) {
	type ByToken struct {
		Token string `header:"Garant-Tenant-Token" doc:"Of a customer, for the audience NAME@garant"`
	}
	type page struct {
		ByToken
		Before string `query:"before" doc:"next of the page before"`
		Limit  int    `query:"limit" default:"50" minimum:"1" maximum:"200"`
	}
	op := func(id, path, summary string) web.Operation {
		return web.Operation{ID: id, Method: "GET", Path: "/tenant/" + path, Summary: summary, Permission: web.Public, About: "Needs a token of a customer in the header " + portalHeader + ", and shows what is that customer’s."}
	}
	type mintings struct {
		CacheControl string `header:"Cache-Control"`
		Body         struct {
			Mintings []MintingSeen `json:"mintings"`
			Next     string        `json:"next,omitempty" doc:"Key of the next page"`
		}
	}
	web.Handle(a, op("list-own-mintings", "mintings", "Tokens that were minted for a customer, the last first"), func(ctx context.Context, by actor.Actor, in *page) (*mintings, error) {
		out := &mintings{CacheControl: noStore}
		var err error
		out.Body.Mintings, out.Body.Next, err = t.mintingsSeen(ctx, by, in.Token, in.Before, in.Limit)
		return out, err
	})
	type ends struct {
		CacheControl string `header:"Cache-Control"`
		Body         struct {
			Sessions []SessionEnd `json:"sessions"`
			Next     string       `json:"next,omitempty" doc:"Key of the next page"`
		}
	}
	web.Handle(a, op("list-own-ended-sessions", "ended-sessions", "Sessions of a customer that were ended for good, the last first"), func(ctx context.Context, by actor.Actor, in *page) (*ends, error) {
		out := &ends{CacheControl: noStore}
		var err error
		out.Body.Sessions, out.Body.Next, err = t.endsSeen(ctx, by, in.Token, in.Before, in.Limit)
		return out, err
	})
	type jobs struct {
		CacheControl string `header:"Cache-Control"`
		Body         struct {
			Jobs []JobSeen `json:"jobs"`
			Next string    `json:"next,omitempty" doc:"Key of the next page"`
		}
	}
	web.Handle(a, op("list-own-jobs", "jobs", "Service jobs that were accepted for a customer"), func(ctx context.Context, by actor.Actor, in *page) (*jobs, error) {
		out := &jobs{CacheControl: noStore}
		var err error
		out.Body.Jobs, out.Body.Next, err = t.jobsSeen(ctx, by, in.Token, in.Before, in.Limit)
		return out, err
	})
	type residence struct {
		CacheControl string `header:"Cache-Control"`
		Body         ResidenceSeen
	}
	web.Handle(a, op("get-own-residence", "residence", "Where the rows of a customer live, and lived"), func(ctx context.Context, by actor.Actor, in *ByToken) (*residence, error) {
		r, err := t.residenceSeen(ctx, by, in.Token)
		return &residence{noStore, r}, err
	})
}

const noStore = "no-store"
