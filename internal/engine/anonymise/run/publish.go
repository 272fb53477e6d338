package run

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

// Certificate records that a copy was destroyed.
type Certificate struct {
	Database  string    `json:"database"`
	Run       string    `json:"run,omitempty"` // that had made it; empty: it was not made by a run
	Began     time.Time `json:"began,omitzero"`
	Bytes     int64     `json:"bytes"`
	Destroyed time.Time `json:"destroyed"`
	Reason    string    `json:"reason"`
}

// Published tells what Publish did.
type Published struct {
	Database  string        `json:"database"`
	Previous  string        `json:"previous,omitempty"` // to go back to
	Interrupt time.Duration `json:"interrupt"`          // for which the name was not served
	Destroyed []Certificate `json:"destroyed,omitempty"`
}

// PublishOptions say what to publish.
type PublishOptions struct {
	Target     string
	Report     *Report
	Developers []string // roles that may connect
}

// Publish gives a proven copy its stable name. The names change in one transaction: whoever connects finds the copy before or the new one, never neither nor half of one, and a process or a server that
// dies on the way leaves the one before. Sessions at the copy before are ended. It stays as NAME_previous; the one before it is destroyed.
func Publish(ctx context.Context, o PublishOptions) (*Published, error) {
	r := o.Report
	if r == nil || !r.Passed() {
		return nil, errs.New(errs.Conflict, "anonymise.unproven", "Only a copy that is proven can be published.").WithFix("Look at the problems in the run's report.")
	}
	if err := checkName(r.Name); err != nil {
		return nil, err
	}
	t, err := newServer(atTarget, o.Target)
	if err != nil {
		return nil, err
	}
	conn := r.held
	if conn == nil || conn.IsClosed() {
		if conn, err = t.connect(ctx, ""); err != nil {
			return nil, err
		}
		defer hangUp(conn)
		if _, err := conn.Exec(ctx, `SELECT pg_advisory_lock(`+lockRun+`)`, r.Run); err != nil {
			return nil, failed(atTarget, "Publishing", err)
		}
	}
	p, err := publish(ctx, t, conn, o)
	if err == nil {
		r.Close()
	}
	return p, err
}

func publish(ctx context.Context, t *server, conn *pgx.Conn, o PublishOptions) (*Published, error) {
	name, staging := o.Report.Name, o.Report.Database
	previous, old := name+"_previous", name+"_old_"+o.Report.Run
	if _, err := conn.Exec(ctx, `SELECT pg_advisory_lock(`+lockSwitch+`)`, name); err != nil {
		return nil, failed(atTarget, "Publishing", err)
	}
	defer func() {
		_, _ = conn.Exec(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock(`+lockSwitch+`)`, name)
	}() // ends with the connection at the latest
	have, err := list(ctx, conn, name)
	if err != nil {
		return nil, err
	}
	by := map[string]Copied{}
	for _, d := range have {
		by[d.Database] = d
	}
	if c, ok := by[staging]; !ok || c.Proof != o.Report.Proof() || c.Run != o.Report.Run {
		return nil, errs.New(errs.Conflict, "anonymise.unproven", "The copy that the report proves is not there.").WithFix("Run again.")
	}
	if c, ok := by[name]; ok && c.Run == "" {
		return nil, errs.New(errs.Conflict, "anonymise.foreign", fmt.Sprintf("The database %s was not made by a run.", name)).WithFix("Choose another name for the copy, or move that database away yourself.")
	}
	if c, ok := by[previous]; ok && c.Run == "" {
		return nil, errs.New(errs.Conflict, "anonymise.foreign", fmt.Sprintf("The database %s was not made by a run.", previous)).WithFix("Move that database away yourself.")
	}
	var steps, busy []string
	rename := func(from, to string) {
		steps = append(steps, `ALTER DATABASE `+pgx.Identifier{from}.Sanitize()+` RENAME TO `+pgx.Identifier{to}.Sanitize())
		busy = append(busy, from)
	}
	out := &Published{Database: name}
	if _, ok := by[name]; ok {
		if _, ok := by[previous]; ok {
			rename(previous, old)
		}
		rename(name, previous)
		out.Previous = previous
	}
	rename(staging, name)
	said := by[staging].said
	said.Published = time.Now().UTC()
	steps = append(steps, said.comment(name))
	for _, role := range o.Developers {
		steps = append(steps, `GRANT CONNECT, TEMPORARY ON DATABASE `+pgx.Identifier{name}.Sanitize()+` TO `+pgx.Identifier{role}.Sanitize())
	}
	began := time.Now()
	if err := switchNames(ctx, t, conn, steps, busy); err != nil {
		return nil, failed(atTarget, "Publishing", err)
	}
	out.Interrupt = time.Since(began)
	// The new copy is served; that one that should go did not go is no reason to say otherwise. Mend does it.
	out.Destroyed, _ = destroy(ctx, conn, name, func(c Copied) string {
		if c.State == Old {
			return "superseded"
		}
		return ""
	})
	return out, nil
}

// switchNames renames in one transaction, while another connection ends the sessions that are in the way: the renaming holds a lock on each name, so that no new one comes in, and waits up to
// five seconds for those that are there.
func switchNames(ctx context.Context, t *server, conn *pgx.Conn, steps, busy []string) error {
	ending, err := t.connect(ctx, "")
	if err != nil {
		return err
	}
	defer hangUp(ending)
	ctx2, cancel := context.WithCancel(ctx)
	stopped := make(chan error, 1)
	end := func() error {
		_, err := ending.Exec(ctx2, `SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a JOIN pg_roles r ON r.oid = a.usesysid WHERE a.datname = ANY($1) AND NOT r.rolsuper`, busy)
		return err
	}
	go func() {
		for {
			if err := end(); err != nil {
				stopped <- err
				return
			}
			select {
			case <-ctx2.Done():
				stopped <- nil
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SET LOCAL synchronous_commit = on`); err != nil {
			return err
		}
		for _, sql := range steps {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return err
			}
		}
		return nil
	})
	cancel()
	if ended := <-stopped; err != nil && isState(err, "55006") {
		if isState(ended, "42501") {
			return errs.New(errs.Denied, "anonymise.sessions", "The target's role may not end the sessions of those who use the copy.").WithFix("GRANT pg_signal_backend to it; sessions of superusers it cannot end at all.")
		}
		return errs.New(errs.Conflict, "anonymise.sessions", "Somebody is connected to the copy and cannot be sent away.").WithFix("End the session, such as a superuser's or a prepared transaction, and publish again.")
	}
	return err
}

func isState(err error, state string) bool {
	var f *pg.Fault
	return errors.As(pg.Wrap(err), &f) && f.SQLState == state
}

// State is what a database of a copy is.
type State string

// The states.
const (
	Served   State = "served"
	Previous State = "previous" // to go back to
	Making   State = "making"   // by a run that lives
	Waiting  State = "waiting"  // proven, and held by a process that will publish it
	Dead     State = "dead"     // of a run that is no more
	Old      State = "old"      // superseded, about to go
)

// Copied is a database of a copy.
type Copied struct {
	Database   string       `json:"database"`
	State      State        `json:"state"`
	Run        string       `json:"run,omitempty"`    // empty: it was not made by a run
	Origin     string       `json:"origin,omitempty"` // what started the run
	Began      time.Time    `json:"began,omitzero"`   // of the snapshot, which is how old the data are
	Ended      time.Time    `json:"ended,omitzero"`
	Published  time.Time    `json:"published,omitzero"` // zero: Publish did not give it its name
	Returned   time.Time    `json:"returned,omitzero"`  // when Rollback served it again
	PlanDigest string       `json:"plan_digest,omitempty"`
	Source     SourceReport `json:"source,omitzero"`
	Anonymised bool         `json:"anonymised"` // else one may say pseudonymised only
	Proofs     *Proofs      `json:"proofs,omitempty"`
	Proof      string       `json:"proof,omitempty"`
	Bytes      int64        `json:"bytes"`

	said provenance
}

// List lists the databases of a copy that a target has.
func List(ctx context.Context, target, name string) ([]Copied, error) {
	var out []Copied
	err := withTarget(ctx, target, name, func(conn *pgx.Conn) (err error) {
		out, err = list(ctx, conn, name)
		return err
	})
	return out, err
}

func withTarget(ctx context.Context, target, name string, fn func(*pgx.Conn) error) error {
	if err := checkName(name); err != nil {
		return err
	}
	t, err := newServer(atTarget, target)
	if err != nil {
		return err
	}
	conn, err := t.connect(ctx, "")
	if err != nil {
		return err
	}
	defer hangUp(conn)
	return fn(conn)
}

func list(ctx context.Context, conn *pgx.Conn, name string) ([]Copied, error) {
	rows, err := conn.Query(ctx, `SELECT datname, shobj_description(oid, 'pg_database'), pg_database_size(oid) FROM pg_database WHERE datname = $1 OR starts_with(datname, $1 || '_') ORDER BY datname`, name)
	if err != nil {
		return nil, failed(atTarget, "Listing the copies", err)
	}
	form := regexp.MustCompile(`^_(run|old)_(` + idForm + `)$`)
	var out []Copied
	var c Copied
	var comment *string
	var ids []string
	if _, err := pgx.ForEachRow(rows, []any{&c.Database, &comment, &c.Bytes}, func() error {
		one := c
		id := ""
		switch m := form.FindStringSubmatch(strings.TrimPrefix(c.Database, name)); {
		case c.Database == name:
			one.State = Served
		case c.Database == name+"_previous":
			one.State = Previous
		case m == nil:
			return nil
		case m[1] == "old":
			one.State = Old
		default:
			one.State, id = Dead, m[2]
		}
		if p, ok := readProvenance(comment); ok && p.Name == name {
			one.Run, one.Origin, one.Began, one.Ended, one.Published, one.Returned = p.Run, p.Origin, p.Began, p.Ended, p.Published, p.Returned
			one.PlanDigest, one.Source, one.Anonymised, one.Proofs, one.Proof, one.said = p.Plan, p.Source, p.Anonymised, p.Proofs, p.Proof, p
		}
		out, ids = append(out, one), append(ids, id)
		return nil
	}); err != nil {
		return nil, failed(atTarget, "Listing the copies", err)
	}
	for i, id := range ids {
		if id == "" {
			continue
		}
		var held bool
		if err := conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_locks, (SELECT `+lockRun+` AS key) k WHERE locktype = 'advisory' AND granted AND objsubid = 1
AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND (classid::bigint << 32 | objid::bigint) = k.key)`, id).Scan(&held); err != nil {
			return nil, failed(atTarget, "Listing the copies", err)
		}
		switch {
		case held && out[i].Proof != "":
			out[i].State = Waiting
		case held:
			out[i].State = Making
		}
	}
	return out, nil
}

// destroy drops the databases of a copy for which there is a reason, and certifies it.
func destroy(ctx context.Context, conn *pgx.Conn, name string, reason func(Copied) string) ([]Certificate, error) {
	all, err := list(ctx, conn, name)
	if err != nil {
		return nil, err
	}
	var out []Certificate
	for _, c := range all {
		why := reason(c)
		if why == "" {
			continue
		}
		if _, err := conn.Exec(ctx, `DROP DATABASE IF EXISTS `+pgx.Identifier{c.Database}.Sanitize()+` WITH (FORCE)`); err != nil {
			return out, failed(atTarget, "Destroying "+c.Database, err)
		}
		out = append(out, Certificate{Database: c.Database, Run: c.Run, Began: c.Began, Bytes: c.Bytes, Destroyed: time.Now().UTC(), Reason: why})
	}
	return out, nil
}

// Clean destroys what runs left behind that are no more, and what was superseded. What a living run makes or holds stays.
func Clean(ctx context.Context, target, name string) ([]Certificate, error) {
	var out []Certificate
	err := withTarget(ctx, target, name, func(conn *pgx.Conn) (err error) {
		out, err = destroy(ctx, conn, name, func(c Copied) string {
			switch c.State {
			case Dead:
				return "its run is no more"
			case Old:
				return "superseded"
			}
			return ""
		})
		return err
	})
	return out, err
}

// Rollback serves the copy before again, and keeps the one that was served as the previous one.
func Rollback(ctx context.Context, target, name string) error {
	t, err := newServer(atTarget, target)
	if err != nil {
		return err
	}
	return withTarget(ctx, target, name, func(conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, `SELECT pg_advisory_lock(`+lockSwitch+`)`, name); err != nil {
			return failed(atTarget, "Going back", err)
		}
		have, err := list(ctx, conn, name)
		if err != nil {
			return err
		}
		previous := name + "_previous"
		if !slices.ContainsFunc(have, func(c Copied) bool { return c.State == Previous && c.Run != "" }) {
			return errs.New(errs.NotFound, "anonymise.previous", "There is no copy to go back to.")
		}
		between := name + "_old_" + newID()
		var steps []string
		for _, s := range [][2]string{{name, between}, {previous, name}, {between, previous}} {
			if s[0] != previous && !slices.ContainsFunc(have, func(c Copied) bool { return c.State == Served }) {
				continue
			}
			steps = append(steps, `ALTER DATABASE `+pgx.Identifier{s[0]}.Sanitize()+` RENAME TO `+pgx.Identifier{s[1]}.Sanitize())
		}
		said := have[slices.IndexFunc(have, func(c Copied) bool { return c.State == Previous })].said
		said.Returned = time.Now().UTC()
		steps = append(steps, said.comment(name))
		return failed(atTarget, "Going back", switchNames(ctx, t, conn, steps, []string{name, previous}))
	})
}

// Mend puts right what a switch by hand may have left: no copy under the name although there is one before it. A switch of Publish needs none, being one transaction. It cleans too.
func Mend(ctx context.Context, target, name string) ([]Certificate, error) {
	have, err := List(ctx, target, name)
	if err != nil {
		return nil, err
	}
	is := func(s State) bool {
		return slices.ContainsFunc(have, func(c Copied) bool { return c.State == s && c.Run != "" })
	}
	if !slices.ContainsFunc(have, func(c Copied) bool { return c.State == Served }) && is(Previous) {
		if err := Rollback(ctx, target, name); err != nil {
			return nil, err
		}
	}
	return Clean(ctx, target, name)
}
