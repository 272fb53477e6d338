package demo

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/errs"
)

// The faults of the developers' copy.
const (
	FaultNewColumn     = "new-column"     // a migration brings a column that the plan does not know
	FaultLeak          = "leak"           // a value stands where the plan keeps text as it is
	FaultByHand        = "by-hand"        // somebody publishes a copy of their own
	FaultDeveloperPath = "developer-path" // the developers' role exists in production too
)

// CopyFaults lists the faults that the developers' copy knows.
func CopyFaults() []string {
	return []string{FaultNewColumn, FaultLeak, FaultByHand, FaultDeveloperPath}
}

// spoils are the faults that begin in production, as statements.
func spoils(fault string) string {
	return map[string]string{
		FaultNewColumn:     `ALTER TABLE customer.applicant ADD COLUMN IF NOT EXISTS nickname text`,
		FaultLeak:          `UPDATE customer.field SET name_en = name_en || ' (ask ' || (SELECT email FROM customer.applicant ORDER BY id LIMIT 1) || ')' WHERE code = 'sport'`,
		FaultDeveloperPath: `CREATE ROLE ` + CopyDeveloper + ` LOGIN; GRANT CONNECT ON DATABASE ` + productionDatabase + ` TO ` + CopyDeveloper,
	}[fault]
}

// mendsCopies takes them away, and does no harm where there are none.
const mendsCopies = `ALTER TABLE customer.applicant DROP COLUMN IF EXISTS nickname;
UPDATE customer.field SET name_en = split_part(name_en, ' (ask ', 1) WHERE name_en LIKE '% (ask %';
DO $$ BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = '` + CopyDeveloper + `') THEN
    REVOKE CONNECT ON DATABASE ` + productionDatabase + ` FROM ` + CopyDeveloper + `;
    DROP ROLE ` + CopyDeveloper + `;
  END IF;
END $$`

// Hands are what the example does with its copies by the operations of whoever guards it, and to Garant itself.
type Hands interface {
	PublishByHand(ctx context.Context) error        // as somebody at the command line
	ServedByHand(ctx context.Context) (bool, error) // until the schedule has made the next
	Developer(ctx context.Context) (address string, err error)
	AsSuperuser(ctx context.Context, statements string) error // in Garant's own database
	HoldUp(ctx context.Context) (end func(), err error)       // a transaction that writes and is left open, in that cluster
}

// Lend gives the example hands; before Control.
func (c *Company) Lend(h Hands) { c.hands = h }

// longOrder is the longest time that an order takes.
const longOrder = 50 * time.Second

// spoiled is the developers' copy as far as it can be broken.
type spoiled struct{ *Company }

// Fault is what it suffers from; empty: nothing.
func (s spoiled) Fault() string {
	k := s.copies
	k.mu.Lock()
	fault := k.fault
	k.mu.Unlock()
	if fault == FaultByHand && s.hands != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if still, err := s.hands.ServedByHand(ctx); err == nil && !still {
			return "" // the schedule has put its own in the place
		}
	}
	return fault
}

// Break gives it a fault in the place of the one that it has.
func (s spoiled) Break(fault string) error {
	if !slices.Contains(CopyFaults(), fault) {
		return errs.New(errs.Invalid, "demo.fault", fmt.Sprintf("The example's copies cannot be given the fault %q.", fault)).
			WithFix("Choose one of: " + strings.Join(CopyFaults(), ", ") + ".")
	}
	if s.copies.identifier() == "" || s.hands == nil {
		return copyDown()
	}
	if err := s.Mend(); err != nil {
		return err
	}
	if fault == FaultByHand {
		ctx, cancel := context.WithTimeout(context.Background(), longOrder)
		defer cancel()
		if err := s.hands.PublishByHand(ctx); err != nil {
			return err
		}
	} else if err := s.inProduction(spoils(fault)); err != nil {
		return err
	}
	s.suffer(fault)
	return nil
}

// Mend takes the fault away. A copy that somebody published stays until the schedule's next one takes its place.
func (s spoiled) Mend() error {
	if err := s.inProduction(mendsCopies); err != nil {
		return err
	}
	if s.Fault() != FaultByHand {
		s.suffer("")
	}
	return nil
}

func (s spoiled) suffer(fault string) {
	s.copies.mu.Lock()
	defer s.copies.mu.Unlock()
	s.copies.fault = fault
}

func (s spoiled) inProduction(statements string) error {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	return production{s.db}.exec(statements)
}

// developer are psql's arguments for the copy, as a developer: the address without its password, and that.
func (c *Company) developer() (connect, password string, err error) {
	if c.copies.identifier() == "" || c.hands == nil {
		return "", "", copyDown()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	address, err := c.hands.Developer(ctx)
	if err != nil {
		return "", "", err
	}
	u, err := url.Parse(address)
	if err != nil {
		return "", "", errs.New(errs.Internal, "demo.address", "The address of the copy cannot be read.")
	}
	password, _ = u.User.Password()
	u.User = url.User(u.User.Username())
	return u.String(), password, nil
}
