package export_test

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/engine/auditlog/export"
)

func section(t *testing.T, title string) string {
	t.Helper()
	text, err := os.ReadFile("../../../../docs/audit-streams.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "\n## "+title+"\n")
	if !found {
		t.Fatalf("the manual has no section %s", title)
	}
	before, _, _ := strings.Cut(rest, "\n## ")
	return before
}

// TestManualNamesEveryField: the table of the manual is what lines have, no more and no less.
func TestManualNamesEveryField(t *testing.T) {
	var told []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z]+)` \\|").FindAllStringSubmatch(section(t, "Fields of JSON lines"), -1) {
		told = append(told, m[1])
	}
	var had []string
	closed, erased := sample(), sample()
	closed.Entry.Changes, closed.Entry.Sealed, erased.Entry.Erased = nil, true, true
	long := sample()
	long.Entry.Detail = map[string]any{"long": strings.Repeat("x", 10000)}
	for _, l := range []export.Line{sample(), closed, erased, long} {
		line, err := export.Render(export.JSON, l, export.Options{Most: export.LeastMost})
		if err != nil {
			t.Fatal(err)
		}
		var v map[string]any
		if err := json.Unmarshal(line, &v); err != nil {
			t.Fatal(err)
		}
		for name := range v {
			had = append(had, name)
		}
	}
	slices.Sort(had)
	slices.Sort(told)
	if had = slices.Compact(had); !slices.Equal(told, had) {
		t.Errorf("the manual tells of %v, lines have %v", told, had)
	}
}

// TestManualMapsActions: the table of OCSF is what is done.
func TestManualMapsActions(t *testing.T) {
	rows := regexp.MustCompile("(?m)^\\| `([a-z_.]+)` \\| ([A-Za-z ]+) ([0-9]{4}) \\| ([0-9]+) ([A-Za-z_ ]+) \\|$").FindAllStringSubmatch(section(t, "OCSF"), -1)
	if len(rows) < 25 {
		t.Fatalf("%d rows", len(rows))
	}
	for _, r := range rows {
		line, err := export.Render(export.OCSF, export.Line{Entry: audit.Entry{Action: r[1]}}, export.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf(`"class_uid":%s,"class_name":"%s","activity_id":%s,"activity_name":"%s"`, r[3], r[2], r[4], r[5]); !strings.Contains(string(line), want) {
			t.Errorf("%s: %.300s", r[1], line)
		}
	}
}
