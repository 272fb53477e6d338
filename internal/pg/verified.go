package pg

import (
	"crypto/tls"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Verified reports whether the server's certificate is verified on every way to it that leaves
// this machine: a server that only repeats what is expected must not pass.
func Verified(cfg *pgx.ConnConfig) bool {
	safe := func(host string, c *tls.Config) bool {
		if strings.HasPrefix(host, "/") || host == "localhost" {
			return true
		}
		if ip := net.ParseIP(host); ip != nil && ip.IsLoopback() {
			return true
		}
		return c != nil && (!c.InsecureSkipVerify || c.VerifyPeerCertificate != nil || c.VerifyConnection != nil)
	}
	if !safe(cfg.Host, cfg.TLSConfig) {
		return false
	}
	for _, f := range cfg.Fallbacks {
		if !safe(f.Host, f.TLSConfig) {
			return false
		}
	}
	return true
}
