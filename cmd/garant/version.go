package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is set by the linker.
var version string

// build names this program, as evidence names it.
func build() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "development"
}

type versionCmd struct {
	JSON bool `help:"Print JSON."`
}

func (v *versionCmd) Run(con console) error {
	if v.JSON {
		return json.NewEncoder(con.out).Encode(map[string]string{"version": build(), "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH})
	}
	_, err := fmt.Fprintf(con.out, "garant %s (%s, %s/%s)\n", build(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
