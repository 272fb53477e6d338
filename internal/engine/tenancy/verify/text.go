package verify

import (
	"fmt"
	"io"
	"strings"
	"unicode"
)

// WriteText writes a report for people: what is wrong first, the worst at the top, with what mends
// it; what could not be seen; a line of counts.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("Database %s, design %s, %s held to the manifest.", printable(r.Database), r.Design, counted(r.Tables, "tenant table", "tenant tables"))
	line("Looked as %s; %s.", printable(r.Looked), r.Tried)
	if !r.Scratch {
		line("Not asked for: %s that write, on a scratch copy (--scratch).", counted(len(scratchProbes()), "probe", "probes"))
	}
	for _, severity := range Severities() {
		for _, one := range r.Results {
			if one.Severity != severity || len(one.Findings) == 0 {
				continue
			}
			line("\n%s  %s  %s", strings.ToUpper(string(one.Severity)), one.ID, one.Title)
			line("  %s", one.Why)
			for _, f := range one.Findings {
				line("  - %s: %s", printable(f.Object), printable(f.Found))
				if f.Mend != "" {
					line("    → %s", printable(f.Mend))
				}
			}
		}
	}
	for _, one := range r.Results {
		if len(one.Accepted) > 0 {
			line("\nACCEPTED  %s  %s", one.ID, one.Title)
		}
		for _, a := range one.Accepted {
			line("  - %s: %s", printable(a.Object), printable(a.Found))
			line("    %s (%s, %s)", printable(a.Reason), printable(a.By), a.Date)
		}
	}
	for _, one := range r.Results {
		if one.Error != "" {
			line("\nNOT SEEN  %s  %s", one.ID, one.Title)
			line("  %s", printable(one.Error))
		}
	}
	passed, _ := r.Count(Pass)
	failed, findings := r.Count(Fail)
	blind, more := r.Count(Error)
	line("")
	if failed+blind == 0 {
		line("Sound: %s of %d passed.", counted(passed, "check", "checks"), len(r.Results))
	} else {
		line("%s of %d passed; %s came out false, with %s; %s could not look.", counted(passed, "check", "checks"), len(r.Results), counted(failed, "check", "checks"),
			counted(findings+more, "finding", "findings"), counted(blind, "check", "checks"))
	}
	if n := r.Accepted(); n > 0 {
		line("The manifest accepts %s.", counted(n, "finding", "findings"))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// printable keeps a name from acting on a terminal.
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsControl(c) || unicode.Is(unicode.Bidi_Control, c) {
			return '�'
		}
		return c
	}, strings.ToValidUTF8(s, "�"))
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
