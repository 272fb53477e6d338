package witness

import (
	"context"
	"time"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web"
)

// APIPath is where statements are sent, below web.APIPath.
const APIPath = "/witness/statements"

// CosignaturePath is where a witness sends its cosignatures, below web.APIPath.
func CosignaturePath(name string) string { return "/witness/" + name + "/cosignature" }

// AddAPI adds the calls of witnesses.
func (b *Book) AddAPI(a *web.API) {
	type in struct{ Body Signed }
	type out struct {
		Body struct {
			Witness  string `json:"witness"`
			Sequence int64  `json:"sequence"`
		}
	}
	web.Handle(a, web.Operation{ID: "send-statement", Method: "POST", Path: APIPath, Summary: "Send in a signed statement of a witness", Permission: actor.ImportEvidence, Status: 201},
		func(ctx context.Context, by actor.Actor, in *in) (*out, error) {
			s, err := b.Take(ctx, by, in.Body)
			o := &out{}
			o.Body.Witness, o.Body.Sequence = s.Witness, s.Sequence
			return o, err
		})
	type shown struct {
		Name string `path:"name" example:"vigie"`
		Body Shown
	}
	type cosigned struct {
		Body struct {
			Size     int64 `json:"size"`
			Cosigned bool  `json:"cosigned" doc:"The cosignature is kept"`
		}
	}
	web.Handle(a, web.Operation{ID: "send-cosignature", Method: "POST", Path: CosignaturePath("{name}"), Summary: "Send in a checkpoint of the audit log with the cosignature of a witness, or one that the witness does not cosign", Permission: actor.ImportEvidence, Status: 201},
		func(ctx context.Context, by actor.Actor, in *shown) (*cosigned, error) {
			kept, err := b.Cosigned(ctx, by, in.Name, in.Body)
			o := &cosigned{}
			o.Body.Size, o.Body.Cosigned = kept.Size, in.Body.Cosignature != ""
			return o, err
		})
	type byName struct {
		Name string `path:"name" example:"vigie"`
	}
	type one struct {
		Body struct {
			Signed
			Key        string    `json:"key" doc:"Public key that the estate declares"`
			ReceivedAt time.Time `json:"received_at"`
			Silent     bool      `json:"silent"`
		}
	}
	web.Handle(a, web.Operation{ID: "get-statement", Method: "GET", Path: "/witness/{name}", Summary: "The last statement of a witness, to the letter", Permission: actor.ReadChecks},
		func(ctx context.Context, _ actor.Actor, in *byName) (*one, error) {
			view, err := b.Receiver.Effective(ctx)
			if err != nil {
				return nil, err
			}
			if view.Estate != nil {
				for _, w := range view.Estate.Witnesses {
					if w.Name != in.Name {
						continue
					}
					k, err := last(ctx, b.DB.Pool(pg.Staff), w.Name, w.KeyText())
					if err != nil {
						return nil, err
					}
					if k == nil {
						break
					}
					o := &one{}
					o.Body.Signed, o.Body.Key, o.Body.ReceivedAt, o.Body.Silent = k.Signed, w.KeyText(), k.ReceivedAt, Silent(w, k.MadeAt, b.Now())
					return o, nil
				}
			}
			return nil, errs.New(errs.NotFound, "witness.none", "Nothing was heard of a witness of that name.").WithFix("Start it, and declare it under witness in garant.yaml.")
		})
}
