package run

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

// end is one of the two servers.
type end string

const (
	atSource end = "source"
	atTarget end = "target"
)

const connecting = "Connecting"

// lostFix is what to do when an end does not answer.
func lostFix(what string) string {
	if what == connecting {
		return "See that it runs, and that host and port in the address are right and open from here."
	}
	return "Run again: the copy that is published stays as it is."
}

// failed says what went wrong at which end with what, without anything that a server may have quoted.
func failed(at end, what string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	var large *pgproto3.ExceededMaxBodyLenErr
	if errors.As(err, &large) {
		return errs.New(errs.Invalid, "anonymise.row", fmt.Sprintf("%s: a row of the source has %d MB, more than the limit.", what, large.ActualBodyLen>>20)).
			WithFix("Raise --max-row, or let the plan suppress the column that makes it so large: what is suppressed is not read.")
	}
	err = pg.Wrap(err)
	var known *errs.Error
	if !errors.As(err, &known) || known.ID[:min(3, len(known.ID))] != "pg." && known.ID != "not_found" {
		return err
	}
	var f *pg.Fault
	if !errors.As(err, &f) {
		return errs.New(errs.Unavailable, lost, fmt.Sprintf("%s: the %s does not answer, or broke the connection.", what, at)).
			WithFix(lostFix(what)).Wrap(known)
	}
	text, fix := fmt.Sprintf("%s: the %s refused (%s).", what, at, f), ""
	kind, id := errs.Invalid, "anonymise.database"
	switch {
	case f.SQLState == "23505":
		kind, id, fix = errs.Conflict, collision, "Other keys were tried. Take a transformer that serves unique columns."
	case f.SQLState == "53100":
		kind, text, fix = errs.Unavailable, fmt.Sprintf("%s: the %s has no space left on its disk.", what, at), "Free some space and run again."
	case f.SQLState[:2] == "57", f.SQLState[:2] == "53", f.SQLState[:2] == "08":
		if f.SQLState[:2] == "08" || f.SQLState[:3] == "57P" {
			id = lost
		}
		kind, text = errs.Unavailable, fmt.Sprintf("%s: the %s broke off (%s).", what, at, f)
		fix = "Run again: the copy that is published stays as it is."
	case (f.SQLState == "22021" || f.SQLState == "22P05") && at == atSource:
		text = fmt.Sprintf("%s: the source holds bytes that are no UTF-8 (%s).", what, f)
		fix = "Correct them there, or let the plan suppress the column: what is suppressed is not read."
	case f.SQLState == "40001" && at == atSource:
		kind, text = errs.Unavailable, fmt.Sprintf("%s: the replica broke off, to follow its primary (%s).", what, f)
		fix = "Let it wait longer (max_standby_streaming_delay) or tell its primary what it reads (hot_standby_feedback), and run again."
	case f.SQLState[:2] == "28":
		kind, fix = errs.Denied, "Look at the role's password, its right to sign in and its line in pg_hba.conf."
	case f.SQLState == "3D000" && what == connecting:
		kind, fix = errs.NotFound, "There is no such database: look at its name, the last part of the address."
	case f.SQLState == "42501":
		kind = errs.Denied
		fix = "Give the role that is named in the address the right to do it; to make databases: ALTER ROLE … CREATEDB."
	case f.SQLState == "55P03":
		kind = errs.Unavailable
		fix = "Something holds a lock there; run again later."
	case f.SQLState[:2] == "23":
		fix = "What the plan puts in the place of a value breaks a constraint of the table: take another transformer."
	case f.SQLState[:2] == "22":
		fix = "What the plan puts in the place of a value does not fit its type, or the source holds bytes that are no UTF-8."
	case f.SQLState[:2] == "42":
		fix = "The schema may have changed during the run; run again."
	}
	return errs.New(kind, id, text).WithFix(fix).Wrap(f)
}
