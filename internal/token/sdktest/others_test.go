package sdktest

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/token"
	"github.com/garant-project/garant/tenant"
)

// The SDKs of other languages run their own tests against this cluster.

func TestNode(t *testing.T) {
	if _, err := os.Stat("../../../sdk/node/node_modules/pg/package.json"); err != nil {
		t.Fatal("the modules of sdk/node are missing: run scripts/need node")
	}
	others(t, "../../../sdk/node", "node", "--test")
}

func TestRuby(t *testing.T) {
	others(t, "../../../sdk/ruby", "ruby", "-Ilib", "-w", "test/all.rb")
}

func others(t *testing.T, dir, program string, args ...string) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	if _, err := exec.LookPath(program); err != nil {
		t.Fatalf("%s is missing, whose SDK is tested here: run scripts/need %[1]s", program)
	}
	both(t, func(t *testing.T, w *world) {
		at, err := pgx.ParseConfig(running.cluster.DSN("app", w.database))
		if err != nil {
			t.Fatal(err)
		}
		ended := w.claims(w.a)
		if err := token.Revoke(context.Background(), w.super, ended.Session, ended.Expires); err != nil {
			t.Fatal(err)
		}
		other := w.key
		other.Secret[0] ^= 1
		forged, err := other.Mint(w.claims(w.a))
		if err != nil {
			t.Fatal(err)
		}
		tokens := map[string]string{}
		for name, tk := range map[string]tenant.Token{
			"a": w.token(t, w.a), "b": w.token(t, w.b), "expired": w.expired(t, w.a), "revoked": w.mint(t, ended), "forged": forged,
		} {
			tokens[name] = tk.Encode()
		}
		pooled := w.pooler(t, 1, "server_reset_query = DISCARD ALL\nserver_reset_query_always = 1").Config().ConnConfig
		given, err := json.Marshal(map[string]any{"host": at.Host, "port": at.Port, "user": at.User, "database": at.Database, "a": w.a, "b": w.b, "tokens": tokens,
			"pooler": map[string]any{"host": pooled.Host, "port": pooled.Port}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 45*time.Second)
		defer cancel()
		cmd := exec.CommandContext(ctx, program, args...) //nolint:gosec // the programs named above
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GARANT_SDK_TEST="+string(given), "NODE_NO_WARNINGS=1", "TZ=UTC")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		t.Logf("%s", out)
		w.atRest(t)
	})
}
