package app

import (
	"context"
	"net"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/calendar"
	"github.com/garant-project/garant/internal/demo"
	"github.com/garant-project/garant/internal/directory"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

// Directory opens the directory; origin is where the console answers, empty for commands.
func (g *Garant) Directory(host, origin string) (*directory.Directory, error) {
	site := directory.Site{}
	if origin != "" {
		site = directory.Site{Host: host, Origin: origin, Name: "Garant"}
	}
	return directory.New(directory.Config{
		Staff: g.DB.Pool(pg.Staff), Login: g.DB.Pool(pg.Login), Box: g.Box, Policy: directory.DefaultPolicy(), Site: site,
	})
}

// ConsoleOrigin is the console's address as browsers write it.
func (g *Garant) ConsoleOrigin() string {
	return g.origin(g.Server.Hosts.Console, g.Server.Listen.Console)
}

// AnnexOrigin is the public annex's.
func (g *Garant) AnnexOrigin() string {
	return g.origin(g.Server.Hosts.Annex, g.Server.Listen.Annex)
}

func (g *Garant) origin(host, listen string) string {
	_, port, _ := net.SplitHostPort(listen) // checked when garant.yaml was read
	scheme, usual := "http", "80"
	if g.https() {
		scheme, usual = "https", "443"
	}
	if port == "" || port == usual || len(g.Server.TrustedProxy) > 0 {
		return scheme + "://" + host
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}

// https reports whether readers come by TLS, ours or a trusted proxy's.
func (g *Garant) https() bool { return g.Server.TLS.Enabled() || len(g.Server.TrustedProxy) > 0 }

// linkPath is where a link is redeemed on the console.
const linkPath = "/link/"

// AddPerson adds a member of staff.
func (g *Garant) AddPerson(ctx context.Context, by actor.Actor, email, name string, role actor.Role) (directory.Person, error) {
	dir, err := g.Directory("", "")
	if err != nil {
		return directory.Person{}, err
	}
	return dir.AddPerson(ctx, by, email, name, role, g.Now())
}

// AddPersonUntil adds a member of staff whose seat ends with a day, written as year-month-day, where
// the company is; empty: it has no end. Auditors need one.
func (g *Garant) AddPersonUntil(ctx context.Context, by actor.Actor, email, name string, role actor.Role, last string) (directory.Person, error) {
	if role != actor.Auditor && last == "" {
		return g.AddPerson(ctx, by, email, name, role)
	}
	if role != actor.Auditor {
		return directory.Person{}, errs.New(errs.Invalid, "directory.seat_role", "Only the seat of an auditor has an end.").WithFix("Leave --until out, or choose --role auditor.")
	}
	dir, err := g.Directory("", "")
	if err != nil {
		return directory.Person{}, err
	}
	until := time.Time{} // refused below
	if last != "" {
		day, err := calendar.Parse(last)
		if err != nil {
			return directory.Person{}, errs.New(errs.Invalid, "console.seat", "This is not a date: "+last+".").WithFix("Write it as year-month-day, for instance 2027-03-31.")
		}
		until = day.End(g.zone(ctx))
	}
	return dir.AddAuditor(ctx, by, email, name, until, g.Now())
}

// People lists the staff.
func (g *Garant) People(ctx context.Context, by actor.Actor) ([]directory.Person, error) {
	dir, err := g.Directory("", "")
	if err != nil {
		return nil, err
	}
	return dir.List(ctx, by, uuid.Nil, 200)
}

// Link makes a one-time link for a person, as the path on the console.
func (g *Garant) Link(ctx context.Context, by actor.Actor, email string, purpose directory.Purpose) (path string, link directory.Link, err error) {
	dir, err := g.Directory("", "")
	if err != nil {
		return "", link, err
	}
	person, err := dir.PersonByEmail(ctx, by, email)
	if err != nil {
		return "", link, err
	}
	link, err = dir.CreateLink(ctx, by, person.ID, purpose, g.Now())
	return linkPath + link.Token, link, err
}

// SignInLink makes a one-time link for the example's security lead, as the path on the console;
// empty when the lead has a passkey already.
func (d *Demo) SignInLink(ctx context.Context) (string, error) {
	path, _, err := d.Link(ctx, actor.NewSystem("demo"), demo.Staff()[0].Email, directory.SignIn)
	if errs.Is(err, errs.Conflict) {
		return "", nil
	}
	return path, err
}

// ParseRole reads a role as people write it.
func ParseRole(s string) (actor.Role, error) {
	var names []string
	for _, r := range actor.Roles() {
		if string(r) == s {
			return r, nil
		}
		names = append(names, string(r))
	}
	return "", errs.New(errs.Invalid, "app.role", "There is no role called "+s+".").WithFix("Choose one of: " + strings.Join(names, ", ") + ".")
}
