package cluster

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/garant-project/garant/internal/errs"
)

// Elsewhere holds the clusters whose Dir PostgreSQL's account cannot enter.
const Elsewhere = "/var/lib/garant-clusters"

// OpenNear is Open for a Dir of which it is not known whether PostgreSQL's account can enter
// it. PostgreSQL refuses to run as root; where this process is root and Dir lies below a
// directory that only root may enter, a new cluster is put under Elsewhere, and the file
// Dir.path says where. Nothing is moved: a cluster that exists stays where it is.
func OpenNear(ctx context.Context, o Options) (*Cluster, error) {
	pointer := o.Dir + ".path"
	if elsewhere, err := os.ReadFile(pointer); err == nil {
		o.Dir = strings.TrimSpace(string(elsewhere))
		return Open(ctx, o)
	}
	_, err := os.Stat(o.Dir)
	fresh := errors.Is(err, os.ErrNotExist)
	c, err := Open(ctx, o)
	var refused *errs.Error
	if err == nil || !fresh || os.Geteuid() != 0 || !errors.As(err, &refused) || refused.ID != "cluster.cannot_enter" {
		return c, err
	}
	name := filepath.Base(filepath.Dir(o.Dir)) + "-" + o.Name + "-"
	_ = os.Remove(o.Dir)                                  // if it was made: empty
	if err := os.MkdirAll(Elsewhere, 0o711); err != nil { //nolint:gosec // PostgreSQL's account passes through
		return nil, refused
	}
	if o.Dir, err = os.MkdirTemp(Elsewhere, name); err != nil {
		return nil, refused
	}
	if err := os.WriteFile(pointer, []byte(o.Dir+"\n"), 0o600); err != nil {
		return nil, refused
	}
	if o.Log != nil {
		o.Log.Warn("PostgreSQL's account cannot enter the data directory, so the database is kept elsewhere", "file.path", o.Dir)
	}
	return Open(ctx, o)
}
