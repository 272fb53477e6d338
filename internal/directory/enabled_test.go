package directory_test

import (
	"context"
	"testing"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/errs"
)

func TestWhoIsThere(t *testing.T) {
	h := open(t)
	ctx := context.Background()
	anna, ben := h.person("anna@ardoise.example", actor.Member), h.person("ben@ardoise.example", actor.Member)
	if err := h.Disable(ctx, cli, ben.ID, now); err != nil {
		t.Fatal(err)
	}
	stranger := uuid.Must(uuid.NewV7())
	there, err := h.Enabled(ctx, cli, []uuid.UUID{anna.ID, ben.ID, stranger})
	if err != nil || !there[anna.ID] || there[ben.ID] || there[stranger] {
		t.Errorf("%v, %v", there, err)
	}
	list, err := h.Roster(ctx, cli)
	if err != nil || len(list) != 1 || list[0].ID != anna.ID || list[0].Name != anna.Name {
		t.Errorf("%+v, %v", list, err)
	}
	member := actor.Actor{Kind: actor.Person, ID: anna.ID.String(), Permissions: actor.Member.Permissions()}
	if _, err := h.Enabled(ctx, member, []uuid.UUID{anna.ID}); !errs.Is(err, errs.Denied) {
		t.Errorf("%v", err)
	}
	if _, err := h.Roster(ctx, member); !errs.Is(err, errs.Denied) {
		t.Errorf("%v", err)
	}
}
