//go:build !unix

package crypt

import (
	"io/fs"

	"github.com/garant-project/garant/internal/errs"
)

// private cannot tell here whether the file is closed to others, and what cannot be told is refused.
func private(fs.FileInfo) error {
	return errs.New(errs.Unavailable, "crypt.key_file_system", "Key files are supported on Unix systems only.").
		WithFix("Run Garant on Linux, or use another key provider.")
}
