package endpoint

import (
	"strings"
	"testing"
	"time"
)

func TestParseHSTS(t *testing.T) {
	const year = 365 * 24 * time.Hour
	for field, want := range map[string]policyHSTS{
		"max-age=31536000":                                   {year, false},
		"max-age=31536000; includeSubDomains":                {year, true},
		"MAX-AGE=31536000;INCLUDESUBDOMAINS":                 {year, true},
		"  includeSubDomains ; max-age = \"31536000\"  ":     {year, true},
		"max-age=31536000; includeSubDomains; preload":       {year, true},
		";;max-age=31536000;;":                               {year, false},
		"max-age=31536000; unknown=\"a;includeSubDomains\"":  {year, false},
		"max-age=31536000; unknown=\"a\\\";b\"; other=token": {year, false},
		"max-age=\"3\\1536000\"":                             {year, false}, // a quoted pair
		"max-age=0":                                          {0, false},
		"max-age=99999999999999999999999999":                 {9223372036 * time.Second, false},
	} {
		if got, err := parseHSTS(field); err != nil || got != want {
			t.Errorf("%s: %+v, %v", field, got, err)
		}
	}
	for _, field := range []string{
		"", ";", "includeSubDomains", "max-age", "max-age=", "max-age=\"\"", "max-age=-1", "max-age=1.5", "max-age=1e9", "max-age=31536000s",
		"max-age=31536000, includeSubDomains", "max-age=31536000 includeSubDomains", "max-age=1; max-age=31536000", "max-age=31536000; max-age=31536000",
		"max-age=31536000; includeSubDomains; INCLUDESUBDOMAINS", "max-age=31536000; includeSubDomains=true", "max-age=31536000; includeSubDomains=",
		"max-age=\"31536000", "max-age=31536000\"", "max-age='31536000'", "max-age=31536000; preload; preload", "max-age==31536000", "=31536000",
		"max-age=31536000; é", "max-age=٣١٥٣٦٠٠٠", "max-age:31536000", "max-age=31536000; x=\"a\"b",
	} {
		if got, err := parseHSTS(field); err == nil {
			t.Errorf("%q is taken as %+v", field, got)
		}
	}
}

func FuzzHSTS(f *testing.F) {
	for _, seed := range []string{"max-age=31536000; includeSubDomains", "max-age=\"1\\2\"", ";;;", "a=\"b;c\\\"", "max-age=99999999999999999999"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, field string) {
		p, err := parseHSTS(field)
		if err != nil {
			if p != (policyHSTS{}) {
				t.Errorf("an error and a policy: %+v", p)
			}
			return
		}
		lower := strings.ToLower(field)
		if p.maxAge < 0 || !strings.Contains(lower, "max-age") || p.subdomains && !strings.Contains(lower, "includesubdomains") {
			t.Errorf("%q is taken as %+v", field, p)
		}
		if again, err := parseHSTS(";" + field + " ; "); err != nil || again != p {
			t.Errorf("empty directives change %+v to %+v, %v", p, again, err)
		}
	})
}
