// Command sponsorship runs the example application by itself: against a database that Garant
// guards, a Garant that gives tokens, and an OpenID issuer. See its -help, and README.md beside
// its package.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/garant-project/garant/examples/sponsorship"
	"github.com/garant-project/garant/examples/sponsorship/issuer"
	"github.com/garant-project/garant/tenant"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Getenv); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "sponsorship:", err)
		os.Exit(1)
	}
}

type options struct {
	listen, origin, garant, database, issuer, client, users, pages, certificate, authority, keyType, portal string
	forms, places                                                                                           []string
}

func run(ctx context.Context, args []string, env func(string) string) error {
	var o options
	f := flag.NewFlagSet("sponsorship", flag.ContinueOnError)
	f.StringVar(&o.listen, "listen", "127.0.0.1:8482", "where to listen")
	f.StringVar(&o.origin, "origin", "http://ardoise.localhost:8482", "where browsers find it")
	f.StringVar(&o.garant, "garant", "", "where Garant gives tokens: https://admin.garant.example/api/v1/tenant/token")
	f.StringVar(&o.database, "audience", "production", "what Garant's estate calls the database that customers share")
	f.StringVar(&o.issuer, "issuer", "", "the OpenID issuer at which customers' staff sign in")
	f.StringVar(&o.client, "client", "sponsorship", "what the issuer calls this application")
	f.StringVar(&o.keyType, "key", "bigint", "type of the customers' key: uuid, bigint or text")
	f.StringVar(&o.users, "development-users", "", "run an issuer for development at -issuer, with the users of this JSON file; it asks for no password")
	f.StringVar(&o.pages, "development-pages", "", "where browsers find that issuer's page, when not at -issuer: http://127.0.0.1:8483")
	f.StringVar(&o.certificate, "development-certificate", "", "PEM file with that issuer's certificate and key, when -issuer begins with https (Garant takes no other)")
	f.StringVar(&o.authority, "issuer-authority", "", "PEM file of the authority that issued the issuer's certificate, when it is one of your own")
	f.StringVar(&o.portal, "portal", "", "where Garant shows customers their activity log: https://portal.garant.example; without it there is no link")
	f.Func("form", "a public form, as slug=customer's key=name; may be given several times", func(s string) error { o.forms = append(o.forms, s); return nil })
	f.Func("place", "what Garant's estate calls a database that a customer has to itself; its address is in SPONSORSHIP_DATABASE_ and that name in capitals; may be given several times", func(s string) error { o.places = append(o.places, s); return nil })
	f.Usage = func() {
		_, _ = fmt.Fprintf(f.Output(), "Runs the example application.\n\nIn the environment:\n  SPONSORSHIP_DATABASE  address of the customers' database, as the application's role\n  SPONSORSHIP_TOKEN     this application's API token at Garant, with the right to exchange\n\nFlags:\n")
		f.PrintDefaults()
	}
	if err := f.Parse(args); err != nil {
		return err
	}
	forms, err := parseForms(o.forms, o.keyType)
	switch {
	case err != nil:
		return err
	case f.NArg() > 0:
		return fmt.Errorf("%q is no flag: see -help", f.Arg(0))
	case env("SPONSORSHIP_DATABASE") == "" || env("SPONSORSHIP_TOKEN") == "" || o.garant == "" || o.issuer == "":
		return errors.New("SPONSORSHIP_DATABASE and SPONSORSHIP_TOKEN in the environment, -garant and -issuer are needed: see -help")
	}
	bearer := env("SPONSORSHIP_TOKEN")
	garant := tenant.Endpoint{URL: o.garant, APIToken: func(context.Context) (string, error) { return bearer, nil }}
	places := &tenant.Places{Endpoint: garant, Audience: o.database, Pools: map[string]*pgxpool.Pool{}, Grace: 5 * time.Minute}
	places.URL = strings.TrimSuffix(o.garant, "/token") + "/route"
	defer func() {
		for _, pool := range places.Pools {
			pool.Close()
		}
	}()
	for _, name := range append([]string{o.database}, o.places...) {
		variable := "SPONSORSHIP_DATABASE"
		if name != o.database {
			variable += "_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
		}
		pool, err := pgxpool.New(ctx, env(variable))
		if err != nil || env(variable) == "" {
			return fmt.Errorf("the address in %s cannot be read: write it as postgres://app:password@host/database?sslmode=verify-full", variable)
		}
		places.Pools[name] = pool
	}
	client, err := trusting(o.authority)
	if err != nil {
		return err
	}
	app, err := sponsorship.New(sponsorship.Config{
		Origin: o.origin, Pools: places, Issuer: o.issuer, Client: o.client, HTTP: client, Forms: forms, Log: slog.New(slog.NewJSONHandler(os.Stderr, nil)),
		Portal:    sponsorship.Portal{Origin: o.portal, Audience: o.database + "@garant"},
		Exchanger: &sponsorship.Garant{Database: o.database, Endpoint: garant},
	})
	if err != nil {
		return err
	}
	sites := []site{{address: o.listen, handler: app}}
	if o.users != "" {
		more, err := development(o)
		if err != nil {
			return err
		}
		sites = append(sites, more...)
	}
	return serve(ctx, sites)
}

// site is what answers at an address.
type site struct {
	address string
	handler http.Handler
	secure  *tls.Config // nil: plain HTTP
}

// trusting is a client that believes an authority of one's own; nil: the usual one.
func trusting(file string) (*http.Client, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file) //nolint:gosec // where the operator says
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate", file)
	}
	return &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}, nil
}

// development makes the issuer for development.
func development(o options) ([]site, error) {
	text, err := os.ReadFile(o.users)
	if err != nil {
		return nil, err
	}
	var users []issuer.User
	if err := json.Unmarshal(text, &users); err != nil {
		return nil, fmt.Errorf("%s is to hold a list of users: [{\"ID\": …, \"Name\": …, \"Email\": …, \"Organisation\": key, \"Customer\": name}]: %w", o.users, err)
	}
	i, err := issuer.New(issuer.Config{URL: o.issuer, Pages: o.pages, Client: o.client, Redirect: o.origin + "/callback", Users: users})
	if err != nil {
		return nil, err
	}
	var sites []site
	for _, address := range []string{o.issuer, o.pages} {
		u, err := url.Parse(address)
		if err != nil || u.Host == "" {
			continue // no pages of its own
		}
		s := site{address: "127.0.0.1:" + u.Port(), handler: i.Handler()}
		if u.Scheme == "https" {
			cert, err := tls.LoadX509KeyPair(o.certificate, o.certificate)
			if err != nil {
				return nil, fmt.Errorf("-development-certificate is to name a PEM file with a certificate and its key: %w", err)
			}
			s.secure = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
		}
		sites = append(sites, s)
	}
	return sites, nil
}

func parseForms(texts []string, keyType string) ([]sponsorship.Form, error) {
	var forms []sponsorship.Form
	for _, s := range texts {
		parts := strings.SplitN(s, "=", 3)
		if len(parts) != 3 {
			return nil, fmt.Errorf("-form %q: write slug=key=name", s)
		}
		id, err := tenant.ParseID(keyType, parts[1])
		if err != nil {
			return nil, err
		}
		forms = append(forms, sponsorship.Form{Slug: parts[0], Customer: id, Name: parts[2]})
	}
	return forms, nil
}

// serve listens until ctx ends.
func serve(ctx context.Context, sites []site) error {
	failed := make(chan error, len(sites))
	var servers []*http.Server
	for _, one := range sites {
		l, err := net.Listen("tcp", one.address)
		if err != nil {
			return err
		}
		if one.secure != nil {
			l = tls.NewListener(l, one.secure)
		}
		s := &http.Server{Handler: one.handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 32 << 10}
		servers = append(servers, s)
		go func() { failed <- s.Serve(l) }()
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	for _, s := range servers {
		_ = s.Shutdown(ending)
	}
	return err
}
