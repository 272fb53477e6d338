package scanner

import (
	_ "embed"

	"go.yaml.in/yaml/v3"

	"github.com/garant-project/garant/internal/estate"
)

//go:embed mapping.yaml
var mappingSource []byte

// mapping is measure → format → ids of checks.
type mapping map[string]map[string][]string

func loadMapping() (mapping, error) {
	var m mapping
	err := yaml.Unmarshal(mappingSource, &m)
	return m, err
}

// of lists the checks that are evidence for a measure in an import.
func (m mapping) of(i estate.Import, measure string) map[string]bool {
	ids := map[string]bool{}
	for _, id := range m[measure][i.Format] {
		ids[id] = true
	}
	for _, id := range i.Mapping[measure] {
		ids[id] = true
	}
	return ids
}
