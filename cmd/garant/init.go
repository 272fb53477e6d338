package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/garant-project/garant/internal/app"
	"github.com/garant-project/garant/internal/discover"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
)

type initCmd struct {
	Company   string   `help:"Name of the company, as customers know it."`
	LegalName string   `help:"Its legal name, when that is another."`
	Country   string   `help:"Its country, in two letters, such as BE."`
	Languages []string `name:"language" help:"Language of the annex, fr or en; repeated, the one of reference first." placeholder:"LANG"`
	TimeZone  string   `help:"Zone of due dates, such as Europe/Brussels."`
	Contact   string   `help:"Mail address for questions about the annex."`
	Sites     []string `name:"site" help:"Name of an office; repeated." placeholder:"NAME" sep:"none"`
	Domains   []string `name:"domain" help:"Domain of yours, below which hosts are looked for; repeated." placeholder:"DOMAIN"`
	Databases []string `name:"database" help:"PostgreSQL to read: env:NAME, file:/PATH, or a URL (others on this machine may see that one in the list of processes); repeated." placeholder:"URL" sep:"none"`

	Trust    string `help:"PEM file with authorities of your own, by whom certificates of yours are issued." placeholder:"FILE" type:"path"`
	Resolver string `help:"Ask this resolver instead of the machine's." placeholder:"ADDRESS"`
	Ports    struct {
		HTTPS    int `help:"Port where HTTPS answers." default:"443" name:"https-port"`
		HTTP     int `help:"Port where plain HTTP would answer." default:"80" name:"http-port"`
		Postgres int `help:"Port where PostgreSQL answers." default:"5432" name:"postgres-port"`
	} `embed:""`

	Out   string `help:"File to write (default: the garant.yaml that other commands read)." placeholder:"FILE" type:"path"`
	Apply bool   `help:"Put the draft in force at once."`
	Yes   bool   `help:"Ask nothing: take the usual answer where no flag gives one." short:"y"`
	JSON  bool   `help:"Print JSON." name:"json"`
}

// Help is shown below the flags.
func (*initCmd) Help() string {
	return `Asks whose annex it is, looks at what you name, and writes a garant.yaml in which every line says
why it is there or what to decide. It changes nothing on what it looks at and publishes nothing. It asks your resolver, the hosts
below the domains you name, and the databases you name: nobody else. At most a minute, whatever hangs.

A garant.yaml that exists is never replaced: the draft goes to garant.yaml.new. No password gets into it.

Examples:
  garant init                                       asks at the terminal
  garant init --company "Your company" --country BE --domain company.example --database env:PRODUCTION_URL --yes`
}

func (n *initCmd) Run(ctx context.Context, c *cli, con console) error {
	o := c.options(con, app.DefaultDataDir())
	way, err := discover.Network(n.Resolver)
	if err != nil {
		return err
	}
	answers, err := n.answers(con)
	if err != nil {
		return err
	}
	path, usual, err := n.target(o)
	if err != nil {
		return err
	}
	if strings.HasSuffix(path, ".new") && path != n.Out {
		_, _ = fmt.Fprintf(con.err, "garant: There is a %s already, which stays as it is: the draft will be %s.\n", strings.TrimSuffix(filepath.Base(path), ".new"), filepath.Base(path))
	}
	ask, err := n.ask(path, con)
	if err != nil {
		return err
	}
	answers, files, err := n.complete(ctx, con, answers, &ask)
	if err != nil {
		return err
	}
	found, err := discover.Find(ctx, ask, way, 0, app.Sources(o.Now)...)
	if err != nil {
		return err
	}
	result, err := discover.Draft(answers, found, estate.Dir(filepath.Dir(path)), o.Now())
	if err != nil {
		return err
	}
	if err := app.PrepareInit(o, path); err != nil {
		return err
	}
	if err := discover.Write(ctx, path, result.Source, answers.Databases, files...); err != nil {
		return err
	}
	outlook, err := app.LookAhead(result.Estate)
	if err != nil {
		return err
	}
	var applied *app.Applied
	if n.Apply {
		if applied, err = n.apply(ctx, c, con, path, result.Sites); err != nil {
			return err
		}
	}
	if n.JSON {
		return n.report(con, path, result, outlook, applied)
	}
	n.tell(con, path, places(c, path, usual), answers, result, outlook, applied)
	return nil
}

// answers are what the flags say, checked.
func (n *initCmd) answers(con console) (discover.Answers, error) {
	a := discover.Answers{Company: n.Company, LegalName: n.LegalName, Country: strings.ToUpper(n.Country), Languages: n.Languages, Zone: n.TimeZone, Contact: n.Contact, Sites: n.Sites}
	if err := a.CheckGiven(); err != nil {
		return a, err
	}
	for _, written := range n.Domains {
		domain, err := discover.ParseDomain(written)
		if err != nil {
			return a, err
		}
		a.Domains = append(a.Domains, domain)
	}
	for _, written := range n.Databases {
		d, bare, err := discover.ReadDatabase(written)
		if err != nil {
			return a, err
		}
		if bare {
			_, _ = fmt.Fprintln(con.err, "garant: A URL on the command line can be read by others on this machine, and stays in the shell's history; env:NAME and file:/PATH do not.")
		}
		a.Databases = append(a.Databases, d)
	}
	a.Databases = discover.Variables(a.Databases)
	return a, nil
}

// target says where the file will go; usual says that other commands find it there by themselves.
func (n *initCmd) target(o app.Options) (path string, usual bool, err error) {
	wanted := n.Out
	if wanted == "" {
		wanted = app.InitPath(o)
	}
	if path, err = discover.Place(wanted); err != nil {
		return "", false, err
	}
	if n.Apply && path != wanted {
		return "", false, errs.New(errs.Conflict, "cli.init.apply", "There is a "+filepath.Base(wanted)+" already, and --apply puts only a new one in force.").
			WithFix("Leave --apply out and compare the draft with it, or move it away.")
	}
	return path, n.Out == "" && path == wanted, nil
}

// ask is what sources look at, apart from what only a person knows.
func (n *initCmd) ask(path string, con console) (discover.Ask, error) {
	ask := discover.Ask{Ports: discover.Ports{HTTPS: n.Ports.HTTPS, HTTP: n.Ports.HTTP, Postgres: n.Ports.Postgres}, Progress: progress(con.err)}
	for _, port := range []int{n.Ports.HTTPS, n.Ports.HTTP, n.Ports.Postgres} {
		if port < 1 || port > 65535 {
			return ask, errs.New(errs.Invalid, "cli.init.port", "A port is a number from 1 to 65535.")
		}
	}
	if n.Trust == "" {
		return ask, nil
	}
	pem, err := estate.Dir(".").ReadFile(n.Trust)
	ask.Trust = x509.NewCertPool()
	if err != nil || !ask.Trust.AppendCertsFromPEM(pem) {
		return ask, errs.New(errs.Invalid, "cli.init.trust", "The file with your authorities cannot be read, or holds no certificate.").WithFix("Name a PEM file.")
	}
	name := n.Trust
	if rel, err := filepath.Rel(filepath.Dir(path), name); err == nil && filepath.IsLocal(rel) {
		name = rel
	}
	ask.TrustFile = "file:" + name
	return ask, nil
}

// complete fills in what the flags left open: by asking, or with what is usual.
func (n *initCmd) complete(ctx context.Context, con console, a discover.Answers, ask *discover.Ask) (_ discover.Answers, files []string, err error) {
	interactive := !n.Yes && terminal(os.Stdin)
	var talk *discover.Interview
	if interactive {
		talk = discover.NewInterview(os.Stdin, con.err, func() func() { return hide(os.Stdin) })
		if a, files, err = talk.Complete(ctx, a); err != nil {
			return a, nil, err
		}
	} else {
		a = a.Fill()
		if missing := a.Missing(); len(missing) > 0 {
			return a, nil, errs.New(errs.Invalid, "cli.init.missing", "There is no terminal to ask at, and not everything was given.").
				WithFix("Give " + strings.Join(missing, ", ") + " as well, or run it at a terminal.")
		}
	}
	if err := a.Check(); err != nil {
		return a, nil, err
	}
	ask.Domains, ask.Databases = a.Domains, a.Databases
	if interactive {
		_, _ = fmt.Fprintln(con.err)
		for _, s := range app.Sources(time.Now) {
			if whom := s.Asks(*ask); whom != "" {
				_, _ = fmt.Fprintf(con.err, "Will ask %s.\n", whom)
			}
		}
		yes, err := talk.Agree(ctx, "Nobody else is asked, nothing is changed, nothing is published. Go on")
		if err != nil {
			return a, nil, err
		}
		if !yes {
			return a, nil, errs.New(errs.Invalid, "cli.init.no", "Nothing was asked and nothing was written.")
		}
	}
	return a, files, nil
}

// progress writes lines one at a time.
func progress(to io.Writer) func(string) {
	var mu sync.Mutex
	return func(line string) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = fmt.Fprintln(to, "… "+line)
	}
}

// apply puts the draft in force and the sites into their register.
func (n *initCmd) apply(ctx context.Context, c *cli, con console, path string, sites []string) (*app.Applied, error) {
	c.Config = path
	var applied app.Applied
	err := c.withGarant(ctx, con, func(g *app.Garant) (err error) {
		if applied, err = g.ApplyEstate(ctx, shell()); err != nil {
			return err
		}
		added, err := g.AddSites(ctx, shell(), sites)
		if len(added) > 0 && !n.JSON {
			_, _ = fmt.Fprintf(con.out, "Added to the register of sites: %s.\n", strings.Join(added, ", "))
		}
		return err
	})
	return &applied, err
}

func (n *initCmd) report(con console, path string, r discover.Result, outlook app.Outlook, applied *app.Applied) error {
	type note struct {
		About string `json:"about"`
		Text  string `json:"text"`
	}
	notes := []note{}
	for _, one := range r.Notes {
		notes = append(notes, note{one.About, one.Text})
	}
	return json.NewEncoder(con.out).Encode(map[string]any{
		"file": path, "endpoints": len(r.Estate.Endpoints), "databases": len(r.Estate.Databases), "commented_out": r.Off,
		"sites": append([]string{}, r.Sites...), "notes": notes, "outlook": outlook, "applied": applied,
	})
}

// places are the flags by which other commands find what this one wrote. What stands in the
// environment they find by themselves.
func places(c *cli, path string, usual bool) (flags string) {
	if c.Data != "" && c.Data != os.Getenv("GARANT_DATA") {
		flags = " --data " + quoteShell(c.Data)
	}
	if !usual || c.Config != "" && c.Config != os.Getenv("GARANT_CONFIG") {
		flags += " --config " + quoteShell(path)
	}
	return flags
}

// tell says what was written and what comes next.
func (n *initCmd) tell(con console, path, flags string, a discover.Answers, r discover.Result, outlook app.Outlook, applied *app.Applied) {
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(con.out, format, args...) }
	say("Wrote %s: %s and %s", path, counted(len(r.Estate.Endpoints), "endpoint", "endpoints"), counted(len(r.Estate.Databases), "database", "databases"))
	if r.Off > 0 {
		say("; %s as %s", counted(r.Off, "more stands there", "more stand there"), map[bool]string{true: "a comment", false: "comments"}[r.Off == 1])
	}
	say(".\n")
	if len(r.Notes) > 0 {
		say("\nNot in it, or to be known (all of it stands at the end of the file):\n")
		for _, note := range r.Notes[:min(len(r.Notes), maxNotesShown)] {
			say("  %s: %s\n", note.About, note.Text)
		}
		if more := len(r.Notes) - maxNotesShown; more > 0 {
			say("  and %d more\n", more)
		}
	}
	say("\nWhat will be looked at, and what waits:\n%s", outlook)

	say("\nNext:\n")
	step := func(command, why string) { say("  %-62s # %s\n", command, why) }
	for _, d := range a.Databases {
		if name, ok := strings.CutPrefix(d.Reference, "env:"); ok {
			step("export "+name+"=…", "the URL of the database, for the account Garant runs as")
		}
	}
	if applied == nil {
		step("less "+quoteShell(path), "read each line, decide what it asks")
		step("garant estate validate "+quoteShell(path), "is it right?")
		step("garant estate apply"+flags, "put it in force; nothing is public yet")
	} else {
		say("  %s", applied)
	}
	step("garant person add you@company.example \"Your Name\" --role lead"+flags, "yourself")
	step("garant person link you@company.example"+flags, "your link to sign in with")
	step("garant serve"+flags, "the console, and the draft of your annex")
	if n.Resolver != "" {
		say("\nThe names were asked of %s. The checks ask this machine's own resolver: it has to know them too, or write the address under connect.\n", n.Resolver)
	}
	if len(r.Sites) > 0 && applied == nil {
		say("\nIn the console, under Registers → Sites, add: %s.\n", strings.Join(r.Sites, ", "))
	}
}

const maxNotesShown = 12

// quoteShell writes a path so that a shell takes it as one word.
func quoteShell(s string) string {
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !strings.ContainsRune("/._-+:@%", r) && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
