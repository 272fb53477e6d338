package sponsorship

import (
	"net/http"

	"github.com/garant-project/garant/tenant"
)

// portalPage hands the browser over to Garant's portal, with a token in a form: not in an address, which would stay in
// histories and logs.
type portalPage struct {
	base
	Enter, Token, Back string
}

func (portalPage) name() string { return "portal" }

// Script is the address of what sends the form by itself; without it there is a button.
func (p portalPage) Script() string { return asset("send.js") }

// activityLog leads to the activity log of the customer, which Garant keeps. The token is for reading there, and for nothing else.
func (a *app) activityLog(w http.ResponseWriter, r *http.Request, v *visit) error {
	ctx := r.Context()
	b, err := a.opened(ctx, r, v, "portal.title")
	if err != nil {
		return err
	}
	raw, err := v.session.idToken(ctx, a)
	if err != nil {
		return err
	}
	return a.handOver(w, r, b, raw)
}

// handOver writes the page with a token for the login of an ID token.
func (a *app) handOver(w http.ResponseWriter, r *http.Request, b base, idToken string) error {
	token, err := a.Exchanger.Exchange(r.Context(), a.Portal.Audience, idToken, tenant.Read)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'self' "+a.Portal.Origin+"; base-uri 'none'; frame-ancestors 'none'")
	a.render(w, r, http.StatusOK, portalPage{base: b, Enter: a.Portal.Origin + "/enter", Token: token.Encode(), Back: a.Origin + "/applications"})
	return nil
}
