package watch

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/outgoing"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/witness"
)

// annex is what the public annex says, as programs read it.
type annex struct {
	Company struct {
		LegalName string `json:"legal_name"`
	} `json:"company"`
	Document string    `json:"document"`
	Version  int64     `json:"version"`
	Since    time.Time `json:"since"`
	At       time.Time `json:"at"`
	Measures []struct {
		ID    string `json:"id"`
		State string `json:"state"`
	} `json:"measures"`
}

func (a *annex) announced(measure string) string {
	if a == nil {
		return ""
	}
	for _, m := range a.Measures {
		if m.ID == measure {
			return m.State
		}
	}
	return ""
}

// The ways in which an annex that answers does not count.
var (
	errStatus  = errors.New("status")
	errForm    = errors.New("form")
	errCompany = errors.New("company")
	errOld     = errors.New("old")
)

// freshFor is how old what the annex says may be: a page says when it was made.
const freshFor = 3 * time.Minute

const maxAnnex = 4 << 20

func client(a estate.WebAddress) *outgoing.Client {
	c := &outgoing.Client{Private: true, Connect: a.Connect, UserAgent: "Garant witness"}
	if len(a.TrustPEM) > 0 {
		c.Trust = x509.NewCertPool()
		c.Trust.AppendCertsFromPEM(a.TrustPEM)
	}
	return c
}

// read fetches the annex.
func (w *Watch) read(ctx context.Context) (*annex, error) {
	c := client(w.File.Annex)
	c.MaxBody = maxAnnex
	answer, err := c.Do(ctx, outgoing.Request{URL: w.File.Annex.URL + "/annex.json"})
	if err != nil {
		return nil, err
	}
	if answer.Status != http.StatusOK {
		return nil, errStatus
	}
	var a annex
	if json.Unmarshal(answer.Body, &a) != nil || a.Document == "" || a.Version == 0 || len(a.Measures) == 0 {
		return nil, errForm
	}
	now := w.Now()
	switch {
	case a.Company.LegalName != w.File.Company:
		return nil, errCompany
	case now.Sub(a.At) > freshFor || a.At.Sub(now) > freshFor:
		return nil, errOld
	}
	return &a, nil
}

// goesBack reports whether the annex says less than it has said.
func (s state) goesBack(a *annex) bool {
	const skew = 10 * time.Second // of several servers
	return a.Version < s.Version || a.Version == s.Version && a.Since.Before(s.Since) || a.At.Before(s.At.Add(-skew))
}

// send gives a statement to Garant.
func (w *Watch) send(ctx context.Context, signed witness.Signed) error {
	body, err := json.Marshal(signed)
	if err != nil {
		return err
	}
	return w.post(ctx, web.APIPath+witness.APIPath, body)
}

// post gives something to Garant, which has to say that it took it.
func (w *Watch) post(ctx context.Context, path string, body []byte) error {
	token, err := w.File.Token.Reveal()
	if err != nil {
		return err
	}
	answer, err := client(*w.File.Garant).Do(ctx, outgoing.Request{
		Method: http.MethodPost, URL: w.File.Garant.URL + path, Body: body,
		Header:  http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}},
		Secrets: http.Header{"Authorization": {"Bearer " + strings.TrimSpace(token)}},
	})
	if err != nil {
		return err
	}
	if answer.Status != http.StatusCreated {
		return errStatus
	}
	return nil
}
