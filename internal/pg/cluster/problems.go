package cluster

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/garant-project/garant/internal/errs"
)

// The sentences below are read by the person who starts Garant on a terminal, hence the
// paths in them: that person chose the directory. They are never shown on a page.

func problem(kind errs.Kind, id, fix, format string, args ...any) *errs.Error {
	return errs.New(kind, "cluster."+id, fmt.Sprintf(format, args...)).WithFix(fix)
}

func noBinaries(dir string) *errs.Error {
	if dir != "" {
		return problem(errs.Invalid, "no_binaries",
			"Give the directory that holds initdb and postgres (pg_config --bindir prints it), or leave it out to have it searched.",
			"%s does not hold the PostgreSQL programs initdb and postgres.", dir).With("path", dir)
	}
	return problem(errs.Unavailable, "no_binaries",
		"Install it: on Debian or Ubuntu, apt-get install --no-install-recommends postgresql; on Fedora, dnf install postgresql-server. Or give an existing server with database: url.",
		"PostgreSQL %d or newer is not installed on this machine (initdb and postgres were not found).", minMajor)
}

func tooOld(version string) *errs.Error {
	return problem(errs.Unavailable, "too_old",
		fmt.Sprintf("Install PostgreSQL %d or newer beside it; both can stay.", minMajor),
		"PostgreSQL %s is too old: %d or newer is needed.", version, minMajor)
}

func wrongMajor(data, has, bin string) *errs.Error {
	return problem(errs.Conflict, "wrong_major",
		"Install PostgreSQL "+has+" again, or move the data with pg_upgrade.",
		"The data in %s is of PostgreSQL %s; the programs found are of PostgreSQL %s.", data, has, bin).
		With("path", data).With("data", has).With("programs", bin)
}

func foreignOwner(path, owner, want string) *errs.Error {
	return problem(errs.Conflict, "foreign_owner",
		"Run Garant as "+owner+", choose another data directory, or hand the directory over with chown.",
		"%s belongs to the account %q and not to %q.", path, owner, want).
		With("path", path).With("owner", owner).With("account", want)
}

func cannotEnter(account, path, dir string) *errs.Error {
	return problem(errs.Invalid, "cannot_enter",
		"Choose a data directory elsewhere, for example below /var/lib, or let others pass through: chmod o+x "+path+".",
		"PostgreSQL runs as the account %q, which cannot enter %s on the way to %s.", account, path, dir).
		With("account", account).With("path", path)
}

func cannotCreate(path string, err error) *errs.Error {
	if errors.Is(err, unix.ENOSPC) {
		return noSpace(path, 0).Wrap(err)
	}
	return problem(errs.Invalid, "cannot_create",
		"Choose a data directory in which you may write.",
		"The directory %s cannot be used.", path).With("path", path).Wrap(err)
}

func notACluster(path string) *errs.Error {
	return problem(errs.Invalid, "not_a_cluster",
		"Choose an empty or a new directory.",
		"%s is not empty and does not hold a database of Garant; nothing was changed in it.", path).With("path", path)
}

func badPermissions(path string, mode os.FileMode) *errs.Error {
	return problem(errs.Conflict, "bad_permissions",
		"Find out who could read it, then close it: chmod 700 "+path+".",
		"%s is open to other accounts of this machine (mode %04o).", path, mode).With("path", path)
}

func noSpace(path string, free uint64) *errs.Error {
	text := fmt.Sprintf("There is no space left on the disk of %s.", path)
	if free > 0 {
		text = fmt.Sprintf("The disk of %s has %d MiB left; a new database needs %d MiB.", path, free>>20, needSpace>>20)
	}
	return errs.New(errs.Unavailable, "cluster.no_space", text).
		WithFix("Free some space or choose a data directory on another disk.").With("path", path)
}

func noLocale() *errs.Error {
	return problem(errs.Unavailable, "no_locale",
		"Install the C library's locales: on Debian or Ubuntu, apt-get install libc-bin locales.",
		"The locale C.UTF-8 is missing on this machine.")
}

func noAccount(name string) *errs.Error {
	text := fmt.Sprintf("PostgreSQL refuses to run as root, and there is no account %q to run it as.", name)
	if name == "" {
		text = `PostgreSQL refuses to run as root, and there is neither an account "garant" nor "postgres" to run it as.`
	}
	return problem(errs.Invalid, "no_account",
		"Create one (useradd --system --no-create-home garant), or run Garant as an ordinary user.", "%s", text)
}

func portTaken(port int, err error) *errs.Error {
	return problem(errs.Conflict, "port_taken",
		"Choose another port, or stop the program that listens there.",
		"The port %d of 127.0.0.1 cannot be listened on.", port).With("port", port).Wrap(err)
}

func alreadyRunning(data string, pid int) *errs.Error {
	return problem(errs.Conflict, "already_running",
		"Stop it first: pg_ctl stop -m fast -D "+data+", as the account that owns the directory.",
		"A PostgreSQL server that Garant did not start (process %d) runs on %s.", pid, data).
		With("pid", pid).With("path", data)
}

func stillRunning(data string) *errs.Error {
	return problem(errs.Conflict, "still_running",
		"Look for it on the other machines and containers that share the directory, and stop it there.",
		"A process of the earlier PostgreSQL server on %s is still running and could not be stopped.", data).
		With("path", data)
}

func startFailed(cause string, err error) *errs.Error {
	switch {
	case strings.Contains(cause, "No space left on device"):
		return errs.New(errs.Unavailable, "cluster.no_space", "PostgreSQL did not start: there is no space left on its disk.").
			WithFix("Free some space; it starts again by itself.").Wrap(err)
	case strings.Contains(cause, "could not map anonymous shared memory"), strings.Contains(cause, "Cannot allocate memory"):
		return problem(errs.Unavailable, "no_memory", "Free some memory, or lower the setting shared_buffers.",
			"PostgreSQL did not start: there is not enough memory.").Wrap(err)
	case strings.Contains(cause, "Address already in use"):
		return problem(errs.Conflict, "port_taken", "Choose another port, or stop the program that listens there.",
			"PostgreSQL did not start: its address is already in use.").Wrap(err)
	case cause == "":
		cause = "it gave no reason"
	}
	return problem(errs.Unavailable, "start_failed", "Read the end of the server's log in the directory log beside the data.",
		"PostgreSQL did not start: %s.", strings.TrimSuffix(cause, ".")).Wrap(err)
}
