package console_test

import (
	"context"
	"io"
	"log/slog"
	"mime"
	"mime/quotedprintable"
	"net/http"
	netmail "net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/calendar"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/mail"
	checks "github.com/garant-project/garant/internal/measure/console"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/console/consoletest"
	"github.com/garant-project/garant/internal/web/ui"
)

// From the reminder to the confirmation: the owner gets one message in their language, with the
// page of the measure; what they have confirmed meanwhile is not in it; nothing is sent of what is done.
func TestReminderLetters(t *testing.T) {
	f := openFirm(t)
	ctx := context.Background()
	outbox := filepath.Join(t.TempDir(), "out")
	msgs, err := ui.NewMessages(console.Messages(), checks.Messages(), checks.OwnerMessages(), mail.Messages(), engineWords())
	if err != nil {
		t.Fatal(err)
	}
	zone, err := time.LoadLocation("Europe/Brussels")
	if err != nil {
		t.Fatal(err)
	}
	post, err := mail.New(mail.Config{
		DB: f.db, Settings: estate.Mail{From: netmail.Address{Address: "garant@ardoise.example"}, Outbox: outbox}, Directory: f.dir, Messages: msgs, Origin: "https://admin.ardoise.example",
		Company: func(context.Context) string { return "Ardoise Mécénat" }, Language: func(context.Context) string { return "fr" },
		Zone: func(context.Context) *time.Location { return zone }, Now: f.now, Log: slog.New(slog.DiscardHandler),
	}, f.owners.ReminderTemplate())
	if err != nil {
		t.Fatal(err)
	}
	remind := func() {
		t.Helper()
		if err := f.owners.Reminders(post.Queue).Work(ctx, nil); err != nil {
			t.Fatal(err)
		}
	}
	letters := func() []string {
		t.Helper()
		if err := post.Deliver(ctx); err != nil {
			t.Fatal(err)
		}
		files, _ := filepath.Glob(filepath.Join(outbox, "*.eml"))
		var out []string
		for _, name := range files {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			m, err := netmail.ReadMessage(strings.NewReader(string(b)))
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(quotedprintable.NewReader(m.Body))
			if err != nil {
				t.Fatal(err)
			}
			subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, m.Header.Get("To")+"\n"+subject+"\n"+strings.ReplaceAll(string(body), "\r\n", "\n"))
		}
		return out
	}
	// At nine in the morning of the company, whatever the clock says where this runs.
	day, err := calendar.Parse(f.today())
	if err != nil {
		t.Fatal(err)
	}
	minutes := 0 // the clock only goes on
	morning := func(d calendar.Date) {
		minutes++
		f.ahead = time.Until(d.Start(zone).Add(9*time.Hour + time.Duration(minutes)*time.Minute))
	}

	for _, id := range []string{whole, perSite} {
		f.post("/measures/"+id+"/owner", http.StatusSeeOther, "seen", "0", "responsible", f.anna.ID)
	}
	morning(day.AddDays(1))
	remind()
	remind()
	got := letters()
	if len(got) != 1 {
		t.Fatalf("%d letters", len(got))
	}
	consoletest.Wants(t, got[0], "anna@ardoise.example", "2 mesures attendent votre réponse", "– "+perSite+" · ", "– "+whole+" · ", "Elle attend une première confirmation.", "https://admin.ardoise.example/measures/"+whole+"\n", "Bonjour Anna Exemple,")
	consoletest.Lacks(t, got[0], "⟦")

	// She does one of them; what waits in the queue about it says nothing of it any more.
	f.ahead = 0
	f.is(f.anna)
	morning(day.AddDays(9))
	remind()
	f.ahead = 0
	f.post("/measures/"+whole+"/attestations", http.StatusSeeOther, "words", f.words(whole), "observed_on", f.today(), "statement", "confirmed")
	morning(day.AddDays(9))
	got = letters()
	if len(got) != 2 {
		t.Fatalf("%d letters", len(got))
	}
	last := got[1]
	if strings.Contains(got[0], "une mesure attend") {
		last = got[0]
	}
	consoletest.Wants(t, last, "une mesure attend votre réponse", perSite)
	consoletest.Lacks(t, last, whole)

	// And then the other, before the next message is sent: none is.
	morning(day.AddDays(16))
	remind()
	f.ahead = 0
	f.post("/measures/"+perSite+"/attestations", http.StatusSeeOther, "words", f.words(perSite), "observed_on", f.today(), "statement", "confirmed", "site", "liege", "site", "bruxelles")
	morning(day.AddDays(16))
	if got = letters(); len(got) != 2 {
		t.Errorf("%d letters", len(got))
	}
	// A month before the year is over.
	morning(calendar.Add(day, calendar.Yearly(1)).AddDays(-30))
	remind()
	if got = letters(); len(got) != 3 {
		t.Errorf("%d letters", len(got))
	}
}
