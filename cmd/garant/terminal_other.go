//go:build !linux

package main

import "os"

// terminal reports whether a file is one, as far as its mode says.
func terminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// hide cannot stop this terminal from showing what is typed.
func hide(*os.File) (show func()) { return func() {} }
