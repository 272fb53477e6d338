package journey

import (
	"fmt"
	"regexp"
	"strings"
)

// What people do with a page: read, type, choose, press.

// has waits until a page that has loaded holds an element.
func (b *tab) has(selector string) {
	b.Helper()
	b.until("holds "+selector, func() bool {
		found, err := try[bool](b, `document.readyState === "complete" && !!document.querySelector(`+quote(selector)+`)`)
		return err == nil && found
	})
}

// lacks fails when the page holds an element.
func (b *tab) lacks(selector string) {
	b.Helper()
	if eval[bool](b, `!!document.querySelector(`+quote(selector)+`)`) {
		b.Errorf("%s: %s holds %s", b.name, b.path(), selector)
	}
}

// says fails when the page that is open does not say something.
func (b *tab) says(all ...string) {
	b.Helper()
	for _, text := range all {
		if !b.shows(text) {
			b.Errorf("%s: %q is not on %s", b.name, text, b.where())
		}
	}
}

// silentOn fails when the page that is open says something.
func (b *tab) silentOn(all ...string) {
	b.Helper()
	for _, text := range all {
		if b.shows(text) {
			b.Errorf("%s: %q is on %s", b.name, text, b.where())
		}
	}
}

// fill types into a field, in the place of what it holds.
func (b *tab) fill(name, value string) {
	b.Helper()
	field := quote(`main [name="` + name + `"]`)
	b.has(`main [name="` + name + `"]`)
	// A date's field is made of parts, in the order of the browser's language: it is given its value whole.
	whole := eval[bool](b, fmt.Sprintf(`(e => { e.value = e.type === "date" ? %s : ""; e.focus(); return e.type === "date" })(document.querySelector(%s))`, quote(value), field))
	if !whole {
		b.command("Input.insertText", map[string]any{"text": value})
	}
	if got := eval[string](b, "document.querySelector("+field+").value"); got != value {
		b.Fatalf("%s: the field %s holds %q", b.name, name, got)
	}
}

// choose takes the choice of a list that bears a label, or has a value.
func (b *tab) choose(name, choice string) {
	b.Helper()
	b.has(`main select[name="` + name + `"]`)
	if !eval[bool](b, fmt.Sprintf(`(e => { const o = [...e.options].find(o => o.label === %s || o.value === %s); if (o) { e.value = o.value; e.dispatchEvent(new Event("change")) } return !!o })(document.querySelector(%s))`,
		quote(choice), quote(choice), quote(`main select[name="`+name+`"]`))) {
		b.Fatalf("%s: the list %s has no choice %q on %s", b.name, name, choice, b.where())
	}
}

// tick ticks a box, by its name and value.
func (b *tab) tick(selector string) {
	b.Helper()
	b.click(selector)
	if !eval[bool](b, `document.querySelector(`+quote(selector)+`).checked`) {
		b.Fatalf("%s: %s is not ticked", b.name, selector)
	}
}

// attach chooses files for a field.
func (b *tab) attach(selector string, files ...string) {
	b.Helper()
	found := b.command("Runtime.evaluate", map[string]any{"expression": `document.querySelector(` + quote(selector) + `)`})
	result, _ := found["result"].(map[string]any)
	id, _ := result["objectId"].(string)
	if id == "" {
		b.Fatalf("%s: there is no %s on %s", b.name, selector, b.where())
	}
	b.command("DOM.setFileInputFiles", map[string]any{"files": files, "objectId": id})
}

// send presses the button of a form, and waits for the page that answers.
func (b *tab) send(action string) {
	b.Helper()
	b.press(`main form[action="` + action + `"] button[type="submit"]`)
}

// press clicks and waits until another page, or the same one anew, has loaded.
func (b *tab) press(selector string) {
	b.Helper()
	b.has(selector)
	eval[bool](b, `window.before = true`)
	b.click(selector)
	b.until("gets an answer after "+selector, func() bool {
		came, err := try[bool](b, `!window.before && document.readyState === "complete"`)
		return err == nil && came
	})
}

// follow presses a link of the page's content by its address.
func (b *tab) follow(href string) {
	b.Helper()
	b.press(`main a[href="` + href + `"]`)
}

// answer is what an address answers without showing it.
type answer struct {
	Status int    `json:"status"`
	Type   string `json:"type"`
	Body   string `json:"body"`
}

// get reads an address of the site with the reader's cookies.
func (b *tab) get(path string) answer {
	b.Helper()
	return eval[answer](b, `fetch(`+quote(path)+`).then(r => r.text().then(t => ({status: r.status, type: r.headers.get("content-type") || "", body: t})))`)
}

// post sends a form of no fields, as a page of the site would; the answer is expected to refuse.
func (b *tab) post(path string) answer {
	b.Helper()
	b.expect(path)
	return eval[answer](b, `fetch(`+quote(path)+`, {method: "POST", body: new URLSearchParams({name: "x"})}).then(r => r.text().then(t => ({status: r.status, type: r.headers.get("content-type") || "", body: t})))`)
}

// recoveryCode is what a recovery code looks like.
var recoveryCode = regexp.MustCompile(`[0-9A-Z]{4}(?:-[0-9A-Z]{4}){3}`)

// enrol follows a one-time link to a passkey, recovery codes and the desk. before and codes look at
// the pages on the way; either may be nil.
func (b *tab) enrol(link string, before, codes func()) []string {
	b.Helper()
	b.visit(link)
	b.press("main form button")
	b.has(`form[data-ceremony="register"]`)
	if before != nil {
		before()
	}
	b.click(`form[data-ceremony="register"] button`)
	b.has("main .signin-row a.button-primary")
	found := recoveryCode.FindAllString(eval[string](b, "document.body.innerText"), -1)
	if len(found) != 10 {
		b.Fatalf("%d recovery codes on %s", len(found), b.where())
	}
	if codes != nil {
		codes()
	}
	b.press("main .signin-row a.button-primary")
	if got := b.path(); got != "/" {
		b.Errorf("%s landed on %s", b.name, got)
	}
	return found
}

// person is somebody of the staff at a machine of their own, signed in for the first time.
func (j *journey) person(name, email, accepts string) *tab {
	j.Helper()
	b := j.machine(name, j.console, accepts)
	if strings.HasPrefix(accepts, "fr") {
		b.lang = "fr"
	}
	b.authenticator()
	b.enrol(j.link(j.T, email), nil, nil)
	return b
}

// denied visits pages that are not for the reader: each says so, in words, and lets them go back.
func (b *tab) denied(says string, paths ...string) {
	b.Helper()
	for _, path := range paths {
		b.expect(path)
		if a := b.get(path); a.Status != 403 || !strings.HasPrefix(a.Type, "text/html") {
			b.Errorf("%s: %s answers %d, %s", b.name, path, a.Status, a.Type)
		}
		b.refused(path, says)
	}
}
