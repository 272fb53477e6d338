package demo

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/pg/cluster"
)

func open(t *testing.T, dir string) *Company {
	t.Helper()
	c, err := Open(context.Background(), dir, 5*time.Second, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil {
		t.Fatal(err)
	}
	return c
}

func scratch(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "garant-demo-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil { // PostgreSQL's account passes through
		t.Fatal(err)
	}
	return dir
}

func TestSecondStartDeclaresTheSameEstate(t *testing.T) {
	t.Setenv(PortsVariable, "free") // nobody takes them between the two starts
	dir := scratch(t)
	c := open(t, dir)
	first := c.Config()
	e, err := estate.Parse(first, estate.Dir(dir))
	if err != nil {
		t.Fatal(err)
	}
	if len(e.Endpoints) != len(endpoints()) {
		t.Errorf("%d endpoints declared, %d there", len(e.Endpoints), len(endpoints()))
	}
	for _, ep := range e.Endpoints {
		if len(ep.Identity) != 1 || ep.TrustPEM == nil {
			t.Errorf("%s is not pinned", ep.Name)
		}
	}
	if d, ok := e.Database(productionName); !ok || !d.CustomerData || len(d.Readers) == 0 || d.System == "" {
		t.Errorf("the database of customers is declared as %+v", e.Databases)
	}
	if server, err := estate.ParseServer(first, estate.Dir(dir)); err != nil || server.Mail.Outbox != c.Outbox() || !strings.HasPrefix(c.Outbox(), dir) {
		t.Errorf("mail is written to %+v, not to %s: %v", server, c.Outbox(), err)
	}
	rows := count(t, c, `SELECT count(*) FROM customer.applicant`)
	if err := c.Break(productionName, FaultSuperuser); err != nil {
		t.Fatal(err)
	}
	c.Close()
	c = open(t, dir)
	// An example from before there was tenancy is made anew.
	if err := (production{c.db}).exec(`DROP TABLE customer.event; UPDATE customer.applicant SET city = 'old'`); err != nil {
		t.Fatal(err)
	}
	c.Close()
	c = open(t, dir)
	if n := count(t, c, `SELECT count(*) FROM customer.applicant WHERE city = 'old'`) + 1 - count(t, c, `SELECT count(*) FROM pg_class WHERE oid = 'customer.event'::regclass`); n != 0 {
		t.Error("the old database is left")
	}
	if now := count(t, c, `SELECT count(*) FROM customer.applicant`); now != rows || rows == 0 {
		t.Errorf("%d applicants, %d after a second start", rows, now)
	}
	if left := count(t, c, `SELECT count(*) FROM pg_roles WHERE rolname = 'reporting' AND rolsuper`); left != 0 || c.Fault(productionName) != "" {
		t.Error("a fault of an earlier run is left")
	}
	if written, err := os.ReadFile(c.ConfigPath()); err != nil || string(written) != string(first) {
		t.Errorf("garant.yaml: %v", err)
	}
	if again := c.Config(); string(again) != string(first) {
		t.Errorf("a second start declares another estate:\n%s\n%s", first, again)
	}
	// The cluster for copies: declared once it was started, and from then on at every start.
	if e.WithCopies() != nil {
		t.Error("copies are declared that nobody makes")
	}
	if err := c.OpenCopies(t.Context()); err != nil {
		t.Fatal(err)
	}
	declared, err := os.ReadFile(c.ConfigPath())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	c = open(t, dir)
	defer c.Close()
	if err := c.OpenCopies(t.Context()); err != nil { // another time changes nothing
		t.Fatal(err)
	}
	if again := c.Config(); string(again) != string(declared) {
		t.Errorf("a start after there were copies declares another estate:\n%s\n%s", declared, again)
	}
	if e, err = estate.Parse(declared, estate.Dir(dir)); err != nil {
		t.Fatal(err)
	}
	if copied := e.WithCopies(); len(copied) != 1 || copied[0].Anonymised.System == copied[0].System || copied[0].Anonymised.System == "" || copied[0].Anonymised.Name != CopyName {
		t.Errorf("copies are declared as %+v", copied)
	}
	p, err := os.ReadFile(c.path(planFile))
	if err != nil || string(p) != string(copiesPlan) {
		t.Errorf("the plan: %v", err)
	}
	for _, secret := range []string{"copies.key", copierAddress, issuerAddress, readerAddress, "ca.key", "application.key", "database.key", productionAddress, appAddress, keeperAddress} {
		if info, err := os.Stat(c.path(secret)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", secret, info, err)
		}
	}
}

// count asks the database of customers as its superuser.
func count(t *testing.T, c *Company, sql string) (n int) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, c.db.cluster.DSN(cluster.SuperUser, productionDatabase))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if err := conn.QueryRow(ctx, sql).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestProductionFaults: each fault is really there, and gone when mended; another takes its place.
func TestProductionFaults(t *testing.T) {
	t.Setenv(PortsVariable, "free")
	c := open(t, scratch(t))
	defer c.Close()
	trace := map[string]string{
		FaultDeveloperGrant: `SELECT count(*) FROM pg_roles WHERE rolname = 'dev_1' AND has_table_privilege('dev_1', 'customer.applicant', 'SELECT') AND has_database_privilege('dev_1', 'ardoise', 'CONNECT')`,
		FaultSuperuser:      `SELECT count(*) FROM pg_roles WHERE rolname = 'reporting' AND rolsuper`,
		FaultPublicSchema:   `SELECT count(*) FROM pg_roles WHERE rolname = 'cs_reader' AND has_schema_privilege('cs_reader', 'public', 'CREATE')`,
		FaultHBATrust:       `SELECT count(*) FROM pg_hba_file_rules WHERE auth_method = 'trust'`,
		FaultUnlabelled:     `SELECT count(*) FROM information_schema.columns WHERE table_name = 'organisation' AND column_name = 'contact_email'`,

		FaultDroppedPolicy:     `SELECT count(*) FROM pg_class c WHERE c.oid = 'customer.application'::regclass AND (SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid) <> 5`,
		FaultUnclassifiedTable: `SELECT count(*) FROM pg_class WHERE relname = 'survey' AND has_table_privilege('app', oid, 'SELECT')`,
		FaultAppOwner:          `SELECT count(*) FROM pg_class WHERE oid = 'customer.application'::regclass AND pg_get_userbyid(relowner) = 'app'`,
		FaultLeftBehind:        `SELECT count(*) FROM customer.organisation WHERE id = 3`,
	}
	if len(trace) != len(ProductionFaults()) {
		t.Errorf("%d traces of %d faults", len(trace), len(ProductionFaults()))
	}
	// Nothing of a customer is left behind before it left, and mending takes nothing of it away.
	if err := c.Break(productionName, FaultLeftBehind); !errs.Is(err, errs.Conflict) {
		t.Errorf("of a customer who lives there: %v", err)
	}
	if err := c.Mend(productionName); err != nil || count(t, c, `SELECT count(*) FROM customer.application WHERE organisation_id = 3`) != 60 {
		t.Errorf("mending before the move: %v", err)
	}
	for _, table := range []string{"customer.event", "customer.payment", "customer.application", "customer.applicant", "customer.member", "billing.invoice"} {
		if err := (production{c.db}).exec(`DELETE FROM ` + table + ` WHERE organisation_id = 3`); err != nil {
			t.Fatal(err)
		}
	}
	c.db.own.Store(int32(ownAlone))
	if err := c.Mend(productionName); err != nil { // takes what is left
		t.Fatal(err)
	}
	for _, fault := range ProductionFaults() {
		if err := c.Break(productionName, fault); err != nil {
			t.Fatal(err)
		}
		for other, sql := range trace {
			if n := count(t, c, sql); (n == 1) != (other == fault) {
				t.Errorf("broken by %s: %s is seen %d times", fault, other, n)
			}
		}
	}
	if err := c.Mend(productionName); err != nil {
		t.Fatal(err)
	}
	for fault, sql := range trace {
		if n := count(t, c, sql); n != 0 {
			t.Errorf("%s is left after mending", fault)
		}
	}
	// What somebody took away by hand comes back too, and what they added goes.
	const opened = `SELECT count(*) FROM pg_class c WHERE c.oid = 'customer.applicant'::regclass AND (NOT c.relrowsecurity OR (SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid) <> 5)`
	if err := (production{c.db}).exec(`ALTER TABLE customer.applicant DISABLE ROW LEVEL SECURITY; DROP POLICY garant_insert ON customer.applicant; CREATE POLICY everything ON customer.applicant USING (true); CREATE POLICY more ON customer.applicant USING (true)`); err != nil {
		t.Fatal(err)
	}
	if count(t, c, opened) != 1 {
		t.Error("the hole that was made by hand is not seen")
	}
	if err := c.Mend(productionName); err != nil || count(t, c, opened) != 0 {
		t.Errorf("mending by hand: %v", err)
	}
	// The stopped server has no rights to break, and says how to go on.
	if err := c.Break(databaseName, "down"); err != nil {
		t.Fatal(err)
	}
	if err := c.Break(productionName, FaultSuperuser); !errs.Is(err, errs.Conflict) {
		t.Errorf("%v", err)
	}
	if err := c.Mend(databaseName); err != nil {
		t.Fatal(err)
	}
	if err := c.Break(productionName, FaultSuperuser); err != nil || c.Fault(productionName) != FaultSuperuser {
		t.Errorf("%v", err)
	}
}

// handy does with copies what the test wants.
type handy struct{ byHand, made bool }

func (h *handy) AsSuperuser(context.Context, string) error {
	return errors.New("there is no Garant here")
}

func (h *handy) HoldUp(context.Context) (func(), error) {
	return nil, errors.New("there is no Garant here")
}

func (h *handy) PublishByHand(context.Context) error        { h.byHand, h.made = true, true; return nil }
func (h *handy) ServedByHand(context.Context) (bool, error) { return h.byHand, nil }
func (h *handy) Developer(context.Context) (string, error) {
	return "postgres://dev:secret@127.0.0.1:1/ardoise_dev?sslmode=verify-ca", nil
}

// TestCopyFaults: each fault is really there, and gone when mended; another takes its place.
func TestCopyFaults(t *testing.T) {
	t.Setenv(PortsVariable, "free")
	dir := scratch(t)
	c := open(t, dir)
	defer func() { c.Close() }()
	h := &handy{}
	c.Lend(h)
	if err := c.Break(copiesName, FaultLeak); !errs.Is(err, errs.Conflict) {
		t.Errorf("before there are copies: %v", err)
	}
	if _, _, err := c.developer(); !errs.Is(err, errs.Conflict) {
		t.Errorf("a shell before there are copies: %v", err)
	}
	if err := c.OpenCopies(t.Context()); err != nil {
		t.Fatal(err)
	}
	if connect, password, err := c.developer(); err != nil || password != "secret" || strings.Contains(connect, "secret") || !strings.Contains(connect, "dev@") {
		t.Errorf("a developer's shell: %s, %v", connect, err)
	}
	trace := map[string]string{
		FaultNewColumn:     `SELECT count(*) FROM information_schema.columns WHERE table_name = 'applicant' AND column_name = 'nickname'`,
		FaultLeak:          `SELECT count(*) FROM customer.field JOIN customer.applicant ON position(email in name_en) > 0`,
		FaultDeveloperPath: `SELECT count(*) FROM pg_roles WHERE rolname = 'dev' AND rolcanlogin AND has_database_privilege(oid, 'ardoise', 'CONNECT')`,
	}
	seen := func(fault string) {
		t.Helper()
		for other, sql := range trace {
			if n := count(t, c, sql); (n == 1) != (other == fault) {
				t.Errorf("broken by %q: %s is seen %d times", fault, other, n)
			}
		}
		if c.Fault(copiesName) != fault {
			t.Errorf("broken by %q: %q is told", fault, c.Fault(copiesName))
		}
	}
	for _, fault := range CopyFaults() {
		if err := c.Break(copiesName, fault); err != nil {
			t.Fatal(err)
		}
		seen(fault)
		if h.made != (fault == FaultByHand || h.byHand) {
			t.Errorf("%s: published by hand: %v", fault, h.made)
		}
		if h.byHand { // the schedule's next copy takes the place
			if err := c.Mend(copiesName); err != nil || c.Fault(copiesName) != FaultByHand {
				t.Errorf("mending takes somebody's copy away: %v", err)
			}
			h.byHand = false
			if c.Fault(copiesName) != "" {
				t.Error("the schedule's copy is taken for somebody's")
			}
			h.made = false
		}
	}
	if err := c.Break(copiesName, FaultSuperuser); !errs.Is(err, errs.Invalid) {
		t.Errorf("a fault of production: %v", err)
	}
	if err := c.Mend(copiesName); err != nil {
		t.Fatal(err)
	}
	seen("")
	// What is left when the process ends is gone after the next start.
	for _, fault := range []string{FaultNewColumn, FaultLeak, FaultDeveloperPath} {
		if err := (production{c.db}).exec(spoils(fault)); err != nil {
			t.Fatal(err)
		}
	}
	c.Close()
	c = open(t, dir)
	seen("")
}

func TestOrders(t *testing.T) {
	t.Setenv(PortsVariable, "free")
	dir := scratch(t)
	if _, err := Send(dir, Order{Do: "list"}); !errs.Is(err, errs.Unavailable) {
		t.Errorf("nothing runs: %v", err)
	}
	c := open(t, dir)
	defer c.Close()
	stop, err := c.Control()
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	a, err := Send(dir, Order{Do: "list"})
	if err != nil || a.Endpoints["staging"] != "no-hsts" || a.Endpoints["application"] != "" {
		t.Errorf("%+v, %v", a, err)
	}
	if !strings.Contains(a.String(), "staging          broken: no-hsts") {
		t.Errorf("%s", a)
	}
	for _, o := range []Order{{Do: "break", Endpoint: "application", Fault: "tls10"}, {Do: "break", Endpoint: "production", Fault: "superuser"}, {Do: "break", Endpoint: "database", Fault: "down"}} {
		if a, err := Send(dir, o); err != nil || a.Endpoints[o.Endpoint] != o.Fault {
			t.Errorf("%+v: %+v, %v", o, a, err)
		}
		if a, err := Send(dir, Order{Do: "mend", Endpoint: o.Endpoint}); err != nil || a.Endpoints[o.Endpoint] != "" {
			t.Errorf("mend %s: %+v, %v", o.Endpoint, a, err)
		}
	}
	for _, c := range []struct {
		order Order
		kind  errs.Kind
		names string
	}{
		{Order{Do: "break", Endpoint: "nowhere", Fault: "down"}, errs.NotFound, "application"},
		{Order{Do: "break", Endpoint: "application", Fault: "gremlins"}, errs.Invalid, "tls10"},
		{Order{Do: "break", Endpoint: "database", Fault: "tls10"}, errs.Invalid, "down"},
		{Order{Do: "break", Endpoint: "production", Fault: "tls10"}, errs.Invalid, "developer-grant"},
		{Order{Do: "break", Endpoint: "application", Fault: "developer-grant"}, errs.Invalid, "tls10"},
		{Order{Do: "dance"}, errs.Invalid, ""},
	} {
		_, err := Send(dir, c.order)
		if _, fix := errs.Sentence(err); !errs.Is(err, c.kind) || !strings.Contains(fix, c.names) {
			t.Errorf("%+v: %v (%s)", c.order, err, fix)
		}
	}
}

func TestTakenPortsAreLeftAlone(t *testing.T) {
	a := open(t, scratch(t))
	defer a.Close()
	b := open(t, scratch(t))
	defer b.Close()
	var taken []int
	for _, p := range a.ports {
		taken = append(taken, p[0], p[1])
	}
	for name, p := range b.ports {
		if name != ownListener && name != portalListener && (slices.Contains(taken, p[0]) || p[1] != 0 && slices.Contains(taken, p[1])) {
			t.Errorf("%s took a port of the other example: %v", name, p)
		}
	}
}

// Two examples that start at the same moment share no port, though neither has taken any when
// the other asks, and though each has a directory for temporary files of its own.
func TestExamplesSideBySideShareNoPort(t *testing.T) {
	dirs := []string{scratch(t), scratch(t)}
	taken := map[int]string{}
	for _, dir := range dirs {
		t.Setenv("TMPDIR", dir)
		c := &Company{dir: dir, ports: map[string][2]int{}}
		c.hold()
		defer c.Close() //nolint:revive // both are there until the end
		if err := c.listeners(); err != nil {
			t.Fatal(err)
		}
		for _, port := range c.ports[ownListener] {
			if other := taken[port]; other != "" {
				t.Errorf("%s and %s both chose port %d", other, dir, port)
			}
			taken[port] = dir
		}
	}
}
