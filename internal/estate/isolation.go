package estate

import (
	"bytes"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"
)

// outline is what an estate has to know of isolation.yaml: enough to tell when it promises less.
// The whole is read by package manifest of engine tenancy.
type outline struct {
	Isolation int      `yaml:"isolation"`
	Database  string   `yaml:"database"`
	App       []string `yaml:"app"`
	Around    []struct {
		Role string `yaml:"role"`
		Kind string `yaml:"kind"`
	} `yaml:"around"`
	Tables map[string]struct {
		Class  string `yaml:"class"`
		Column string `yaml:"column"`
	} `yaml:"tables"`
}

func readOutline(content []byte) (outline, error) {
	var o outline
	err := yaml.NewDecoder(bytes.NewReader(content)).Decode(&o)
	return o, err
}

// counted is the outline in a few words.
func (o outline) counted() string {
	n := map[string]int{}
	for _, t := range o.Tables {
		n[t.Class]++
	}
	return fmt.Sprintf("%d of tenants, %d shared, %d private; ways around: %d", n["tenant"], n["shared"], n["private"], len(o.Around))
}

// narrower reports whether the next outline promises less: a table of tenants that is none any more
// or is told by another column, a way around that was not declared, a role of the application that need not enter
// with a token any more, a table that became readable for all.
func (o outline) narrower(next outline) bool {
	for name, was := range o.Tables {
		now, ok := next.Tables[name]
		switch {
		case was.Class == "tenant" && (!ok || now.Class == "shared" || now.Class == "tenant" && now.Column != was.Column),
			was.Class == "private" && ok && now.Class == "shared":
			return true
		}
	}
	for _, path := range next.Around {
		if !slices.Contains(o.Around, path) {
			return true
		}
	}
	return slices.ContainsFunc(o.App, func(role string) bool { return !slices.Contains(next.App, role) })
}

// manifest reads the file that classifies the tables of a database, far enough to compare it.
func (p *parser) manifest(n *yaml.Node, key, database string) []byte {
	return p.attached(n, key, "The manifest stands in a file.", "Write file:isolation.yaml, as garant isolation plan wrote it.", func(content []byte) (text, fix string) {
		o, err := readOutline(content)
		switch {
		case err != nil || o.Isolation != 1 || len(o.Tables) == 0:
			return "The file is not a manifest of isolation.", "Let garant isolation plan write it; garant isolation verify says what is wrong in it."
		case database != "" && o.Database != database:
			return "The manifest is of the database " + quote(o.Database) + ", this is " + quote(database) + ".", "Name the manifest of this database."
		}
		return "", ""
	})
}

// shownManifest is the manifest in a few words; empty: there is none.
func shownManifest(t *Tenancy) string {
	if t.Manifest == nil {
		return ""
	}
	o, err := readOutline(t.Manifest)
	if err != nil {
		return "unreadable"
	}
	return o.counted()
}

// manifestNarrowed reports whether what is to be held apart became less.
func manifestNarrowed(x, now *Tenancy) bool {
	if x.Manifest == nil || bytes.Equal(x.Manifest, now.Manifest) {
		return false
	}
	was, err := readOutline(x.Manifest)
	if err != nil {
		return false // nothing was promised
	}
	next, err := readOutline(now.Manifest)
	return err != nil || was.narrower(next)
}
