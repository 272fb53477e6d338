package servers

import (
	"math/rand/v2"
	"net"
	"strconv"
	"sync"

	"github.com/garant-project/garant/internal/errs"
)

// Where free ports are looked for: below those that the kernel gives to outgoing connections (Linux from 32768 on, RFC 6335 from 49152 on). A port that is
// kept, for a server that starts later or starts again, is nobody's by chance there.
const (
	firstPort = 20_000
	manyPorts = 12_768
)

// Ports chooses free ports, another one each time, from a place on that chance decides.
type Ports struct {
	mu    sync.Mutex
	begun bool
	next  int
}

// Free finds a port of 127.0.0.1 on which nobody listens.
func (p *Ports) Free() (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.begun {
		p.begun, p.next = true, rand.N(manyPorts) //nolint:gosec // no secret
	}
	for range manyPorts {
		port := firstPort + p.next
		p.next = (p.next + 1) % manyPorts
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		return port, l.Close()
	}
	return 0, errs.New(errs.Unavailable, "demo.ports", "No port of 127.0.0.1 from 20000 to 32767 is free.").WithFix("End programs that listen there.")
}
