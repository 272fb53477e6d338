package servers

import (
	"net"
	"os"
	"strconv"
	"sync/atomic"

	"github.com/garant-project/garant/internal/errs"
)

// Where free ports are looked for: below those that the kernel gives to outgoing connections (Linux from 32768 on, RFC 6335 from 49152 on). A port that is
// kept, for a server that starts later or starts again, is nobody's by chance there.
const (
	firstPort = 20_000
	manyPorts = 12_768
	apart     = 32 // ports between where two processes begin to look
)

// Ports chooses free ports, another one each time. The zero value begins where no other process does.
type Ports struct {
	Skip   int64 // as many of this process's own are left to others in it
	looked atomic.Int64
}

// Free finds a port of 127.0.0.1 on which nobody listens.
func (p *Ports) Free() (int, error) {
	for range manyPorts {
		port := firstPort + (int64(os.Getpid())*apart+p.Skip+p.looked.Add(1))%manyPorts
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.FormatInt(port, 10)))
		if err != nil {
			continue
		}
		return int(port), l.Close()
	}
	return 0, errs.New(errs.Unavailable, "demo.ports", "No port of 127.0.0.1 from 20000 to 32767 is free.").WithFix("End programs that listen there.")
}
