package cluster

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"unicode"

	"golang.org/x/sys/unix"

	"github.com/garant-project/garant/internal/errs"
)

// account is who the PostgreSQL programs run as.
type account struct {
	name     string
	uid, gid int
	self     string // name of the account of this process
	home     string // its home directory
	switched bool   // this process is root and gives the programs another identity
}

// findAccount decides who the programs run as.
func findAccount(osUser string) (account, error) {
	me, err := user.LookupId(strconv.Itoa(os.Geteuid()))
	if err != nil {
		// initdb and peer authentication look the number up as well.
		return account{}, problem(errs.Invalid, "no_account", "Add the account to /etc/passwd.",
			"The account that runs Garant (number %d) has no name on this machine.", os.Geteuid()).Wrap(err)
	}
	u := me
	if os.Geteuid() == 0 {
		names := []string{osUser}
		if osUser == "" {
			names = []string{"garant", "postgres"}
		}
		u = nil
		for _, n := range names {
			if u, err = user.Lookup(n); err == nil {
				break
			}
		}
		if u == nil || u.Uid == "0" {
			return account{}, noAccount(osUser)
		}
	}
	a := account{name: u.Username, self: me.Username, home: me.HomeDir, switched: os.Geteuid() == 0}
	if a.uid, err = strconv.Atoi(u.Uid); err == nil {
		a.gid, err = strconv.Atoi(u.Gid)
	}
	for _, n := range []string{a.name, a.self} {
		if err != nil || n == "" || strings.ContainsAny(n, `"/,`) || strings.ContainsFunc(n, unicode.IsControl) {
			return account{}, problem(errs.Invalid, "bad_account", "Run Garant as another account.",
				"The account %q has a name or number that PostgreSQL's map of accounts cannot hold.", n).Wrap(err)
		}
	}
	return a, nil
}

// attributes are those of a child process: its own session, so that Ctrl-C on the terminal
// reaches only us and our orderly shutdown comes first; the account's identity without
// supplementary groups; and the signal it gets when the calling thread ends.
func (a account) attributes(onDeath syscall.Signal) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setsid: true}
	if a.switched {
		attr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
	}
	dieWithThread(attr, onDeath)
	return attr
}

// environment is all that the programs see of ours, which may hold secrets.
func environment() []string {
	return []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"}
}

// own makes path belong to the account when that is not us.
func (a account) own(path string) error {
	if !a.switched {
		return nil
	}
	return os.Lchown(path, a.uid, a.gid)
}

// lend makes path ours and lets the account's group use it with the given mode; for an
// account that is ourselves the group's part is left out.
func (a account) lend(path string, mode fs.FileMode) error {
	if !a.switched {
		return os.Chmod(path, mode&^0o077)
	}
	if err := os.Lchown(path, 0, a.gid); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}

// ownerOf returns the number and the name of who owns the file.
func ownerOf(st fs.FileInfo) (int, string) {
	uid := int(st.Sys().(*syscall.Stat_t).Uid)
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return uid, u.Username
	}
	return uid, strconv.Itoa(uid)
}

// openPath makes sure that the account can pass through every existing directory above dir.
// A last directory that is ours, empty and not our home is opened for passing through;
// anything else that is closed is an error that names the place.
func (a account) openPath(dir string) error {
	if !a.switched {
		return nil
	}
	var last string
	for p := dir; ; p = filepath.Dir(p) {
		if _, err := os.Stat(p); err == nil {
			last = p
			break
		}
		if p == filepath.Dir(p) {
			return nil
		}
	}
	for p := range prefixes(last) {
		st, err := os.Stat(p)
		if err != nil {
			return cannotCreate(p, err)
		}
		if !st.IsDir() {
			return cannotCreate(p, unix.ENOTDIR)
		}
		if a.canPass(st) {
			continue
		}
		if uid, _ := ownerOf(st); p == last && uid == os.Geteuid() && p != a.home && isEmpty(p) {
			if p == dir {
				return nil // handed over later
			}
			if err := os.Chmod(p, st.Mode().Perm()|0o001); err != nil {
				return cannotCreate(p, err)
			}
			continue
		}
		if p == dir {
			continue // one of ours, judged by its owner and handed over later
		}
		return cannotEnter(a.name, p, dir)
	}
	return nil
}

// canPass judges by the mode bits alone; tryEnter has the last word.
func (a account) canPass(st fs.FileInfo) bool {
	sys := st.Sys().(*syscall.Stat_t)
	switch mode := st.Mode().Perm(); {
	case int(sys.Uid) == a.uid:
		return mode&0o100 != 0
	case int(sys.Gid) == a.gid:
		return mode&0o010 != 0
	default:
		return mode&0o001 != 0
	}
}

// tryEnter runs a program of PostgreSQL in dir as the account. It sees what mode bits do not
// show: access lists, mount options, confinement.
func (a account) tryEnter(ctx context.Context, bin binaries, dir string) error {
	cmd := exec.CommandContext(ctx, bin.path("postgres"), "--version")
	cmd.Dir, cmd.Env = dir, environment()
	cmd.SysProcAttr = a.attributes(0)
	err := cmd.Run()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case !errors.Is(err, unix.EACCES):
		return problem(errs.Unavailable, "no_start", "Read the cause; containers need the right to change accounts (CAP_SETUID, CAP_SETGID).",
			"The PostgreSQL programs cannot be run as the account %q.", a.name).Wrap(err)
	}
	for p := range prefixes(dir) {
		if st, serr := os.Stat(p); serr == nil && !a.canPass(st) {
			return cannotEnter(a.name, p, dir).Wrap(err)
		}
	}
	return cannotEnter(a.name, dir, dir).Wrap(err)
}

// prefixes yields "/", "/a", "/a/b" for "/a/b".
func prefixes(path string) iter.Seq[string] {
	return func(yield func(string) bool) {
		if !yield("/") {
			return
		}
		for i := 1; i <= len(path); i++ {
			if (i == len(path) && i > 1 || i < len(path) && path[i] == '/') && !yield(path[:i]) {
				return
			}
		}
	}
}

func isEmpty(dir string) bool {
	f, err := os.Open(dir)
	if err != nil {
		return false
	}
	defer f.Close()
	names, err := f.Readdirnames(1)
	return len(names) == 0 && errors.Is(err, io.EOF)
}
