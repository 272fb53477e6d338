package scanner

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"
)

// readProwler reads what Prowler writes with -M json-ocsf (versions 4 and later: an array of OCSF
// Detection Findings), -M json (version 3) or -M csv (any of them; separated by semicolons).
//
// Sources: prowler/lib/outputs/ocsf/ocsf.py and prowler/lib/outputs/csv/csv.py of
// github.com/prowler-cloud/prowler; https://schema.ocsf.io/classes/detection_finding.
func readProwler(source io.Reader, head *Head, each func(Result)) error {
	head.Tool = "Prowler"
	buffered := bufio.NewReader(source)
	for {
		b, err := buffered.Peek(1)
		if err != nil {
			return errShape
		}
		if b[0] == '[' {
			return prowlerJSON(buffered, head, each)
		}
		if !strings.ContainsRune(" \t\r\n\ufeff", rune(b[0])) && b[0] < 0x80 {
			return prowlerCSV(buffered, head, each)
		}
		_, _ = buffered.ReadByte()
	}
}

// prowlerFinding is an OCSF Detection Finding as Prowler fills it.
type prowlerFinding struct {
	Metadata struct {
		EventCode string `json:"event_code"`
		Product   struct {
			Version lenient `json:"version"`
		} `json:"product"`
	} `json:"metadata"`
	StatusCode string      `json:"status_code"`
	State      string      `json:"status"` // "New", "Suppressed"
	StateID    json.Number `json:"status_id"`
	Message    lenient     `json:"message"`
	Severity   lenient     `json:"severity"`
	Time       json.Number `json:"time"`
	TimeText   lenient     `json:"time_dt"`
	Cloud      struct {
		Account struct {
			UID lenient `json:"uid"`
		} `json:"account"`
		Region lenient `json:"region"`
	} `json:"cloud"`
	Resources []struct {
		UID       lenient `json:"uid"`
		Name      lenient `json:"name"`
		Region    lenient `json:"region"`
		Namespace lenient `json:"namespace"`
	} `json:"resources"`
}

func prowlerJSON(source io.Reader, head *Head, each func(Result)) error {
	s := newStream(source)
	err := s.array(func() error {
		var raw json.RawMessage
		if err := s.Decode(&raw); err != nil {
			return err
		}
		var keys map[string]json.RawMessage
		if json.Unmarshal(raw, &keys) != nil {
			return errShape
		}
		if keys["CheckID"] != nil {
			return prowler3(keys, head, each)
		}
		var f prowlerFinding
		if err := json.Unmarshal(raw, &f); err != nil {
			return errShape
		}
		if f.Metadata.EventCode == "" || f.StatusCode == "" {
			return errShape
		}
		head.Version = string(f.Metadata.Product.Version)
		if n, err := f.Time.Int64(); err == nil && n > 0 {
			head.older(unix(n))
		} else if t, noZone, err := moment(string(f.TimeText)); err == nil {
			head.older(t)
			head.NoZone = head.NoZone || noZone
		}
		r := Result{Check: f.Metadata.EventCode, Detail: string(f.Message), Severity: strings.ToLower(string(f.Severity)),
			Muted: f.State == "Suppressed" || f.StateID == "3"}
		account, region := string(f.Cloud.Account.UID), string(f.Cloud.Region)
		if len(f.Resources) > 0 {
			first := f.Resources[0]
			r.Item = string(first.UID)
			if region == "" {
				region = string(first.Region) + string(first.Namespace)
			}
		}
		r.Scopes = accountScopes(account, region)
		r.Status, r.Muted = prowlerStatus(f.StatusCode, r.Muted)
		each(r)
		return nil
	})
	if err != nil {
		return err
	}
	return s.end()
}

func prowler3(keys map[string]json.RawMessage, head *Head, each func(Result)) error {
	text := func(key string) string {
		var l lenient
		_ = json.Unmarshal(keys[key], &l) // "" is judged below
		return string(l)
	}
	if t, noZone, err := moment(text("AssessmentStartTime")); err == nil {
		head.older(t)
		head.NoZone = head.NoZone || noZone
	}
	r := Result{Check: text("CheckID"), Detail: text("StatusExtended"), Severity: strings.ToLower(text("Severity")),
		Item: text("ResourceArn"), Scopes: accountScopes(text("AccountId"), text("Region"))}
	if r.Item == "" {
		r.Item = text("ResourceId")
	}
	if r.Check == "" || text("Status") == "" {
		return errShape
	}
	r.Status, r.Muted = prowlerStatus(text("Status"), false)
	each(r)
	return nil
}

func accountScopes(account, region string) []string {
	if account == "" || region == "" {
		return scopes(account, region)
	}
	return []string{account, account + "/" + region}
}

func prowlerStatus(s string, muted bool) (Status, bool) {
	switch strings.ToUpper(strings.TrimSpace(s)) {
	case "PASS":
		return Passed, muted
	case "FAIL":
		return Failed, muted
	case "MUTED", "WARNING": // of version 3: a failure that is on the allow list
		return Failed, true
	}
	return Undecided, muted // MANUAL, INFO, and whatever comes
}

// prowlerCSV reads columns by their names, which differ in case over the versions.
func prowlerCSV(source io.Reader, head *Head, each func(Result)) error {
	r := csv.NewReader(source)
	r.Comma, r.LazyQuotes, r.ReuseRecord = ';', true, true
	header, err := r.Read()
	if err != nil {
		return errShape
	}
	column := map[string]int{}
	for i, name := range header {
		column[strings.ToUpper(strings.TrimSpace(strings.TrimPrefix(name, "\ufeff")))] = i
	}
	_, id := column["CHECK_ID"]
	_, status := column["STATUS"]
	if !id || !status {
		return errShape
	}
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return errShape
		}
		value := func(names ...string) string {
			for _, name := range names {
				if i, ok := column[name]; ok && record[i] != "" {
					return strings.Clone(record[i])
				}
			}
			return ""
		}
		var t time.Time
		noZone := false
		if t, noZone, err = moment(value("TIMESTAMP", "ASSESSMENT_START_TIME")); err == nil {
			head.older(t)
			head.NoZone = head.NoZone || noZone
		}
		head.Version = value("PROWLER_VERSION")
		out := Result{Check: value("CHECK_ID"), Detail: value("STATUS_EXTENDED"), Severity: strings.ToLower(value("SEVERITY")),
			Item: value("RESOURCE_UID", "RESOURCE_ARN", "RESOURCE_ID"), Scopes: accountScopes(value("ACCOUNT_UID", "ACCOUNT_ID"), value("REGION"))}
		if out.Check == "" {
			return errShape
		}
		out.Status, out.Muted = prowlerStatus(value("STATUS"), strings.EqualFold(value("MUTED"), "true"))
		each(out)
	}
}
