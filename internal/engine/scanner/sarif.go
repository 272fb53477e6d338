package scanner

import (
	"io"
	"slices"
	"strings"
)

type sarifResult struct {
	RuleID    string `json:"ruleId"`
	RuleIndex *int   `json:"ruleIndex"`
	Rule      struct {
		ID        string         `json:"id"`
		Index     *int           `json:"index"`
		Component sarifComponent `json:"toolComponent"`
	} `json:"rule"`
	Kind     string `json:"kind"`
	Level    string `json:"level"`
	Baseline string `json:"baselineState"`
	Message  struct {
		Text lenient `json:"text"`
	} `json:"message"`
	Locations []struct {
		Physical struct {
			Artifact struct {
				URI string `json:"uri"`
			} `json:"artifactLocation"`
		} `json:"physicalLocation"`
		Logical []struct {
			Name string `json:"fullyQualifiedName"`
		} `json:"logicalLocations"`
	} `json:"locations"`
	Suppressions []struct {
		Status string `json:"status"` // accepted unless told (§3.35.3)
	} `json:"suppressions"`
}

// sarifComponent names the driver or an extension of a tool (§3.54); the zero one is the driver.
type sarifComponent struct {
	Name  string `json:"name"`
	Index *int   `json:"index"`
	GUID  string `json:"guid"`
}

// readSARIF reads SARIF 2.1.0. What a rule that ran did not find is a passed result of it, when the
// run says that it ended well (executionSuccessful, §3.20.14); what a run is of is its automation id
// (§3.17.3) without the part that makes the run unique, its repositories (§3.14.8), or its tool.
//
// Source: OASIS, Static Analysis Results Interchange Format (SARIF) Version 2.1.0.
func readSARIF(source io.Reader, head *Head, each func(Result)) error {
	s := newStream(source)
	version := ""
	err := s.object(func(key string) error {
		switch key {
		case "version":
			return s.Decode(&version)
		case "runs":
			return s.array(func() error { return sarifRun(s, head, each) })
		}
		return s.skip()
	})
	if err == nil {
		err = s.end()
	}
	if err == nil && version != "2.1.0" {
		err = errShape
	}
	return err
}

type sarifTool struct {
	Driver     sarifDriver   `json:"driver"`
	Extensions []sarifDriver `json:"extensions"`
}

type sarifDriver struct {
	Name    string  `json:"name"`
	GUID    string  `json:"guid"`
	Version lenient `json:"version"`
	Precise lenient `json:"semanticVersion"`
	Rules   []struct {
		ID string `json:"id"`
	} `json:"rules"`
}

func sarifRun(s stream, head *Head, each func(Result)) error {
	var tool sarifTool
	var invocations []struct {
		Successful bool    `json:"executionSuccessful"`
		Start      lenient `json:"startTimeUtc"`
		End        lenient `json:"endTimeUtc"`
	}
	var automation struct {
		ID string `json:"id"`
	}
	var repositories []struct {
		URI string `json:"repositoryUri"`
	}
	var found []sarifResult
	results := false
	err := s.object(func(key string) error {
		switch key {
		case "tool":
			return s.Decode(&tool)
		case "invocations":
			return s.Decode(&invocations)
		case "automationDetails":
			return s.Decode(&automation)
		case "versionControlProvenance":
			return s.Decode(&repositories)
		case "results":
			results = true
			return s.array(func() error {
				var r sarifResult
				err := s.Decode(&r)
				if found = append(found, r); len(found) > maxHeld {
					return errShape
				}
				return err
			})
		}
		return s.skip()
	})
	if err != nil {
		return err
	}
	if tool.Driver.Name == "" {
		return errShape
	}
	head.Tool, head.Version = tool.Driver.Name, string(tool.Driver.Precise)
	if head.Version == "" {
		head.Version = string(tool.Driver.Version)
	}
	of := []string{tool.Driver.Name}
	if automation.ID != "" {
		of = append(of, automation.ID)
		for i := len(automation.ID) - 1; i > 0; i-- {
			if automation.ID[i] == '/' {
				of = append(of, automation.ID[:i])
			}
		}
	}
	for _, r := range repositories {
		of = append(of, scopes(r.URI)...)
	}
	// results is absent when the tool did not look (§3.14.23).
	successful := results && len(invocations) > 0
	for _, i := range invocations {
		successful = successful && i.Successful
		at := i.End
		if i.Start != "" {
			at = i.Start
		}
		if t, noZone, err := moment(string(at)); err == nil { // *Utc fields end in Z (§3.9)
			head.older(t)
			head.NoZone = head.NoZone || noZone
		}
	}
	broken := map[string]bool{}
	for _, r := range found {
		if r.Baseline == "absent" { // of an earlier run
			continue
		}
		one, ok := sarifOf(r, tool)
		if !ok {
			return errShape
		}
		one.Scopes = of
		for _, name := range append(one.Also, one.Check) {
			broken[name] = true
		}
		each(one)
	}
	for _, driver := range append(tool.Extensions, tool.Driver) {
		for _, rule := range driver.Rules {
			if !broken[rule.ID] {
				status := Passed
				if !successful {
					status = Undecided
				}
				each(Result{Check: rule.ID, Scopes: of, Item: driver.Name, Status: status})
			}
		}
	}
	return nil
}

// component finds the part of the tool that a result's rule is in.
func (t sarifTool) component(c sarifComponent) (sarifDriver, bool) {
	switch {
	case c.Index != nil && *c.Index >= 0:
		if *c.Index >= len(t.Extensions) {
			return sarifDriver{}, false
		}
		return t.Extensions[*c.Index], true
	case c.GUID == "" && c.Name == "":
		return t.Driver, true
	}
	for _, d := range append([]sarifDriver{t.Driver}, t.Extensions...) {
		if c.GUID != "" && strings.EqualFold(d.GUID, c.GUID) || c.GUID == "" && d.Name == c.Name {
			return d, true
		}
	}
	return sarifDriver{}, false
}

// rule lists the names of the rule that a result is of: its id, which may have parts of the rule
// behind it, and the id at the place that it gives. ok is false when it has none.
func (t sarifTool) rule(r sarifResult) (names []string, ok bool) {
	for _, id := range []string{r.RuleID, r.Rule.ID} {
		for id != "" && !slices.Contains(names, id) {
			names = append(names, id)
			id = id[:max(strings.LastIndexByte(id, '/'), 0)]
		}
	}
	in, there := t.component(r.Rule.Component)
	index := r.RuleIndex
	if index == nil {
		index = r.Rule.Index
	}
	if there && index != nil && *index >= 0 && *index < len(in.Rules) {
		if id := in.Rules[*index].ID; id != "" && !slices.Contains(names, id) {
			names = append(names, id)
		}
	}
	return names, len(names) > 0
}

func sarifOf(r sarifResult, tool sarifTool) (Result, bool) {
	names, ok := tool.rule(r)
	if !ok {
		return Result{}, false
	}
	one := Result{Check: names[0], Also: names[1:], Detail: string(r.Message.Text), Severity: r.Level}
	for _, l := range r.Locations {
		if one.Item = l.Physical.Artifact.URI; one.Item == "" && len(l.Logical) > 0 {
			one.Item = l.Logical[0].Name
		}
		if one.Item != "" {
			break
		}
	}
	switch strings.ToLower(r.Kind) {
	case "", "fail":
		one.Status = Failed
	case "pass":
		one.Status = Passed
	case "notapplicable", "informational":
		one.Status = Skipped
	default: // open, review
		one.Status = Undecided
	}
	// A result is suppressed when one of its suppressions is accepted and none is otherwise (§3.27.23).
	for i, suppression := range r.Suppressions {
		accepted := suppression.Status == "" || suppression.Status == "accepted"
		one.Muted = accepted && (i == 0 || one.Muted)
	}
	return one, true
}
