package token

import (
	"context"
	"encoding/hex"
	"testing"

	"github.com/google/uuid"

	"github.com/garant-project/garant/tenant"
)

// A session may have any digits, those of a tenant's type, length and key among them: the tenant is the token's all the same.
func TestSessionIsNoTenant(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		text, err := tenant.Text("acme")
		w.must(err)
		conn := w.app()
		for _, begins := range []string{
			"7510", "6908000000000000002a", "7401", "7461636d65", "7404626574610000", "77", "72", "67617261", hex.EncodeToString([]byte("_garant_u\x10")), hex.EncodeToString([]byte("garant_t\x01x")),
		} {
			for _, x := range []struct {
				id   tenant.ID
				want [3]string
			}{{tenant.UUID(w.a), [3]string{w.a.String()}}, {tenant.Int(7), [3]string{"", "7"}}, {text, [3]string{"", "", "acme"}}} {
				for _, access := range []tenant.Access{tenant.Read, tenant.Write} {
					claims := w.claims(w.a)
					claims.Tenant, claims.Access, claims.Session = x.id, access, [16]byte{15: 1}
					_, err := hex.Decode(claims.Session[:], []byte(begins))
					w.must(err)
					tx := w.begin(conn)
					w.must(enter(tx, w.mint(claims).Bytes()))
					var seen, written [3]string
					var session uuid.UUID
					err = tx.QueryRow(ctx, `SELECT coalesce(garant.tenant_uuid()::text, ''), coalesce(garant.tenant_bigint()::text, ''), coalesce(garant.tenant_text(), ''),
	coalesce(garant.writer_uuid()::text, ''), coalesce(garant.writer_bigint()::text, ''), coalesce(garant.writer_text(), ''), garant.session()`).
						Scan(&seen[0], &seen[1], &seen[2], &written[0], &written[1], &written[2], &session)
					_ = tx.Rollback(ctx)
					writes := [3]string{}
					if access == tenant.Write {
						writes = x.want
					}
					if err != nil || seen != x.want || written != writes || session != uuid.UUID(claims.Session) {
						t.Errorf("session %s, %s %s: reads as %q, writes as %q, %v", begins, x.id.Type(), x.id, seen, written, err)
					}
				}
			}
		}
	})
}
