package app

import (
	"context"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/directory"
	"github.com/garant-project/garant/internal/job"
	"github.com/garant-project/garant/internal/mail"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/catalogue"
	checks "github.com/garant-project/garant/internal/measure/console"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
)

// ownerRoutes are the pages on measures and on mail. They make the post, whose digests say what the
// desk of this console says.
func (g *Garant) ownerRoutes(c *console.Chrome, dir *directory.Directory) ([]web.Route, error) {
	routes, err := checks.OwnerPages(c, checks.OwnerDeps{Owners: g.Owners, Persons: dir, SiteName: g.siteName})
	if err != nil {
		return nil, err
	}
	g.post, err = mail.New(mail.Config{
		DB: g.DB, Settings: g.Server.Mail, Directory: dir, Messages: g.Messages, Chrome: c, Company: c.Company, Language: g.language, Zone: g.zone,
		Origin: g.ConsoleOrigin(), Now: g.Now, Log: g.Log,
	}, g.Owners.ReminderTemplate())
	if err != nil {
		return nil, err
	}
	more, err := g.post.Pages(c)
	return append(routes, more...), err
}

// postJobs are the work of sending and of reminding; postDue is when it is done.
func (g *Garant) postJobs() []job.Kind {
	if g.post == nil { // no console here
		return nil
	}
	return append(g.post.Jobs(), g.Owners.Reminders(g.post.Queue))
}

func (g *Garant) postDue() []job.Recurrence {
	if g.post == nil || !g.post.On {
		return nil
	}
	return append(g.post.Recurrences(), measure.ReminderRecurrence())
}

// language is the company's first.
func (g *Garant) language(ctx context.Context) string {
	if view, err := g.View(ctx); err == nil && view.Estate != nil && len(view.Estate.Company.Languages) > 0 {
		return view.Estate.Company.Languages[0]
	}
	return g.languages()[0]
}

// siteName is what the register calls a site.
func (g *Garant) siteName(ctx context.Context, _, id string) string {
	parsed, err := uuid.Parse(id)
	if err != nil {
		return ""
	}
	by := actor.NewSystem("measures")
	type key struct{}
	names, err := web.Once(ctx, key{}, func() (map[uuid.UUID]string, error) { // pages that name one name most of them
		view, err := g.View(ctx)
		if err != nil {
			return nil, err
		}
		var ids []uuid.UUID
		for _, id := range view.Subjects[catalogue.PerSite] {
			if open, err := uuid.Parse(id); err == nil {
				ids = append(ids, open)
			}
		}
		return g.Registers.Names(ctx, by, ids)
	})
	if name := names[parsed]; err == nil && name != "" {
		return name
	}
	if names, err = g.Registers.Names(ctx, by, []uuid.UUID{parsed}); err != nil { // of a site that is closed
		return "" // its id is shown instead
	}
	return names[parsed]
}
