package sponsorship

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// place is where a list goes on.
type place struct {
	at time.Time
	id string
}

func (p place) String() string { return strconv.FormatInt(p.at.UnixMicro(), 10) + "_" + p.id }

func isID(s string) bool {
	return regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`).MatchString(s)
}

func parsePlace(s string) *place {
	micro, id, _ := strings.Cut(s, "_")
	n, err := strconv.ParseInt(micro, 10, 64)
	if err != nil || !isID(id) {
		return nil
	}
	return &place{time.UnixMicro(n), id}
}

func (a *app) home(w http.ResponseWriter, r *http.Request) {
	a.render(w, r, http.StatusOK, homePage{base: a.base(r, "home.title"), Forms: a.Forms, Notice: map[string]string{"needed": "home.needed", "again": "home.again"}[r.URL.Query().Get("signin")]})
}

// opened is what every page of a customer's staff begins with.
func (a *app) opened(ctx context.Context, r *http.Request, v *visit, title string) (base, error) {
	b := a.base(r, title)
	m, err := v.session.read.me(ctx, v.session.subject())
	if errors.Is(err, errNotFound) {
		err = ErrRefused // the member is gone
	}
	b.Me = &m
	return b, err
}

func (a *app) list(w http.ResponseWriter, r *http.Request, v *visit) error {
	ctx := r.Context()
	b, err := a.opened(ctx, r, v, "list.title")
	if err != nil {
		return err
	}
	page := listPage{base: b, Status: r.URL.Query().Get("status")}
	if n, cents, err := v.session.read.counts(ctx); err != nil {
		return err
	} else {
		for _, s := range []string{submitted, granted, refused, paid} {
			page.Totals = append(page.Totals, total{s, n[s], cents[s]})
		}
	}
	switch page.Status {
	case "", submitted, granted, refused, paid:
	default:
		page.Status = ""
	}
	page.Applications, err = v.session.read.list(ctx, page.Status, parsePlace(r.URL.Query().Get("after")))
	if err != nil {
		return err
	}
	if len(page.Applications) > perPage {
		page.Applications = page.Applications[:perPage]
		last := page.Applications[perPage-1]
		page.Next = place{last.SubmittedAt, last.ID}.String()
	}
	a.render(w, r, http.StatusOK, page)
	return nil
}

func (a *app) one(w http.ResponseWriter, r *http.Request, v *visit) error {
	return a.showOne(w, r, v, http.StatusOK, "", "")
}

func (a *app) showOne(w http.ResponseWriter, r *http.Request, v *visit, status int, note, fault string) error {
	ctx := r.Context()
	b, err := a.opened(ctx, r, v, "one.title")
	if err != nil {
		return err
	}
	d, err := v.session.read.one(ctx, r.PathValue("id"))
	if err != nil {
		return err
	}
	if err := v.session.write.tell(ctx, said("application.read", applications, d.ID)); err != nil { // nobody sees an applicant's data unrecorded
		return err
	}
	b.Title = d.Subject
	a.render(w, r, status, onePage{base: b, D: d, Note: note, Fault: fault,
		MayDecide: b.Me.Role == reviewer && d.Status == submitted, MayPay: b.Me.Role == treasurer && d.Status == granted})
	return nil
}

// acting is a visit of somebody whose role lets them do something.
func (a *app) acting(ctx context.Context, r *http.Request, v *visit, role string) (member, error) {
	b, err := a.opened(ctx, r, v, "one.title")
	if err != nil {
		return member{}, err
	}
	if b.Me.Role != role {
		return member{}, errForbidden
	}
	if !isID(r.PathValue("id")) {
		return member{}, errNotFound
	}
	return *b.Me, nil
}

func (a *app) decide(w http.ResponseWriter, r *http.Request, v *visit) error {
	ctx := r.Context()
	by, err := a.acting(ctx, r, v, reviewer)
	if err != nil {
		return err
	}
	if err := r.ParseForm(); err != nil {
		return err
	}
	decision, note := r.PostForm.Get("decision"), clean(r.PostForm.Get("note"))
	switch {
	case decision != granted && decision != refused:
		return a.showOne(w, r, v, http.StatusUnprocessableEntity, note, "one.fault.decision")
	case utf8.RuneCountInString(note) > 1000:
		return a.showOne(w, r, v, http.StatusUnprocessableEntity, note, "one.fault.long")
	case decision == refused && note == "":
		return a.showOne(w, r, v, http.StatusUnprocessableEntity, note, "one.fault.reason")
	}
	if err := v.session.write.decide(ctx, r.PathValue("id"), decision, by.ID, note); err != nil {
		return err
	}
	http.Redirect(w, r, "/applications/"+r.PathValue("id"), http.StatusSeeOther)
	return nil
}

func (a *app) pay(w http.ResponseWriter, r *http.Request, v *visit) error {
	ctx := r.Context()
	by, err := a.acting(ctx, r, v, treasurer)
	if err != nil {
		return err
	}
	if err := v.session.write.pay(ctx, r.PathValue("id"), by.ID); err != nil {
		return err
	}
	http.Redirect(w, r, "/payments", http.StatusSeeOther)
	return nil
}

func (a *app) payments(w http.ResponseWriter, r *http.Request, v *visit) error {
	ctx := r.Context()
	b, err := a.opened(ctx, r, v, "payments.title")
	if err != nil {
		return err
	}
	page := paymentsPage{base: b, MayPay: b.Me.Role == treasurer}
	if page.Due, err = v.session.read.list(ctx, granted, nil); err != nil {
		return err
	}
	if page.Paid, err = v.session.read.payments(ctx); err != nil {
		return err
	}
	a.render(w, r, http.StatusOK, page)
	return nil
}

// clean takes away what people do not see that they typed.
func clean(s string) string {
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\r\n", "\n"), "")
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' || r == 0x7f {
			return -1
		}
		return r
	}, s))
}
