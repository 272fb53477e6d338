package ui

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/errs"
)

// Page is what a layout shows around the body of a page. Templates get it as "." of "main" and
// reach their own data, a typed struct, as .Body.
type Page struct {
	Lang    string // "fr" or "en"; empty: the printer's
	Title   string
	Path    string // path and query of the request, for the language switch
	Printer *Printer
	Site    string // name beside the seal: the company's on public pages, "Garant" in the console
	Home    string // where the seal leads; empty: "/"
	Nav     []NavItem
	User    string // console: who is signed in
	Role    string // console: in what role, below the name; may be empty
	Account string // console: address of the own account; empty: no link
	SignOut string // console: where signing out is posted to; empty: "/sign-out"

	Languages []LanguageLink // nil: made of Path by ?lang=
	Version   string         // public header: "Version du 12 novembre 2026"
	Lead      string         // description for search engines and shared links; may be empty
	Footer    []Link
	Printed   string // foot of the printed page: address, digest, date
	Crumbs    []Link
	Notice    *Notice // what has just been done, above the body
	Now       time.Time
	Layout    string // "public", "console" or "card": which one ErrorPage wears
	Body      any

	ids int // counted up while the page is written
}

// NavItem is a link of a navigation. Items of one group stand together in the console, below
// the group's name; public pages show them in one row.
type NavItem struct {
	Href, Label, Icon string
	Current           bool
	Count             int // things that wait there; 0: nothing is shown
	Group             string
}

// Nav is a group of a navigation.
type Nav struct {
	Title string // may be empty
	Items []NavItem
}

// LanguageLink leads to the same page in another language.
type LanguageLink struct {
	Lang, Label, Href string
	Current           bool
}

// Link is a link in words.
type Link struct{ Label, Href string }

// Groups are the navigation's items by group, in the order in which groups first appear.
func (p *Page) Groups() []Nav {
	var out []Nav
	at := map[string]int{}
	for _, item := range p.Nav {
		i, ok := at[item.Group]
		if !ok {
			i = len(out)
			at[item.Group] = i
			out = append(out, Nav{Title: item.Group})
		}
		out[i].Items = append(out[i].Items, item)
	}
	return out
}

// Waiting is the sum of the counts in the navigation.
func (p *Page) Waiting() int {
	n := 0
	for _, item := range p.Nav {
		n += item.Count
	}
	return n
}

// Switch is the language switch.
func (p *Page) Switch() []LanguageLink {
	if p.Languages != nil {
		return p.Languages
	}
	u, err := url.ParseRequestURI(p.Path)
	if err != nil || !strings.HasPrefix(u.Path, "/") || strings.HasPrefix(u.Path, "//") { // "//x" would lead to another host
		u = &url.URL{Path: "/"}
	}
	names := map[string]string{"fr": "Français", "en": "English"}
	var out []LanguageLink
	for _, lang := range languages() {
		q := u.Query()
		q.Set("lang", lang)
		to := url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: q.Encode()}
		out = append(out, LanguageLink{Lang: lang, Label: names[lang], Href: to.RequestURI(), Current: lang == p.Lang})
	}
	return out
}

// nextID returns an id that no other element of the page has.
func (p *Page) nextID(prefix string) string {
	p.ids++
	return prefix + "-" + strconv.Itoa(p.ids)
}

// Render writes a page: first to memory, then whole, so that a page that cannot be made leaves
// nothing behind. Headers and status are the caller's; on an error nothing has been written.
func Render(w io.Writer, t *template.Template, p *Page) error {
	if p == nil || p.Printer == nil {
		return errs.New(errs.Internal, "ui.no_printer", "A page was to be written without a printer.")
	}
	own := *p // the caller's page may be shared
	own.Lang = own.Printer.Lang()
	if own.Home == "" {
		own.Home = "/"
	}
	if own.SignOut == "" {
		own.SignOut = "/sign-out"
	}
	var b bytes.Buffer
	if err := t.Execute(&b, &own); err != nil {
		return fmt.Errorf("ui: %s: %w", p.Path, err)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// Away reports whether the page is another than the one where the seal leads.
func (p *Page) Away() bool {
	path, _, _ := strings.Cut(p.Path, "?")
	return path != p.Home
}

// errorBody is the body of an error page.
type errorBody struct {
	Code      string
	Text, Fix string
	RequestID string
}

// ErrorPage makes a whole error page in the layout that p.Layout names ("public" when empty):
// what happened, the next step, and the request's id for whoever runs the server. Empty words
// are taken from the status. p may lack everything but a printer.
func ErrorPage(p *Page, status int, title, text, fix, requestID string) ([]byte, error) {
	if p == nil || p.Printer == nil {
		return nil, errors.New("ui: an error page without a printer")
	}
	own, kind := *p, errorKind(status)
	if own.Layout == "" {
		own.Layout = "public"
	}
	t, err := errorTemplates()
	if err != nil {
		return nil, err
	}
	if t[own.Layout] == nil {
		return nil, fmt.Errorf("ui: there is no layout %q", own.Layout)
	}
	if title == "" {
		title = own.Printer.T("ui.error.title." + kind)
	}
	if text == "" {
		text = own.Printer.T("ui.error.text." + kind)
	}
	if fix == "" {
		fix = own.Printer.T("ui.error.fix." + kind)
	}
	own.Title, own.Notice, own.Crumbs = title, nil, nil
	own.Body = errorBody{Code: strconv.Itoa(status), Text: text, Fix: fix, RequestID: requestID}
	var b bytes.Buffer
	if err := Render(&b, t[own.Layout], &own); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// errorKind is the part of the error words' ids that a status stands for.
func errorKind(status int) string {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusMisdirectedRequest:
		return "denied"
	case http.StatusNotFound, http.StatusGone, http.StatusMethodNotAllowed:
		return "not_found"
	case http.StatusConflict, http.StatusPreconditionFailed:
		return "conflict"
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return "invalid"
	case http.StatusTooManyRequests:
		return "throttled"
	case http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return "unavailable"
	}
	return "internal"
}
