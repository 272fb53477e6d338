package scanner

import (
	"cmp"
	"io"
	"strings"
	"time"
)

// Vulnerabilities is the check id of what a tool says of vulnerabilities, in mapping.yaml.
const Vulnerabilities = "vulnerabilities"

type trivyVulnerability struct {
	VulnerabilityID  string    `json:"VulnerabilityID"`
	PkgName          lenient   `json:"PkgName"`
	InstalledVersion lenient   `json:"InstalledVersion"`
	FixedVersion     lenient   `json:"FixedVersion"`
	Severity         lenient   `json:"Severity"`
	PublishedDate    time.Time `json:"PublishedDate"`
}

type trivyMisconfiguration struct {
	ID       lenient `json:"ID"`
	AVDID    lenient `json:"AVDID"`
	Title    lenient `json:"Title"`
	Severity lenient `json:"Severity"`
	Status   lenient `json:"Status"`
}

// trivyModified is what was suppressed, by .trivyignore or VEX.
type trivyModified struct {
	Type    lenient            `json:"Type"`
	Status  lenient            `json:"Status"`
	Finding trivyVulnerability `json:"Finding"`
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
				results, err := trivyTarget(s)
				if held = append(held, results...); err == nil && len(held) > maxHeld {
					err = errShape
				}
				return err
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

// trivyTarget reads one of the Results. Its name and class may stand behind what was found.
func trivyTarget(s stream) ([]Result, error) {
	var target, class string
	var out []Result
	keep := func(r Result) error {
		if out = append(out, r); len(out) > maxHeld {
			return errShape
		}
		return nil
	}
	var misconfigured []int // of out
	err := s.object(func(key string) error {
		switch key {
		case "Target":
			return s.Decode(&target)
		case "Class":
			return s.Decode(&class)
		case "Vulnerabilities":
			return s.array(func() error {
				var v trivyVulnerability
				if err := s.Decode(&v); err != nil {
					return err
				}
				return keep(v.result())
			})
		case "ExperimentalModifiedFindings":
			return s.array(func() error {
				var m trivyModified
				if err := s.Decode(&m); err != nil || m.Type != "vulnerability" {
					return err
				}
				r := m.Finding.result()
				r.Muted, r.Detail = true, string(m.Status)
				return keep(r)
			})
		case "Misconfigurations":
			return s.array(func() error {
				var m trivyMisconfiguration
				if err := s.Decode(&m); err != nil {
					return err
				}
				misconfigured = append(misconfigured, len(out))
				return keep(m.result())
			})
		}
		return s.skip()
	})
	if class == "os-pkgs" || class == "lang-pkgs" {
		out = append(out, Result{Check: Vulnerabilities, Item: target, Status: Passed})
	}
	for _, i := range misconfigured {
		if i < len(out) {
			out[i].Item = target
		}
	}
	return out, err
}

func (v trivyVulnerability) result() Result {
	return Result{Check: Vulnerabilities, Vulnerability: true, Status: Failed, Severity: strings.ToLower(string(v.Severity)), Published: v.PublishedDate,
		Item: strings.TrimSpace(string(v.PkgName)+" "+string(v.InstalledVersion)) + ": " + v.VulnerabilityID, Detail: fixed(string(v.FixedVersion))}
}

func (m trivyMisconfiguration) result() Result {
	one := Result{Check: string(cmp.Or(m.AVDID, m.ID)), Detail: string(m.Title), Severity: strings.ToLower(string(m.Severity))}
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
	return one
}

func fixed(version string) string {
	if version == "" {
		return "no corrected version is known"
	}
	return "corrected in " + version
}
