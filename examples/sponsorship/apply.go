package sponsorship

import (
	"context"
	"errors"
	"net/http"
	"net/mail"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/garant-project/garant/tenant"
)

// most is the largest sum that can be asked for, in cents.
const most = 100_000_00

// formJob is the service job under which a customer's public form runs.
type formJob struct {
	tokens placed
	mu     sync.Mutex
	open   store
}

func (j *formJob) store() store {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.open
}

// open finds a public form with what its customer's job may reach.
func (a *app) open(r *http.Request) (Form, store, error) {
	n := slices.IndexFunc(a.Forms, func(f Form) bool { return f.Slug == r.PathValue("form") })
	if n < 0 {
		return Form{}, store{}, errNotFound
	}
	return a.Forms[n], a.jobs[a.Forms[n].Slug].store(), nil
}

func (a *app) apply(w http.ResponseWriter, r *http.Request) {
	a.showForm(w, r, http.StatusOK, map[string]string{}, nil)
}

func (a *app) showForm(w http.ResponseWriter, r *http.Request, status int, values, faults map[string]string) {
	ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
	defer cancel()
	form, of, err := a.open(r)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	fields, err := of.fields(ctx)
	if err != nil {
		a.failedJob(w, r, form, err)
		return
	}
	b := a.base(r, "apply.title")
	b.Public = true
	a.render(w, r, status, applyPage{base: b, Form: form, Fields: fields, Values: values, Faults: faults})
}

func (a *app) submit(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
	defer cancel()
	form, of, err := a.open(r)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	if err := r.ParseForm(); err != nil {
		a.fail(w, r, err)
		return
	}
	values := map[string]string{}
	for _, k := range []string{"first_name", "last_name", "email", "phone", "city", "iban", "field", "subject", "description", "amount"} {
		values[k] = clean(r.PostForm.Get(k))
	}
	fields, err := of.fields(ctx)
	if err != nil {
		a.failedJob(w, r, form, err)
		return
	}
	s, faults := judge(values, fields)
	if len(faults) > 0 {
		a.showForm(w, r, http.StatusUnprocessableEntity, values, faults)
		return
	}
	if _, err := of.submit(ctx, s); err != nil {
		a.failedJob(w, r, form, err)
		return
	}
	http.Redirect(w, r, "/apply/"+form.Slug+"/received", http.StatusSeeOther)
}

func (a *app) received(w http.ResponseWriter, r *http.Request) {
	n := slices.IndexFunc(a.Forms, func(f Form) bool { return f.Slug == r.PathValue("form") })
	if n < 0 {
		a.fail(w, r, errNotFound)
		return
	}
	b := a.base(r, "received.title")
	b.Public = true
	a.render(w, r, http.StatusOK, receivedPage{base: b, Form: a.Forms[n]})
}

// failedJob forgets tokens that the database does not take: the next request asks for others.
func (a *app) failedJob(w http.ResponseWriter, r *http.Request, form Form, err error) {
	switch {
	case errors.Is(err, ErrRefused):
		err = errNotFound // the customer has not accepted the job, or no more
	case errors.Is(err, tenant.ErrRevoked), errors.Is(err, tenant.ErrExpired), errors.Is(err, tenant.ErrInvalid):
		j := a.jobs[form.Slug]
		j.mu.Lock()
		j.open = a.store(j.tokens)
		j.mu.Unlock()
		err = ErrUnavailable
	}
	a.fail(w, r, err)
}

// judge looks at what a form holds: what is wrong with which field, by message.
func judge(v map[string]string, fields []field) (submission, map[string]string) {
	faults := map[string]string{}
	for _, k := range []string{"first_name", "last_name", "email", "iban", "field", "subject", "description", "amount"} {
		if v[k] == "" {
			faults[k] = "apply.fault.missing"
		}
	}
	for k, limit := range map[string]int{"first_name": 80, "last_name": 80, "email": 200, "phone": 40, "city": 80, "subject": 120, "description": 4000} {
		if utf8.RuneCountInString(v[k]) > limit {
			faults[k] = "apply.fault.long"
		}
	}
	if at, err := mail.ParseAddress(v["email"]); v["email"] != "" && (err != nil || at.Address != v["email"]) {
		faults["email"] = "apply.fault.email"
	}
	iban := strings.ToUpper(strings.ReplaceAll(v["iban"], " ", ""))
	if v["iban"] != "" && !isIBAN(iban) {
		faults["iban"] = "apply.fault.iban"
	}
	if v["field"] != "" && !slices.ContainsFunc(fields, func(f field) bool { return f.Code == v["field"] }) {
		faults["field"] = "apply.fault.missing"
	}
	cents, ok := parseAmount(v["amount"])
	if v["amount"] != "" && (!ok || cents < 1 || cents > most) {
		faults["amount"] = "apply.fault.amount"
	}
	return submission{
		FirstName: v["first_name"], LastName: v["last_name"], Email: v["email"], Phone: v["phone"], City: v["city"], IBAN: iban,
		Field: v["field"], Subject: v["subject"], Description: v["description"], Cents: cents,
	}, faults
}

// isIBAN looks at form and check digits (ISO 13616, ISO 7064 mod 97-10).
func isIBAN(s string) bool {
	if !regexp.MustCompile(`^[A-Z]{2}[0-9]{2}[0-9A-Z]{11,30}$`).MatchString(s) {
		return false
	}
	rest := 0
	for _, c := range s[4:] + s[:4] {
		if c >= 'A' {
			rest = (rest*100 + int(c-'A') + 10) % 97
		} else {
			rest = (rest*10 + int(c-'0')) % 97
		}
	}
	return rest == 1
}

// parseAmount reads euros as people of either language write them, into cents.
func parseAmount(s string) (int64, bool) {
	s = strings.NewReplacer(" ", "", "\u00a0", "", "\u202f", "", "€", "", ",", ".").Replace(s)
	if i := strings.LastIndexByte(s, '.'); i >= 0 && len(s)-i == 4 { // 1.250: thousands
		s = s[:i] + s[i+1:]
	}
	m := regexp.MustCompile(`^([0-9]{1,9})(?:\.([0-9]{1,2}))?$`).FindStringSubmatch(s)
	if m == nil {
		return 0, false
	}
	euros, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil {
		return 0, false
	}
	cents, err := strconv.ParseInt((m[2] + "00")[:2], 10, 64)
	return euros*100 + cents, err == nil
}
