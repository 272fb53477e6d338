package scanner

import (
	"io"
	"strings"
	"time"
)

// Vulnerabilities is the check id of what a tool says of vulnerabilities, in mapping.yaml.
const Vulnerabilities = "vulnerabilities"

type trivyResult struct {
	Target          string `json:"Target"`
	Class           string `json:"Class"`
	Vulnerabilities []struct {
		VulnerabilityID  string    `json:"VulnerabilityID"`
		PkgName          lenient   `json:"PkgName"`
		InstalledVersion lenient   `json:"InstalledVersion"`
		FixedVersion     lenient   `json:"FixedVersion"`
		Severity         lenient   `json:"Severity"`
		PublishedDate    time.Time `json:"PublishedDate"`
	} `json:"Vulnerabilities"`
	Misconfigurations []struct {
		ID       lenient `json:"ID"`
		AVDID    lenient `json:"AVDID"`
		Title    lenient `json:"Title"`
		Severity lenient `json:"Severity"`
		Status   lenient `json:"Status"`
	} `json:"Misconfigurations"`
	Modified []struct { // what was suppressed, by .trivyignore or VEX
		Type    lenient `json:"Type"`
		Status  lenient `json:"Status"`
		Finding struct {
			VulnerabilityID lenient   `json:"VulnerabilityID"`
			PkgName         lenient   `json:"PkgName"`
			Severity        lenient   `json:"Severity"`
			PublishedDate   time.Time `json:"PublishedDate"`
		} `json:"Finding"`
	} `json:"ExperimentalModifiedFindings"`
}

// readTrivy reads the JSON of Trivy (--format json, schema version 2). Each target whose packages were
// looked through counts as one passed result beside its vulnerabilities: without any, nothing was looked at.
//
// Source: pkg/types/report.go and pkg/types/vulnerability.go of github.com/aquasecurity/trivy.
func readTrivy(source io.Reader, head *Head, each func(Result)) error {
	head.Tool = "Trivy"
	s := newStream(source)
	var artifact []string
	var held []Result // results may stand before the names of what they are of
	version := 0
	err := s.object(func(key string) error {
		switch key {
		case "SchemaVersion":
			return s.Decode(&version)
		case "CreatedAt":
			var at lenient
			if err := s.Decode(&at); err != nil {
				return err
			}
			// The zero time of Go is of versions that do not fill it.
			if t, noZone, err := moment(string(at)); err == nil && t.Year() >= 2000 {
				head.older(t)
				head.NoZone = noZone
			}
			return nil
		case "Trivy":
			var about struct {
				Version lenient `json:"Version"`
			}
			err := s.Decode(&about)
			head.Version = string(about.Version)
			return err
		case "ArtifactName":
			var name string
			err := s.Decode(&name)
			artifact = append(artifact, scopes(name)...)
			return err
		case "Metadata":
			var meta struct {
				RepoTags    []string `json:"RepoTags"`
				RepoDigests []string `json:"RepoDigests"`
			}
			err := s.Decode(&meta)
			artifact = append(append(artifact, meta.RepoTags...), meta.RepoDigests...)
			return err
		case "Results":
			return s.array(func() error {
				var r trivyResult
				if err := s.Decode(&r); err != nil {
					return err
				}
				held = append(held, trivyResults(r)...)
				return nil
			})
		}
		return s.skip()
	})
	if err == nil {
		err = s.end()
	}
	if err == nil && (version != 2 || len(artifact) == 0) {
		err = errShape
	}
	if err != nil {
		return err
	}
	for _, tag := range artifact { // an image without its tag or digest too
		if name, _, ok := strings.Cut(tag, "@"); ok {
			artifact = append(artifact, name)
		} else if i := strings.LastIndexByte(tag, ':'); i > strings.LastIndexByte(tag, '/') {
			artifact = append(artifact, tag[:i])
		}
	}
	for _, r := range held {
		r.Scopes = artifact
		each(r)
	}
	return nil
}

func trivyResults(r trivyResult) []Result {
	var out []Result
	if r.Class == "os-pkgs" || r.Class == "lang-pkgs" {
		out = append(out, Result{Check: Vulnerabilities, Item: r.Target, Status: Passed})
	}
	for _, v := range r.Vulnerabilities {
		out = append(out, Result{Check: Vulnerabilities, Vulnerability: true, Status: Failed, Severity: strings.ToLower(string(v.Severity)), Published: v.PublishedDate,
			Item: string(v.PkgName) + " " + string(v.InstalledVersion) + ": " + v.VulnerabilityID, Detail: fixed(string(v.FixedVersion))})
	}
	for _, m := range r.Modified {
		if m.Type == "vulnerability" {
			out = append(out, Result{Check: Vulnerabilities, Vulnerability: true, Status: Failed, Muted: true, Published: m.Finding.PublishedDate,
				Severity: strings.ToLower(string(m.Finding.Severity)), Item: string(m.Finding.PkgName) + ": " + string(m.Finding.VulnerabilityID), Detail: string(m.Status)})
		}
	}
	for _, m := range r.Misconfigurations {
		id := m.AVDID
		if id == "" {
			id = m.ID
		}
		one := Result{Check: string(id), Item: r.Target, Detail: string(m.Title), Severity: strings.ToLower(string(m.Severity))}
		switch m.Status {
		case "PASS":
			one.Status = Passed
		case "FAIL":
			one.Status = Failed
		case "EXCEPTION":
			one.Status, one.Muted = Failed, true
		default:
			one.Status = Undecided
		}
		out = append(out, one)
	}
	return out
}

func fixed(version string) string {
	if version == "" {
		return "no corrected version is known"
	}
	return "corrected in " + version
}
