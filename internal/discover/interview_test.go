package discover_test

import (
	"context"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/discover"
	"github.com/garant-project/garant/internal/errs"
)

// talk gives answers, one a line, and returns what was said.
func talk(t *testing.T, known discover.Answers, answers ...string) (discover.Answers, []string, string, error) {
	t.Helper()
	var out strings.Builder
	hidden := 0
	i := discover.NewInterview(strings.NewReader(strings.Join(answers, "\n")+"\n"), &out, func() func() {
		hidden++
		return func() { hidden-- }
	})
	a, files, err := i.Complete(t.Context(), known)
	if hidden != 0 {
		t.Error("the terminal was left not showing what is typed")
	}
	return a, files, out.String(), err
}

func TestInterview(t *testing.T) {
	a, files, said, err := talk(t, discover.Answers{},
		"", strings.Repeat("x", 5000), "bad\x1bname", "Ardoise Mécénat",
		"Belgium", "be",
		"https://ardoise.example", "ardoise.example, mecenat.example",
		"de", "",
		"Mars/Olympus", "",
		"nobody", "",
		"Bruxelles, Liège, Bruxelles",
		"hunter2", "")
	if err != nil {
		t.Fatal(err)
	}
	if a.Company != "Ardoise Mécénat" || a.Country != "BE" || !slices.Equal(a.Domains, []string{"ardoise.example", "mecenat.example"}) || !slices.Equal(a.Languages, []string{"fr", "en"}) ||
		a.Zone != "Europe/Brussels" || a.Contact != "dpo@ardoise.example" || !slices.Equal(a.Sites, []string{"Bruxelles", "Liège"}) || len(a.Databases)+len(files) != 0 {
		t.Errorf("%+v", a)
	}
	for _, reason := range []string{"The answer is empty", "too long", "nobody can see", "not a country", "no scheme", "not a language", "not a time zone", "not a mail address", "not given as a URL"} {
		if !strings.Contains(said, reason) {
			t.Errorf("%q is not said in\n%s", reason, said)
		}
	}
	if strings.Contains(said, "hunter2") {
		t.Error("what was typed unseen is repeated")
	}
}

func TestInterviewAsksOnlyWhatIsOpen(t *testing.T) {
	known := discover.Answers{Company: "A", Country: "FR", Domains: []string{domain}, Languages: []string{"fr"}, Zone: "Europe/Paris", Contact: "a@b.example", Sites: []string{"Namur"},
		Databases: []discover.Database{{URL: "postgres://h/x", Reference: "env:X"}}}
	if _, _, said, err := talk(t, known); err != nil || said != "" {
		t.Errorf("%v: %s", err, said)
	}
}

func TestInterviewKeepsAURLWhereToldTo(t *testing.T) {
	known := discover.Answers{Company: "A", Country: "FR", Domains: []string{domain}, Languages: []string{"fr"}, Zone: "Europe/Paris", Contact: "a@b.example", Sites: []string{"Namur"}}
	file := filepath.Join(t.TempDir(), "url")
	a, files, said, err := talk(t, known, "postgres://u:hunter2@db.example/crm", "relative", file, "postgres://u:hunter2@db.example/crm", "", "postgres://u:hunter2@other.example/crm", "", "")
	if err != nil {
		t.Fatal(err)
	}
	var references []string
	for _, d := range a.Databases {
		references = append(references, d.Reference)
	}
	if !slices.Equal(references, []string{"file:" + file, "env:GARANT_CRM_URL", "env:GARANT_CRM_URL_2"}) || !slices.Equal(files, []string{file}) {
		t.Errorf("%v %v", references, files)
	}
	if strings.Contains(said, "hunter2") || !strings.Contains(said, "whole path") {
		t.Errorf("%s", said)
	}
}

// Ctrl-C ends a question that nobody answers; so does the end of the answers.
func TestInterviewEnds(t *testing.T) {
	in, other := io.Pipe()
	defer other.Close()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	start := time.Now()
	if _, _, err := discover.NewInterview(in, io.Discard, nil).Complete(ctx, discover.Answers{}); !errs.Is(err, errs.Unavailable) || time.Since(start) > 5*time.Second {
		t.Errorf("%v after %s", err, time.Since(start))
	}
	if _, _, _, err := talk(t, discover.Answers{}, "A"); !errs.Is(err, errs.Invalid) {
		t.Errorf("%v", err)
	}
	var out strings.Builder
	i := discover.NewInterview(strings.NewReader("what\nnon\n\n"), &out, nil)
	if yes, err := i.Agree(t.Context(), "Go on"); yes || err != nil || !strings.Contains(out.String(), "yes or no") {
		t.Errorf("%t %v %s", yes, err, out.String())
	}
	if yes, err := i.Agree(t.Context(), "Go on"); !yes || err != nil {
		t.Errorf("%t %v", yes, err)
	}
}
