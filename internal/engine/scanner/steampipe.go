package scanner

import (
	"io"
	"strings"
)

type steampipeControl struct {
	ControlID string  `json:"control_id"`
	Severity  lenient `json:"severity"`
	RunStatus lenient `json:"run_status"` // 4 or "complete"; 8 or "error"
	RunError  lenient `json:"run_error"`
	Results   []struct {
		Reason     lenient `json:"reason"`
		Resource   lenient `json:"resource"`
		Status     string  `json:"status"`
		Dimensions []struct {
			Key   string  `json:"key"`
			Value lenient `json:"value"`
		} `json:"dimensions"`
	} `json:"results"`
}

// readSteampipe reads the JSON of a benchmark run by Powerpipe or Steampipe (--output json): groups
// in groups, in which controls have results. It holds no time.
//
// Source: internal/controldisplay/templates/json/output.tmpl of github.com/turbot/powerpipe.
func readSteampipe(source io.Reader, head *Head, each func(Result)) error {
	head.Tool = "Powerpipe"
	s := newStream(source)
	if err := steampipeGroup(s, 0, each); err != nil {
		return err
	}
	return s.end()
}

const maxGroups = 64 // deep

func steampipeGroup(s stream, depth int, each func(Result)) error {
	if depth > maxGroups {
		return errShape
	}
	known := false
	err := s.object(func(key string) error {
		switch key {
		case "groups":
			known = true
			return s.array(func() error { return steampipeGroup(s, depth+1, each) })
		case "controls":
			known = true
			return s.array(func() error {
				var c steampipeControl
				if err := s.Decode(&c); err != nil {
					return err
				}
				if c.ControlID == "" {
					return errShape
				}
				steampipeResults(c, each)
				return nil
			})
		}
		return s.skip()
	})
	if err == nil && !known {
		err = errShape
	}
	return err
}

func steampipeResults(c steampipeControl, each func(Result)) {
	// aws_compliance.control.ebs_volume_encryption_at_rest_enabled: the name alone is mapped.
	name := c.ControlID[strings.LastIndexByte(c.ControlID, '.')+1:]
	if c.RunError != "" || c.RunStatus == "8" || c.RunStatus == "error" {
		each(Result{Check: name, Item: c.ControlID, Status: Undecided, Detail: string(c.RunError)})
	}
	for _, row := range c.Results {
		r := Result{Check: name, Item: string(row.Resource), Detail: string(row.Reason), Severity: strings.ToLower(string(c.Severity))}
		account, region := "", ""
		for _, d := range row.Dimensions {
			switch d.Key {
			case "account_id", "subscription", "subscription_id", "project", "project_id", "tenancy", "connection_name", "_ctx":
				if account == "" {
					account = string(d.Value)
				}
			case "region", "location":
				region = string(d.Value)
			}
		}
		r.Scopes = accountScopes(account, region)
		switch row.Status {
		case "ok":
			r.Status = Passed
		case "alarm":
			r.Status = Failed
		case "skip":
			r.Status = Skipped
		default: // error, info, invalid
			r.Status = Undecided
		}
		each(r)
	}
}
