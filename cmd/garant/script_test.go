package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/garant-project/garant/internal/app"
	"github.com/garant-project/garant/internal/demo"
	"github.com/garant-project/garant/internal/estate"
)

func TestMain(m *testing.M) {
	asked()
	if os.Getenv(asProgram) != "" {
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
	}
	if err := os.Setenv(demo.PortsVariable, "free"); err != nil { // tests of other packages run beside these
		panic(err)
	}
	testscript.Main(m, map[string]func(){"garant": func() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }})
}

// TestScripts runs the program as people type it. Each file of testdata is a story.
func TestScripts(t *testing.T) {
	commands := worlds(t)
	// await runs a command until it succeeds, for as long as a slow machine may need.
	commands["await"] = func(ts *testscript.TestScript, _ bool, args []string) {
		var err error
		for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
			if err = ts.Exec(args[0], args[1:]...); err == nil {
				return
			}
		}
		ts.Fatalf("never: %v: %v", args, err)
	}
	// keep keeps the database of a data directory running until the script ends, as a server beside the commands does.
	// Without it each command starts and stops the database, as the first of each script does.
	commands["keep"] = func(ts *testscript.TestScript, _ bool, args []string) {
		ctx := context.Background()
		store, err := app.OpenStore(ctx, app.Options{DataDir: ts.MkAbs(args[0]), Build: build(), Now: time.Now, Log: slog.New(slog.DiscardHandler)}, estate.DefaultServer())
		ts.Check(err)
		ts.Defer(func() { store.Close(ctx) })
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			for dir := env.WorkDir; len(dir) > len(os.TempDir()); dir = filepath.Dir(dir) {
				if err := os.Chmod(dir, 0o711); err != nil { // PostgreSQL's account passes through
					return err
				}
			}
			env.Setenv(demo.PortsVariable, "free")
			env.Setenv("GARANT_DATA", filepath.Join(env.WorkDir, "data"))
			return nil
		},
		Cmds:                commands,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}
