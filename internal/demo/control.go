package demo

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/garant-project/garant/internal/errs"
)

// Order is what the control socket takes: one line of JSON, answered by another.
type Order struct {
	Do        string `json:"do"` // "break", "mend", "list" or "shell"
	Endpoint  string `json:"endpoint,omitempty"`
	Fault     string `json:"fault,omitempty"`
	Superuser bool   `json:"superuser,omitempty"` // of a shell
	Copy      bool   `json:"copy,omitempty"`      // of a shell: in the developers' copy
}

// Answer is what it says.
type Answer struct {
	Error     string            `json:"error,omitempty"`
	Fix       string            `json:"fix,omitempty"`
	Kind      errs.Kind         `json:"kind,omitempty"`
	Endpoints map[string]string `json:"endpoints,omitempty"` // name → fault
	Connect   string            `json:"connect,omitempty"`   // of a shell: what psql is given
	Password  string            `json:"password,omitempty"`  // of a shell; empty: none is needed
}

const socketName = "demo.sock"

// Control listens for orders until the returned function is called. The socket lies in the
// example's directory and is for its owner only.
func (c *Company) Control() (stop func(), err error) {
	path := filepath.Join(c.dir, socketName)
	_ = os.Remove(path) // of an example that was killed
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, cannot("listen for orders", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, cannot("listen for orders", err)
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go c.obey(conn)
		}
	}()
	return func() { _ = l.Close() }, nil
}

func (c *Company) obey(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	var o Order
	if err := json.NewDecoder(bufio.NewReaderSize(conn, 4096)).Decode(&o); err != nil {
		return
	}
	_ = conn.SetDeadline(time.Now().Add(longOrder + 10*time.Second))
	var err error
	var connect, password string
	switch o.Do {
	case "break":
		err = c.Break(o.Endpoint, o.Fault)
	case "mend":
		err = c.Mend(o.Endpoint)
	case "list":
	case "shell":
		if o.Copy {
			connect, password, err = c.developer()
		} else {
			connect, password, err = c.psql(o.Superuser)
		}
	default:
		err = errs.New(errs.Invalid, "demo.order", "The example does not know this order.")
	}
	a := Answer{Endpoints: map[string]string{}, Connect: connect, Password: password}
	if err != nil {
		a.Error, a.Fix = errs.Sentence(err)
		a.Kind = errs.KindOf(err)
	}
	for _, name := range c.Names() {
		a.Endpoints[name] = c.Fault(name)
	}
	_ = json.NewEncoder(conn).Encode(a)
}

// Send gives an order to the example that runs on a directory.
func Send(dir string, o Order) (Answer, error) {
	conn, err := net.DialTimeout("unix", filepath.Join(dir, socketName), 2*time.Second)
	if err != nil {
		return Answer{}, errs.New(errs.Unavailable, "demo.not_running", "The example is not running on this data directory.").
			WithFix("Start it with garant demo, in another terminal, with the same --data.").Wrap(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(longOrder + 10*time.Second))
	var a Answer
	if err := errors.Join(json.NewEncoder(conn).Encode(o), json.NewDecoder(conn).Decode(&a)); err != nil {
		return a, errs.New(errs.Unavailable, "demo.no_answer", "The example did not answer.").Wrap(err)
	}
	if a.Error != "" {
		return a, errs.New(a.Kind, "demo.refused", a.Error).WithFix(a.Fix)
	}
	return a, nil
}

// String is one line for people.
func (a Answer) String() string {
	s := ""
	for _, name := range names() {
		state := "sound"
		if f := a.Endpoints[name]; f != "" {
			state = "broken: " + f
		}
		s += fmt.Sprintf("%-16s %s\n", name, state)
	}
	return s
}
