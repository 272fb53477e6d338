package verify

import (
	"context"

	"github.com/jackc/pgx/v5"
)

type attempt struct{}

func probes() []Check { return nil }

func probe(_ context.Context, _ Options, _ *pgx.Conn, _ *judge) ([]Result, string, error) {
	return nil, "", nil
}
