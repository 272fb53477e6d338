package journey

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// readOn is what a customer's data protection officer does after the first look: read by another order,
// see the proof, follow the changes, see the sub-processors, read it as it was.
func readOn(b *tab) {
	b.visit("/?lang=en")
	for order, heading := range map[string]string{"clauses": "the 17 headings of Annex III", "iso": "by the number of ISO/IEC 27001:2022 Annex A"} {
		b.press(`.annex-orders a[href*="order=` + order + `"]`)
		b.says(heading)
		if got := eval[string](b, `document.querySelector(".annex-orders a[aria-current]").getAttribute("href")`); !strings.Contains(got, order) {
			b.Errorf("in the order %s, the page marks %s", order, got)
		}
		b.glance("annex-"+order, "/?order="+order)
		b.visit("/?lang=en")
	}

	// The proof says what to type, and the digest on the page is that of the document.
	b.visit("/m/ENC-1?lang=en")
	b.says("openssl s_client -connect HOST:443", "which must be refused", "Check it yourself")
	b.visit("/verify?lang=en")
	b.says("/document.json' | sha256sum")
	document := b.get("/document.json")
	sum := sha256.Sum256([]byte(document.Body))
	if digest := hex.EncodeToString(sum[:]); !strings.Contains(strings.ReplaceAll(eval[string](b, "document.body.innerText"), " ", ""), digest) {
		b.Errorf("the page does not hold the digest %s of the document", digest)
	}
	b.look("verify", "/verify")

	b.visit("/changes?lang=en")
	address := eval[string](b, `document.querySelector('main a[type="application/atom+xml"]').href`)
	feed(b, address)

	b.visit("/subprocessors?lang=en")
	b.says("Hébergement Exemple SA", "Hosting of the application and its backups", "Belgium")
	b.look("subprocessors", "/subprocessors")

	// As it was a moment ago, and on the day; a day that has no annex says so elsewhere.
	at := time.Now().UTC().Add(-2 * time.Second).Format("2006-01-02T15:04:05Z")
	for _, path := range []string{"/", "/m/ENC-1", "/changes", "/subprocessors"} {
		b.visit(path + "?lang=en&at=" + url.QueryEscape(at))
		b.says("You are reading")
		b.has(".annex-replay-banner a")
	}
	b.glance("annex-then", "/?at="+url.QueryEscape(at))
	b.visit("/?lang=en&at=" + url.QueryEscape(at))
	b.press(".annex-replay-banner a")
	b.lacks(".annex-replay-banner")
	b.visit("/?lang=fr")
	b.silent()
}

// atom is what is read of a feed (RFC 4287).
type atom struct {
	XMLName xml.Name `xml:"http://www.w3.org/2005/Atom feed"`
	ID      string   `xml:"id"`
	Title   string   `xml:"title"`
	Updated string   `xml:"updated"`
	Entries []struct {
		ID      string `xml:"id"`
		Title   string `xml:"title"`
		Updated string `xml:"updated"`
		Link    struct {
			Href string `xml:"href,attr"`
		} `xml:"link"`
	} `xml:"entry"`
}

// feed reads the feed as a feed reader does, and follows its newest entry.
func feed(b *tab, address string) {
	b.Helper()
	a := b.get(address)
	var f atom
	if err := xml.Unmarshal([]byte(a.Body), &f); err != nil || !strings.HasPrefix(a.Type, "application/atom+xml") {
		b.Fatalf("%s answers %d, %s: %v\n%.500s", address, a.Status, a.Type, err, a.Body)
	}
	if f.ID == "" || f.Title == "" || len(f.Entries) == 0 {
		b.Fatalf("the feed is %+v", f)
	}
	seen := map[string]bool{}
	for _, e := range f.Entries {
		if seen[e.ID] || e.ID == "" || e.Title == "" || e.Updated > f.Updated {
			b.Errorf("an entry of the feed is %+v, of a feed of %s", e, f.Updated)
		}
		seen[e.ID] = true
		if _, err := time.Parse(time.RFC3339, e.Updated); err != nil {
			b.Error(err)
		}
	}
	newest := f.Entries[0]
	b.visit(newest.Link.Href)
	measure := regexp.MustCompile(`^[A-Z]{3}-\d+`).FindString(newest.Title)
	if measure != "" {
		b.says(measure)
	}
}
