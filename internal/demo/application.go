package demo

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/garant-project/garant/examples/sponsorship"
	"github.com/garant-project/garant/examples/sponsorship/issuer"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/tenant"
)

// Client is what the example's login calls its application.
const Client = "sponsorship"

// issuerKey is the file with the key by which the example's login signs: kept, so that a second
// start is the same issuer.
const issuerKey = "issuer.key"

// Customer is an organisation that uses the example's application.
type Customer struct {
	Key  int64 // customer.organisation.id
	Slug string
	Name string
}

// ID is the customer's key in a tenant token.
func (c Customer) ID() tenant.ID { return tenant.Int(c.Key) }

// Customers are the organisations that use the example. The first two share a database; the last gets one of its own ([Company.MakeOwn]).
func Customers() []Customer {
	return []Customer{{1, "brasserie", "Brasserie de l’Exemple"}, {2, "assurances", "Assurances de l’Exemple"}, {3, "mutuelle", "Mutuelle de l’Exemple"}}
}

// Users are the customers' staff that the example's login knows: each customer has somebody who
// reviews, somebody who pays and somebody who reads. customer.member has the same.
func Users() []issuer.User {
	var users []issuer.User
	for _, c := range Customers() {
		for i, name := range []string{"Instruction", "Trésorerie", "Consultation"} {
			mailbox := []string{"instruction", "tresorerie", "consultation"}[i]
			users = append(users, issuer.User{
				ID: fmt.Sprintf("00000000-0000-4000-8000-0000000000%d%d", c.Key, i+1), Name: name + " (exemple)",
				Email: mailbox + "@" + c.Slug + ".example", Organisation: fmt.Sprint(c.Key), Customer: c.Name,
			})
		}
	}
	return users
}

// Application is the example's own software: the application that its customers use, and their login.
type Application struct {
	Origin string // of the application, for browsers
	Issuer string // of the login, for programs
	Pages  string // of the login, for browsers
	Login  *issuer.Issuer

	pools   map[string]*pgxpool.Pool // by the database's name in the estate
	servers []*http.Server
}

// applicationOrigin is where browsers find the application. Hosts below localhost are this machine's
// own (RFC 6761, section 6.3).
func (c *Company) applicationOrigin() string {
	return fmt.Sprintf("http://ardoise.localhost:%d", c.ports[applicationListener][0])
}

// issuerURL is where programs ask the login: over TLS, as Garant demands of every issuer, with a
// certificate of the example's own authority. Browsers do not trust that one, and find the page of
// the login without TLS on this machine.
func (c *Company) issuerURL() string {
	return fmt.Sprintf("https://localhost:%d", c.ports[issuerListener][0])
}

func (c *Company) loginPages() string {
	return fmt.Sprintf("http://login.localhost:%d", c.ports[applicationListener][1])
}

// OpenApplication starts the application and its login. Its databases may be away: pages say so. garant answers where a
// customer lives, as GET /api/v1/tenant/route does; nil: nobody moves. portal is where Garant shows customers their activity log; empty: nowhere.
func (c *Company) OpenApplication(ctx context.Context, tokens sponsorship.Exchanger, garant http.RoundTripper, portal string) (*Application, error) {
	a := &Application{Origin: c.applicationOrigin(), Issuer: c.issuerURL(), Pages: c.loginPages(), pools: map[string]*pgxpool.Pool{}}
	if err := a.open(ctx, c, tokens, garant, portal); err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

func (a *Application) open(ctx context.Context, c *Company, tokens sponsorship.Exchanger, garant http.RoundTripper, portal string) error {
	key, err := c.signingKey()
	if err != nil {
		return err
	}
	if a.Login, err = issuer.New(issuer.Config{URL: a.Issuer, Pages: a.Pages, Client: Client, Redirect: a.Origin + "/callback", Users: Users(), Key: key}); err != nil {
		return err
	}
	for name, file := range map[string]string{productionName: appAddress, OwnName: own(appAddress)} {
		if a.pools[name], err = c.pool(ctx, file); err != nil {
			return err
		}
	}
	pools := tenant.Router(tenant.Single(a.pools[productionName]))
	if garant != nil {
		pools = &tenant.Places{
			Audience: productionName, Pools: a.pools, Grace: time.Hour,
			Endpoint: tenant.Endpoint{
				URL: "http://localhost/api/v1/tenant/route", Client: &http.Client{Transport: garant, Timeout: 10 * time.Second},
				APIToken: func(context.Context) (string, error) { return "", nil }, // none is needed within one process
			},
		}
	}
	var forms []sponsorship.Form
	for _, customer := range Customers() {
		forms = append(forms, sponsorship.Form{Slug: customer.Slug, Customer: customer.ID(), Name: customer.Name})
	}
	handler, err := sponsorship.New(sponsorship.Config{
		Origin: a.Origin, Pools: pools, Exchanger: tokens, Issuer: a.Issuer, Client: Client, HTTP: c.client(), Forms: forms, Log: c.log.With("service.name", "sponsorship"),
		Portal: sponsorship.Portal{Origin: portal, Audience: productionName + "@garant"},
	})
	if err != nil {
		return err
	}
	tlsKey, err := c.key("login")
	if err != nil {
		return err
	}
	now := time.Now()
	cert, err := c.ca.IssueFor(tlsKey, "localhost", now.Add(-time.Hour), now.Add(certLife), "Ardoise Mécénat SRL")
	if err != nil {
		return err
	}
	login := a.Login.Handler()
	return errors.Join(
		a.serve(c.ports[applicationListener][0], handler, nil),
		a.serve(c.ports[applicationListener][1], login, nil),
		a.serve(c.ports[issuerListener][0], login, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}),
	)
}

// pool leads to a database as the application's role.
func (c *Company) pool(ctx context.Context, file string) (*pgxpool.Pool, error) {
	address, err := os.ReadFile(c.path(file))
	if err != nil {
		return nil, cannot("read "+file, err)
	}
	config, err := pgxpool.ParseConfig(strings.TrimSpace(string(address)))
	if err != nil {
		return nil, cannot("read "+file, err)
	}
	config.MaxConns = 6
	pool, err := pgxpool.NewWithConfig(ctx, config)
	return pool, pg.Wrap(err)
}

// client trusts the example's own authority, and nobody else.
func (c *Company) client() *http.Client {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(c.ca.PEM())
	return &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, IdleConnTimeout: time.Minute}}
}

// serve listens on loopback; secure is nil for plain HTTP.
func (a *Application) serve(port int, h http.Handler, secure *tls.Config) error {
	l, err := net.Listen("tcp", loopback(port))
	if err != nil {
		return errs.New(errs.Unavailable, "demo.port", fmt.Sprintf("The example's application cannot listen on 127.0.0.1:%d.", port)).
			WithFix("End the program that holds this port, or start with another --data directory.").Wrap(err)
	}
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 32 << 10}
	a.servers = append(a.servers, s)
	if secure != nil {
		l = tls.NewListener(l, secure)
	}
	go func() { _ = s.Serve(l) }() // ends with Close
	return nil
}

// Close stops both.
func (a *Application) Close() {
	for _, s := range a.servers {
		_ = s.Close()
	}
	for _, pool := range a.pools {
		if pool != nil {
			pool.Close()
		}
	}
}

// signingKey is the login's key, made once.
func (c *Company) signingKey() (*rsa.PrivateKey, error) {
	text, err := os.ReadFile(c.path(issuerKey))
	if errors.Is(err, os.ErrNotExist) {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, err
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, err
		}
		return key, c.save(issuerKey, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
	}
	if err != nil {
		return nil, cannot("read "+issuerKey, err)
	}
	if block, _ := pem.Decode(text); block != nil {
		if parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
			if key, ok := parsed.(*rsa.PrivateKey); ok {
				return key, nil
			}
		}
	}
	return nil, errs.New(errs.Invalid, "demo.issuer_key", "The key of the example's login cannot be read.").WithFix("Remove " + issuerKey + " from the example's directory: a new one is made at the next start.")
}
