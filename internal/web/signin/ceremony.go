package signin

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/garant-project/garant/internal/directory"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/web"
)

// answer is what the script sends to finish a ceremony.
type answer struct {
	Ceremony   string          `json:"ceremony"`
	Credential json.RawMessage `json:"credential"` // PublicKeyCredential.toJSON()
	Name       string          `json:"name"`       // of the passkey, when registering
	Next       string          `json:"next"`       // where to go after signing in
}

// done tells the script what to do next.
type done struct {
	Next    string `json:"next"`
	Changed bool   `json:"changed"` // somebody else has signed in than was before
}

// json answers a script: with a document, or with an error in the page's language.
func (s *SignIn) json(fn func(w http.ResponseWriter, r *web.Request) (any, error)) web.Handler {
	return func(w http.ResponseWriter, r *web.Request) error {
		v, err := fn(w, r)
		if err == nil {
			return web.WriteJSON(w, http.StatusOK, v)
		}
		status := statusOf(w, err)
		if status >= http.StatusInternalServerError && errs.KindOf(err) == errs.Internal {
			return err // for the kit to log
		}
		p := web.ProblemOf(status, err)
		p.Title, p.Detail = s.printer(r).Error(err)
		b, err := json.Marshal(p)
		if err != nil {
			return err
		}
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(status)
		_, _ = w.Write(b)
		return nil
	}
}

// read takes an answer from a body. The content type must be JSON, which forms of other sites
// cannot send without being asked for permission first.
func read(r *web.Request) (answer, error) {
	var a answer
	if r.Header.Get("Content-Type") != "application/json" {
		return a, errs.New(errs.Invalid, "signin.body", "What was sent is not JSON.")
	}
	b, err := io.ReadAll(r.Body)
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return a, errs.New(errs.Invalid, "web.too_large", "What was sent is larger than this address accepts.")
		}
		return a, errs.New(errs.Invalid, "signin.body", "What was sent could not be read.").Wrap(err)
	}
	if err := json.Unmarshal(b, &a); err != nil {
		return a, errs.New(errs.Invalid, "signin.body", "What was sent could not be read.")
	}
	return a, nil
}

func visit(r *web.Request) directory.Visit {
	return directory.Visit{Origin: r.Actor.Origin, Agent: agentName(r.UserAgent())}
}

func (s *SignIn) beginLogin(_ http.ResponseWriter, r *web.Request) (any, error) {
	return s.cfg.Directory.BeginLogin(r.Context(), visit(r), r.Now)
}

func (s *SignIn) finishLogin(w http.ResponseWriter, r *web.Request) (any, error) {
	a, err := read(r)
	if err != nil {
		return nil, err
	}
	before, err := s.identity(r.Request)
	if err != nil && !errs.Is(err, errs.Denied) {
		return nil, err
	}
	opened, err := s.cfg.Directory.FinishLogin(r.Context(), visit(r), a.Ceremony, a.Credential, s.cookie(r.Request), r.Now)
	if err != nil {
		return nil, err
	}
	s.setCookie(w, opened.Token)
	return done{
		Next:    web.LocalPath(a.Next, s.cfg.Home),
		Changed: before.Actor.ID != "" && before.Actor.ID != opened.PersonID.String(),
	}, nil
}

func (s *SignIn) beginEnrol(_ http.ResponseWriter, r *web.Request) (any, error) {
	id, err := s.person(r)
	if err != nil {
		return nil, err
	}
	return s.cfg.Directory.BeginRegistration(r.Context(), id.Actor, r.Now)
}

func (s *SignIn) finishEnrol(w http.ResponseWriter, r *web.Request) (any, error) {
	id, err := s.person(r)
	if err != nil {
		return nil, err
	}
	a, err := read(r)
	if err != nil {
		return nil, err
	}
	if a.Name == "" {
		a.Name = agentName(r.UserAgent())
	}
	opened, err := s.cfg.Directory.FinishRegistration(r.Context(), id.Actor, a.Ceremony, a.Credential, a.Name, r.Now)
	if err != nil {
		return nil, err
	}
	if opened.Token != "" {
		s.setCookie(w, opened.Token)
	}
	return done{Next: "/account"}, nil
}
