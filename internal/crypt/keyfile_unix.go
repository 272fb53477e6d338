//go:build unix

package crypt

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/garant-project/garant/internal/errs"
)

// private refuses a key file that another account could read or has given to us.
func private(info fs.FileInfo) error {
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return errs.New(errs.Unavailable, "crypt.key_file_mode", fmt.Sprintf("The key file is open to other accounts (mode %04o).", mode)).
			WithFix("Run chmod 600 on it, and find out who could read it meanwhile.")
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); !ok || int(stat.Uid) != os.Geteuid() {
		return errs.New(errs.Unavailable, "crypt.key_file_owner", "The key file belongs to another account than the one that runs Garant.").
			WithFix("Start Garant as the account that owns it, or run chown on the file.")
	}
	return nil
}
