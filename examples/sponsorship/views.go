package sponsorship

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // dates are those of the company's zone, also where the machine has no zones
)

//go:embed templates static words
var assets embed.FS

// views are the pages' templates and words.
type views struct {
	pages map[string]*template.Template
	words map[string]map[string]string
	zone  *time.Location
}

func newViews() (*views, error) {
	v := &views{pages: map[string]*template.Template{}, words: map[string]map[string]string{}}
	var err error
	if v.zone, err = time.LoadLocation("Europe/Brussels"); err != nil {
		return nil, err
	}
	for _, lang := range []string{"fr", "en"} {
		text, err := assets.ReadFile("words/" + lang + ".json")
		if err != nil {
			return nil, err
		}
		words := map[string]string{}
		if err := json.Unmarshal(text, &words); err != nil {
			return nil, fmt.Errorf("sponsorship: words of %s: %w", lang, err)
		}
		v.words[lang] = words
	}
	names, err := fs.Glob(assets, "templates/*.html")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		short := strings.TrimSuffix(strings.TrimPrefix(name, "templates/"), ".html")
		if short == "layout" {
			continue
		}
		if v.pages[short], err = template.ParseFS(assets, "templates/layout.html", name); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// page is what a template is given.
type page interface{ name() string }

// base is what every page has.
type base struct {
	Lang   string
	Title  string
	Path   string // of this page, for the choice of a language
	Me     *member
	Public bool // a page for people without a login
	Link   Link

	HasPortal bool // there is an activity log to read
	views     *views
}

type total struct {
	Status string
	N      int64
	Cents  int64
}

type (
	homePage struct {
		base
		Forms  []Form
		Notice string
	}
	listPage struct {
		base
		Status       string
		Totals       []total
		Applications []application
		Next         string
	}
	onePage struct {
		base
		D                 dossier
		Note, Fault       string
		MayDecide, MayPay bool
	}
	paymentsPage struct {
		base
		Due    []application
		Paid   []payment
		MayPay bool
	}
	applyPage struct {
		base
		Form           Form
		Fields         []field
		Values, Faults map[string]string
	}
	receivedPage struct {
		base
		Form Form
	}
	faultPage struct {
		base
		Words string
	}
)

func (homePage) name() string     { return "home" }
func (listPage) name() string     { return "list" }
func (onePage) name() string      { return "one" }
func (paymentsPage) name() string { return "payments" }
func (applyPage) name() string    { return "apply" }
func (receivedPage) name() string { return "received" }
func (faultPage) name() string    { return "fault" }

func (a *app) base(r *http.Request, title string) base {
	b := base{Lang: a.lang(r), Path: r.URL.RequestURI(), views: a.views, HasPortal: a.Portal.Origin != ""}
	if r.Method != http.MethodGet {
		b.Path = "/"
	}
	b.Title, b.Link = b.views.words[b.Lang][title], a.Links[b.Lang]
	return b
}

// lang is the language that somebody chose, or that their browser asks for.
func (a *app) lang(r *http.Request) string {
	if c := a.cookie(r, "language"); a.views.words[c] != nil {
		return c
	}
	for _, tag := range strings.Split(r.Header.Get("Accept-Language"), ",") {
		short, _, _ := strings.Cut(strings.TrimSpace(strings.ToLower(tag)), ";")
		short, _, _ = strings.Cut(short, "-")
		if a.views.words[short] != nil {
			return short
		}
	}
	return "fr"
}

func (a *app) language(w http.ResponseWriter, r *http.Request) {
	if tag := r.PathValue("tag"); a.views.words[tag] != nil {
		a.setCookie(w, "language", tag, 365*24*time.Hour)
	}
	to := r.URL.Query().Get("to")
	if u, err := url.Parse(to); err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.Contains(to, `\`) {
		to = "/"
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

func (a *app) render(w http.ResponseWriter, r *http.Request, status int, p page) {
	var b bytes.Buffer
	if err := a.views.pages[p.name()].ExecuteTemplate(&b, "layout", p); err != nil {
		a.Log.Error("a page cannot be written", "error.message", err.Error(), "url.path", r.URL.Path)
		http.Error(w, "The page could not be written.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the client may have gone
}

// T is a message in the page's language.
func (b base) T(id string, args ...any) (string, error) {
	text, ok := b.views.words[b.Lang][id]
	if !ok {
		return "", errors.New("sponsorship: there is no message " + id)
	}
	if len(args) > 0 {
		text = fmt.Sprintf(text, args...)
	}
	return text, nil
}

// Other is the other language, by its tag and its own name.
func (b base) Other() [2]string {
	if b.Lang == "fr" {
		return [2]string{"en", "English"}
	}
	return [2]string{"fr", "Français"}
}

// Money is a sum as it is written in the page's language.
func (b base) Money(cents int64) string {
	digits := strconv.FormatInt(cents/100, 10)
	group, point, format := ",", ".", "€%s"
	if b.Lang == "fr" {
		group, point, format = "\u202f", ",", "%s\u00a0€"
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + group + digits[i:]
	}
	return fmt.Sprintf(format, digits+point+fmt.Sprintf("%02d", cents%100))
}

// Day is a date as it is written in the page's language.
func (b base) Day(t time.Time) string {
	t = t.In(b.views.zone)
	if b.Lang == "fr" {
		months := []string{"janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"}
		day := strconv.Itoa(t.Day())
		if t.Day() == 1 {
			day = "1er"
		}
		return day + "\u00a0" + months[t.Month()-1] + "\u00a0" + strconv.Itoa(t.Year())
	}
	return t.Format("2\u00a0January\u00a02006")
}

// ISO is a moment for programs.
func (b base) ISO(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Field is what a sponsorship is for.
func (b base) Field(fr, en string) string {
	if b.Lang == "fr" {
		return fr
	}
	return en
}

// Style is the address of the style sheet, Icon that of the icon.
func (b base) Style() string { return asset("app.css") }

// Icon is the address of the icon.
func (b base) Icon() string { return asset("icon.svg") }

func asset(name string) string {
	content, err := assets.ReadFile("static/" + name)
	if err != nil {
		return ""
	}
	return "/static/" + hash(content) + "/" + name
}

// input is one line of the public form.
type input struct {
	Name, Type, Auto, Label, Optional, Value, Fault string
	Required                                        bool
}

// Input describes a field of the public form.
func (p applyPage) Input(name, kind, auto string, required bool) (input, error) {
	in := input{Name: name, Type: kind, Auto: auto, Value: p.Values[name], Required: required}
	var err, more error
	if in.Label, err = p.T("apply." + name); err == nil {
		in.Optional, err = p.T("apply.optional")
	}
	if fault := p.Faults[name]; fault != "" {
		in.Fault, more = p.T(fault)
	}
	return in, errors.Join(err, more)
}
