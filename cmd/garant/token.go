package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/app"
	"github.com/garant-project/garant/internal/engine/tenancy"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
)

type tokenCmd struct {
	Keys   tokenKeysCmd   `cmd:"" help:"List the keys of the guarded databases, their age and state."`
	Rotate tokenRotateCmd `cmd:"" help:"Replace the key of a guarded database; the old one ends with its last token."`
	Rekey  tokenRekeyCmd  `cmd:"" help:"Give a database that was restored, copied or moved a key of its own."`
	Revoke tokenRevokeCmd `cmd:"" help:"End a session for good, with what is open under it."`
	Mint   tokenMintCmd   `cmd:"" help:"Mint a token for development, with a key of your own."`
}

type tokenKeysCmd struct {
	JSON bool `help:"Print JSON."`
}

// Help is shown below the flags.
func (*tokenKeysCmd) Help() string {
	return `Examples:
  garant token keys
  garant token keys --json`
}

func (t *tokenKeysCmd) Run(ctx context.Context, c *cli, con console) error {
	return c.withGarant(ctx, con, func(g *app.Garant) error {
		list, err := g.Tenancy.Databases(ctx, shell())
		if err != nil {
			return err
		}
		if t.JSON {
			return json.NewEncoder(con.out).Encode(map[string]any{"databases": list})
		}
		if len(list) == 0 {
			_, _ = fmt.Fprintln(con.out, "No database with tenancy is declared: docs/tenancy.md shows how.")
		}
		for _, d := range list {
			_, _ = fmt.Fprintf(con.out, "%s  %s", d.Name, d.Design)
			if d.Trouble != "" {
				_, _ = fmt.Fprintf(con.out, "  %s", g.Words("en", string(d.Trouble)))
			}
			_, _ = fmt.Fprintln(con.out)
			for _, k := range d.Keys {
				_, _ = fmt.Fprintf(con.out, "  key %-3d %-8s made %s\n", k.ID, k.State(), k.MadeAt.Local().Format("2006-01-02 15:04"))
			}
		}
		return nil
	})
}

type tokenRotateCmd struct {
	Database string `arg:"" help:"Its name in garant.yaml."`
	Now      bool   `help:"The old key ends at once, and every token with it: when it may be known to others."`
}

// Help is shown below the flags.
func (*tokenRotateCmd) Help() string {
	return `Examples:
  garant token rotate production
  garant token rotate production --now    the key may have leaked`
}

func (t *tokenRotateCmd) Run(ctx context.Context, c *cli, con console) error {
	return c.withGarant(ctx, con, func(g *app.Garant) error {
		if err := g.Tenancy.Rotate(ctx, shell(), t.Database, t.Now); err != nil {
			return err
		}
		after := "The old one ends with its last token."
		if t.Now {
			after = "The old one has ended, and every token with it."
		}
		_, err := fmt.Fprintf(con.out, "%s has a new key, which mints from now on. %s\n", t.Database, after)
		return err
	})
}

type tokenRekeyCmd struct {
	Database string `arg:"" help:"Its name in garant.yaml."`
}

// Help is shown below the flags.
func (*tokenRekeyCmd) Help() string {
	return `After a restore, a copy or a move, the keys in a database are another's or of another time. Garant mints
nothing for it until this is run; every token from before is refused from then on.

Example:
  garant token rekey production`
}

func (t *tokenRekeyCmd) Run(ctx context.Context, c *cli, con console) error {
	return c.withGarant(ctx, con, func(g *app.Garant) error {
		if err := g.Tenancy.Rekey(ctx, shell(), t.Database); err != nil {
			return err
		}
		_, err := fmt.Fprintf(con.out, "%s has a key of its own. Every other key there has ended.\n", t.Database)
		return err
	})
}

type tokenRevokeCmd struct {
	Session  string `arg:"" help:"Id of the session, as the console lists it."`
	Database string `help:"Only in this database, by its name in garant.yaml." placeholder:"NAME"`
	Reason   string `help:"Why; kept with it." placeholder:"TEXT"`
	JSON     bool   `help:"Print JSON."`
}

// Help is shown below the flags.
func (*tokenRevokeCmd) Help() string {
	return `Example:
  garant token revoke 0d6c5f0e-6a1c-8c43-9a55-0c2f6a0b1d2e --reason "a lost laptop"`
}

func (t *tokenRevokeCmd) Run(ctx context.Context, c *cli, con console) error {
	session, err := uuid.Parse(t.Session)
	if err != nil {
		return errs.New(errs.Invalid, "tenancy.session_id", "This is not the id of a session.").WithFix("Copy it from the list of sessions of the database.")
	}
	return c.withGarant(ctx, con, func(g *app.Garant) error {
		r, err := g.Tenancy.Revoke(ctx, shell(), session, t.Database, t.Reason)
		if err != nil {
			return err
		}
		if t.JSON {
			return json.NewEncoder(con.out).Encode(map[string]any{"databases": r.Databases, "ended": r.Ended, "waiting": append([]string{}, r.Waiting...)})
		}
		_, _ = fmt.Fprintf(con.out, "Ended in %s; transactions ended at once: %d.\n", strings.Join(r.Databases, ", "), r.Ended)
		if len(r.Waiting) > 0 {
			_, _ = fmt.Fprintf(con.out, "Not reached yet, and told as soon as possible: %s.\n", strings.Join(r.Waiting, ", "))
		}
		return nil
	})
}

type tokenMintCmd struct {
	Development bool          `help:"Said expressly: nobody has signed in, and no Garant records it." required:""`
	Key         string        `help:"Your key file." required:"" type:"path" placeholder:"FILE"`
	Install     string        `help:"Make the key file, and put the key into this database of your own: env:NAME or file:PATH with its address." placeholder:"env:NAME"`
	Tenant      string        `help:"Key of the tenant, as the database prints it." placeholder:"KEY"`
	Type        string        `help:"Type of the tenant's key: uuid, bigint or text." enum:"uuid,bigint,text" default:"uuid"`
	Read        bool          `help:"A token that only reads."`
	Lifetime    time.Duration `help:"How long it lives, at most 24h." default:"8h"`
	Estate      string        `help:"A garant.yaml whose databases of production are refused (default: --config, the data directory's, or the one here)." type:"path" placeholder:"FILE"`
}

// Help is shown below the flags.
func (*tokenMintCmd) Help() string {
	return `For a database of your own, under guard but without customers. The key file stands for every tenant of it: keep
it. What is minted is written down beside it, in FILE.minted.

Examples:
  garant token mint --development --key dev.key --install env:DEV_URL
  garant token mint --development --key dev.key --tenant 0198f2b6-5a0e-7c33-8d1e-1f6a5e0c9b11
  garant token mint --development --key dev.key --tenant 42 --type bigint --read`
}

func (t *tokenMintCmd) Run(ctx context.Context, c *cli, con console) error {
	declared, err := t.declared(c, con)
	if err != nil {
		return err
	}
	if t.Install != "" {
		address, err := estate.ReadReference(t.Install)
		if err != nil {
			return err
		}
		if _, err := tenancy.MakeDevelopmentKey(ctx, t.Key, address, declared); err != nil {
			return err
		}
		_, _ = fmt.Fprintln(con.err, "The key is in the database and in", filepath.Base(t.Key)+".")
		if t.Tenant == "" {
			return nil
		}
	}
	key, err := tenancy.OpenDevelopmentKey(t.Key)
	if err != nil {
		return err
	}
	token, err := key.Mint(t.Key, t.Type, t.Tenant, t.Read, t.Lifetime, time.Now(), declared)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(con.out, token.Encode())
	return err
}

// declared is the estate whose databases of production are refused; nil when there is no garant.yaml. One that
// cannot be read is an error: nobody could tell what is production.
func (t *tokenMintCmd) declared(c *cli, con console) (*estate.Estate, error) {
	candidates := []string{t.Estate}
	if t.Estate == "" {
		candidates = []string{c.Config, filepath.Join(c.options(con, app.DefaultDataDir()).DataDir, estate.FileName), estate.FileName}
	}
	for _, path := range candidates {
		if path == "" {
			continue
		}
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) && path != t.Estate {
			continue
		}
		source, dir, err := estate.ReadSource(path)
		if err != nil {
			return nil, err
		}
		if !estate.Declares(source) {
			continue
		}
		return estate.Parse(source, dir)
	}
	return nil, nil //nolint:nilnil // there is none
}
