package cluster

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// paths are the places below Options.Dir.
type paths struct {
	root, conf, data, run, log string
	keeperLock, serverLock     string
	socketDir                  string // file that names the socket directory when run/ is too long
}

func pathsOf(dir string) paths {
	at := func(name string) string { return filepath.Join(dir, name) }
	return paths{
		root: dir, conf: at("conf"), data: at("data"), run: at("run"), log: at("log"),
		keeperLock: at("keeper.lock"), serverLock: at("server.lock"), socketDir: at("socket-dir"),
	}
}

// unfinished is how directories begin in which initdb has not ended.
const unfinished = "init-"

// claim makes dir ours: creates it and what is missing above, or checks that it is one of
// ours. It changes nothing in a directory that is not.
func claim(ctx context.Context, dir string, a account, bin binaries) (paths, error) {
	if err := a.openPath(dir); err != nil {
		return paths{}, err
	}
	if err := createAll(dir, a); err != nil {
		return paths{}, err
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	p := pathsOf(dir)
	st, err := os.Stat(dir)
	if err != nil {
		return p, cannotCreate(dir, err)
	}
	empty := isEmpty(dir)
	if uid, name := ownerOf(st); uid != os.Geteuid() && !(a.switched && uid == a.uid && empty) {
		return p, foreignOwner(dir, name, a.self)
	}
	if !empty {
		if err := recognise(p); err != nil {
			return p, err
		}
	}
	if err := a.lend(dir, 0o710); err != nil {
		return p, cannotCreate(dir, err)
	}
	if err := a.tryEnter(ctx, bin, dir); err != nil {
		return p, err
	}
	return p, nil
}

// createAll makes dir and its missing parents. Parents made by root can be passed through
// by all, for the cluster's account is not in root's group.
func createAll(dir string, a account) error {
	var missing []string
	for p := dir; ; p = filepath.Dir(p) {
		st, err := os.Stat(p)
		if err == nil && st.IsDir() {
			break
		}
		if err == nil {
			return cannotCreate(p, unix.ENOTDIR)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return cannotCreate(p, err)
		}
		missing = append(missing, p)
	}
	for i := len(missing) - 1; i >= 0; i-- {
		p, mode := missing[i], fs.FileMode(0o700)
		if a.switched && i > 0 {
			mode = 0o711
		}
		err := os.Mkdir(p, mode)
		if errors.Is(err, fs.ErrExist) { // another process of ours was quicker
			continue
		}
		if err == nil {
			err = os.Chmod(p, mode) // whatever the umask
		}
		if err != nil {
			return cannotCreate(p, err)
		}
	}
	return nil
}

// recognise refuses a directory that holds something else than a cluster of ours. A data
// directory alone, brought back from a backup, is taken.
func recognise(p paths) error {
	for _, sign := range []string{p.keeperLock, filepath.Join(p.data, "PG_VERSION")} {
		if _, err := os.Lstat(sign); err == nil {
			return nil
		}
	}
	return notACluster(p.root)
}

// checkData judges the data directory: found says whether it holds a cluster. An empty one
// is removed, so that initdb's can take its place.
func checkData(p paths, a account) (found bool, err error) {
	st, err := os.Lstat(p.data)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, cannotCreate(p.data, err)
	}
	if st.Mode()&fs.ModeSymlink != 0 || !st.IsDir() {
		return false, notACluster(p.data)
	}
	if isEmpty(p.data) {
		if err := os.Remove(p.data); err != nil {
			return false, cannotCreate(p.data, err)
		}
		return false, nil
	}
	if uid, name := ownerOf(st); uid != a.uid {
		return false, foreignOwner(p.data, name, a.name)
	}
	if perm := st.Mode().Perm(); perm&0o027 != 0 { // PostgreSQL takes 0700 and 0750
		return false, badPermissions(p.data, perm)
	}
	major, _, err := dataMajor(p.data)
	if err != nil || major == 0 {
		return false, notACluster(p.data).Wrap(err)
	}
	return true, nil
}

// ownDirectory makes a directory that belongs to the cluster's account, or checks it.
func ownDirectory(dir string, a account) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return cannotCreate(dir, err)
	} else if err == nil {
		if err := a.own(dir); err != nil {
			return cannotCreate(dir, err)
		}
	}
	st, err := os.Lstat(dir)
	if err != nil {
		return cannotCreate(dir, err)
	}
	if !st.IsDir() {
		return cannotCreate(dir, unix.ENOTDIR)
	}
	if uid, name := ownerOf(st); uid != a.uid {
		return foreignOwner(dir, name, a.name)
	}
	if perm := st.Mode().Perm(); perm&0o077 != 0 {
		return badPermissions(dir, perm)
	}
	return nil
}

// tryLock takes the lock on path without waiting; nil when another process, or another
// Cluster of this one, holds it. The lock ends when the last copy of the file is closed.
func tryLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, cannotCreate(path, err)
	}
	switch err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); {
	case err == nil:
		return f, nil
	case errors.Is(err, unix.EWOULDBLOCK):
		return nil, f.Close()
	default:
		f.Close()
		return nil, cannotCreate(path, err)
	}
}

// socketPath is where PostgreSQL puts the socket in dir.
func socketPath(dir string, port int) string {
	return filepath.Join(dir, ".s.PGSQL."+strconv.Itoa(port))
}

// fits reports whether clients can be pointed at a socket in dir. Connection strings separate
// several servers by commas.
func fits(dir string, port int) bool {
	return len(socketPath(dir, port)) <= socketPathMax && !strings.Contains(dir, ",")
}

// pickSocketDir returns the directory of the socket: run/ or, when that path does not fit, a directory of random name in a short place, whose name is kept in
// the file socket-dir. One left by an earlier keeper is removed.
func pickSocketDir(p paths, a account, port int) (string, error) {
	dropSocketDir(p)
	if fits(p.run, port) {
		return p.run, ownDirectory(p.run, a)
	}
	bases := []string{"/run"} // no cleaner of old temporary files comes here
	if !a.switched {
		bases = []string{os.Getenv("XDG_RUNTIME_DIR")}
	}
	var last error
	for _, base := range append(bases, os.TempDir(), "/tmp") {
		if !filepath.IsAbs(base) || !fits(filepath.Join(base, "garant-0123456789"), port) {
			continue
		}
		dir, err := os.MkdirTemp(base, "garant-") // 0700
		if err != nil {
			last = err
			continue
		}
		if err = a.own(dir); err == nil {
			err = writeFile(p.socketDir, []byte(dir+"\n"), 0o600, account{})
		}
		if err != nil {
			os.Remove(dir)
			return "", cannotCreate(dir, err)
		}
		return dir, nil
	}
	return "", cannotCreate(p.run, errors.Join(errors.New("no short directory for the database's socket"), last))
}

// dropSocketDir removes the directory that the file socket-dir names, if it looks like one
// of ours, with the files that PostgreSQL leaves in it.
func dropSocketDir(p paths) {
	b, err := os.ReadFile(p.socketDir)
	if err != nil {
		return
	}
	dir := strings.TrimSpace(string(b))
	if st, err := os.Lstat(dir); err == nil && st.IsDir() && strings.HasPrefix(filepath.Base(dir), "garant-") {
		old, _ := filepath.Glob(filepath.Join(dir, ".s.PGSQL.*"))
		for _, f := range old {
			os.Remove(f)
		}
		os.Remove(dir) // only when nothing else is in it
	}
	os.Remove(p.socketDir)
}

// writeFile puts a file in place whole or not at all; with an account other than ourselves
// its group may read it.
func writeFile(path string, content []byte, mode fs.FileMode, a account) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already when all went well
	_, err = f.Write(content)
	if err == nil {
		err = a.lend(f.Name(), mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	return err
}

// freeSpace is what an unprivileged account may still write on the disk of path, in bytes.
func freeSpace(path string) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return 0, err
	}
	return uint64(st.Bavail) * uint64(st.Bsize), nil
}

// syncDir makes the names in dir durable.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
