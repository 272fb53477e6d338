package verify

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
)

// SARIF 2.1.0, as far as a report needs it.
// Source: OASIS, Static Analysis Results Interchange Format (SARIF) Version 2.1.0.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool        sarifTool         `json:"tool"`
		Invocations []sarifInvocation `json:"invocations"`
		Automation  sarifID           `json:"automationDetails"`
		Results     []sarifResult     `json:"results"`
		ColumnKind  string            `json:"columnKind"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID            string         `json:"id"`
		Short         sarifText      `json:"shortDescription"`
		Full          sarifText      `json:"fullDescription"`
		Configuration sarifLevel     `json:"defaultConfiguration"`
		Properties    map[string]any `json:"properties"`
	}
	sarifLevel struct {
		Level string `json:"level"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifID struct {
		ID string `json:"id"`
	}
	sarifInvocation struct {
		Successful    bool                `json:"executionSuccessful"`
		Notifications []sarifNotification `json:"toolExecutionNotifications,omitempty"`
	}
	sarifNotification struct {
		Level   string    `json:"level"`
		Message sarifText `json:"message"`
		Rule    sarifID   `json:"associatedRule"`
	}
	sarifResult struct {
		RuleID       string             `json:"ruleId"`
		RuleIndex    int                `json:"ruleIndex"`
		Kind         string             `json:"kind"`
		Level        string             `json:"level"`
		Message      sarifText          `json:"message"`
		Locations    []sarifLocation    `json:"locations"`
		Fingerprints map[string]string  `json:"partialFingerprints"`
		Suppressions []sarifSuppression `json:"suppressions,omitempty"`
	}
	sarifSuppression struct {
		Kind          string `json:"kind"`
		Status        string `json:"status"`
		Justification string `json:"justification"`
	}
	sarifLocation struct {
		Physical sarifPhysical  `json:"physicalLocation"`
		Logical  []sarifLogical `json:"logicalLocations"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   sarifRegion   `json:"region"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		Line int `json:"startLine"`
	}
	sarifLogical struct {
		Name string `json:"fullyQualifiedName"`
		Kind string `json:"kind"`
	}
)

// level is a severity in the words of SARIF (§3.27.10); score is what code hosts sort by.
func (s Severity) level() (level, score string) {
	switch s {
	case Critical:
		return "error", "9.5"
	case High:
		return "error", "8.0"
	case Medium:
		return "warning", "5.5"
	}
	return "note", "2.0"
}

// WriteSARIF writes a report as SARIF 2.1.0. Findings stand at the line of their table in the
// manifest, which is kept with the source; file is its path. Accepted ones are suppressed (§3.27.23), with who
// answers for them and why. What could not be seen makes the
// invocation one that did not succeed.
func (r *Report) WriteSARIF(w io.Writer, m *manifest.Manifest, file, build string) error {
	run := sarifRun{
		Tool: sarifTool{sarifDriver{Name: "garant isolation verify", Version: build, Rules: []sarifRule{}}}, Automation: sarifID{"garant/isolation/" + r.Database + "/"},
		Invocations: []sarifInvocation{{Successful: true}}, Results: []sarifResult{}, ColumnKind: "unicodeCodePoints",
	}
	uri := (&url.URL{Path: filepath.ToSlash(file)}).String()
	for i, one := range r.Results {
		level, score := one.Severity.level()
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{
			ID: one.ID, Short: sarifText{one.Title + "."}, Full: sarifText{one.Why}, Configuration: sarifLevel{level},
			Properties: map[string]any{"security-severity": score, "tags": []string{"security", "isolation", string(one.Kind)}},
		})
		if one.Error != "" {
			run.Invocations[0].Successful = false
			run.Invocations[0].Notifications = append(run.Invocations[0].Notifications, sarifNotification{"error", sarifText{one.Title + ": " + one.Error}, sarifID{one.ID}})
		}
		add := func(f Finding, at int, suppressed ...sarifSuppression) {
			sum := sha256.Sum256([]byte(one.ID + "\x00" + f.Object + "\x00" + f.Found))
			text := f.Object + ": " + f.Found
			if f.Mend != "" {
				text += "\n" + f.Mend
			}
			run.Results = append(run.Results, sarifResult{
				RuleID: one.ID, RuleIndex: i, Kind: "fail", Level: level, Message: sarifText{strings.ToValidUTF8(text, "�")},
				Locations:    []sarifLocation{{Physical: sarifPhysical{sarifArtifact{uri}, sarifRegion{at}}, Logical: []sarifLogical{{r.Database + "." + f.Object, "object"}}}},
				Fingerprints: map[string]string{"garantFinding/v1": hex.EncodeToString(sum[:16])}, Suppressions: suppressed,
			})
		}
		for _, f := range one.Findings {
			add(f, lineOf(m, f.Object))
		}
		for _, a := range one.Accepted {
			line := lineOf(m, a.Object)
			if by := m.Accepts(cmp.Or(one.Check.accepted, one.ID), a.Object); by != nil && by.Line > 0 {
				line = by.Line
			}
			add(a.Finding, line, sarifSuppression{"external", "accepted", a.Reason + " (" + a.By + ", " + a.Date + ")"})
		}
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(sarifLog{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []sarifRun{run}})
}

// lineOf is where the manifest speaks of an object: the line of the table that its name holds, else
// the first.
func lineOf(m *manifest.Manifest, object string) int {
	line, longest := 1, 0
	for i := range m.Tables {
		if name := m.Tables[i].QualifiedName(); len(name) > longest && m.Tables[i].Line > 0 && holdsName(object, name) {
			line, longest = m.Tables[i].Line, len(name)
		}
	}
	return line
}

// holdsName reports whether an object is a relation, or something on one.
func holdsName(object, name string) bool {
	rest, found := strings.CutPrefix(object, name)
	if !found {
		var before string
		before, rest, found = strings.Cut(object, " on "+name)
		found = found && before != ""
	}
	return found && (rest == "" || rest[0] == ' ')
}
