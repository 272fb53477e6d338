package cluster

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/garant-project/garant/internal/errs"
)

// Cluster is an open cluster, kept or visited by this process.
type Cluster struct {
	opt  Options
	acct account
	bin  binaries
	p    paths

	stopping  chan struct{} // closed by Close
	hurry     chan struct{} // closed when Close may wait no longer
	done      chan struct{} // closed when all is over
	closeOnce sync.Once

	mu       sync.Mutex
	st       Status
	identity identity
	sockets  string
	port     int
	stopErr  error
}

// Status says how the cluster fares.
type Status struct {
	Keeper bool      // this process keeps the server running; else it is a guest
	Ready  bool      // the server accepts connections
	Since  time.Time // of Ready or of its contrary
	PID    int       // of the server; 0 when it does not run or is not known
	Starts int       // how often this process started the server
	Err    error     // why it is not ready; nil when ready or when nothing is wrong yet
}

// identity is what the server says of itself.
type identity struct {
	version string
	major   int
	system  uint64
}

// guestPatience is how long a guest waits for the keeper's server when its context has no
// deadline.
const guestPatience = 2 * time.Minute

// Open returns the cluster in o.Dir when it accepts connections. It makes the cluster when
// there is none, starts the server when it does not run, and joins it as a guest when
// another process keeps it. When ctx ends first, nothing stays behind.
//
// Errors are errs.Error: Invalid for a directory, account or option that cannot serve,
// Conflict for data of another owner or version, Unavailable for what is missing on the
// machine (programs, space) and for a server that does not come up.
func Open(ctx context.Context, o Options) (*Cluster, error) {
	o, err := o.check()
	if err != nil {
		return nil, err
	}
	c := &Cluster{
		opt: o, port: o.port(),
		stopping: make(chan struct{}), hurry: make(chan struct{}), done: make(chan struct{}),
		st: Status{Since: time.Now()},
	}
	if c.acct, err = findAccount(o.OSUser); err != nil {
		return nil, err
	}
	data := pathsOf(o.Dir).data
	major, version, err := dataMajor(data)
	if err != nil {
		major = 0 // said with better words when the directory is judged
	}
	if c.bin, err = findBinaries(ctx, o.BinDir, major); err != nil {
		return nil, err
	}
	if major != 0 && major != c.bin.major {
		return nil, wrongMajor(data, version, strconv.Itoa(c.bin.major))
	}
	if c.p, err = claim(ctx, o.Dir, c.acct, c.bin); err != nil {
		return nil, err
	}
	opened := make(chan error, 1)
	go c.run(opened)
	select {
	case err = <-opened:
		if err != nil {
			<-c.done
			return nil, err
		}
		return c, nil
	case <-ctx.Done():
		cause := c.Status().Err
		_ = c.Close(context.WithoutCancel(ctx)) // the reason is ctx's; what stopping says goes to the log
		if cause == nil {
			cause = ctx.Err()
		}
		return nil, problem(errs.Unavailable, "not_ready", "Read the server's log in the directory log beside the data, then try again.",
			"The database cluster %s did not become ready in time.", o.Name).Wrap(cause)
	}
}

// DSN returns the connection string of a role through the socket. Whether the role may
// connect is the server's decision. It stays valid over restarts of the server.
func (c *Cluster) DSN(role, database string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return dsn(c.sockets, c.port, role, database)
}

// dsn writes libpq's keyword form, which pgx and PostgreSQL's own programs read alike.
func dsn(host string, port int, role, database string) string {
	q := func(s string) string {
		return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
	}
	return fmt.Sprintf("host=%s port=%d user=%s dbname=%s", q(host), port, q(role), q(database))
}

// SuperUser is the name of the superuser role.
func (c *Cluster) SuperUser() string { return c.opt.superUser() }

// BinDir holds the programs that match the server: pg_dump, pg_basebackup and so on, where
// they are installed.
func (c *Cluster) BinDir() string { return c.bin.dir }

// DataDir is PostgreSQL's data directory.
func (c *Cluster) DataDir() string { return c.p.data }

// Account is the name of the account that the server runs as; programs that touch DataDir
// must run as it.
func (c *Cluster) Account() string { return c.acct.name }

// Version is the server's own ("15.20 (Debian 15.20-0+deb12u1)").
func (c *Cluster) Version() string { c.mu.Lock(); defer c.mu.Unlock(); return c.identity.version }

// Major is the server's major version.
func (c *Cluster) Major() int { c.mu.Lock(); defer c.mu.Unlock(); return c.identity.major }

// SystemIdentifier is the number that initdb gave this cluster; copies and restored backups
// have the same.
func (c *Cluster) SystemIdentifier() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.identity.system
}

// Status returns how the cluster fares.
func (c *Cluster) Status() Status { c.mu.Lock(); defer c.mu.Unlock(); return c.st }

// Healthy returns nil when the server accepts connections as far as its supervisor knows,
// else an Unavailable error with the cause. It asks nothing of the server and returns at once.
func (c *Cluster) Healthy() error {
	st := c.Status()
	if st.Ready {
		return nil
	}
	return problem(errs.Unavailable, "not_ready", "It is started again by itself; if this lasts, read the server's log in the directory log beside the data.",
		"The database cluster %s does not answer.", c.opt.Name).
		With("since", st.Since).Wrap(st.Err)
}

// Done is closed when Close has ended; a server that dies does not close it, for it comes back.
func (c *Cluster) Done() <-chan struct{} { return c.done }

// Close leaves the cluster. A keeper stops the server first: clients are cut off, their open
// transactions roll back, everything committed is on disk. When ctx ends, or after a minute
// when it has no deadline, the server is stopped at once instead and recovers at its next
// start; nothing committed is lost. Either way no process is left when Close returns.
// A guest's Close leaves the server alone. Further calls wait for the first and return the same.
func (c *Cluster) Close(ctx context.Context) error {
	if _, limited := ctx.Deadline(); !limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Minute)
		defer cancel()
	}
	c.closeOnce.Do(func() {
		close(c.stopping)
		select {
		case <-c.done:
		case <-ctx.Done():
			close(c.hurry)
		}
	})
	<-c.done
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stopErr
}

func (c *Cluster) stopped() bool {
	select {
	case <-c.stopping:
		return true
	default:
		return false
	}
}

// set changes the status; Since moves when Ready does.
func (c *Cluster) set(change func(*Status)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.st.Ready
	change(&c.st)
	if c.st.Ready {
		c.st.Err = nil
	}
	if c.st.Ready != was {
		c.st.Since = time.Now()
	}
}

// pause waits and reports whether the cluster is to go on.
func (c *Cluster) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-c.stopping:
		return false
	}
}
