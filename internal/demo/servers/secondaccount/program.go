package secondaccount

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/garant-project/garant/internal/errs"
)

// Variable in the environment names the program, before any other place.
const Variable = "GARANT_VERSITYGW"

// Find returns where versitygw stands: what [Variable] names, what scripts/need versitygw built, or what is on the PATH.
// Errors: errs.NotFound.
func Find() (string, error) {
	if named := os.Getenv(Variable); named != "" {
		if !executable(named) {
			return "", missing("The program that " + Variable + " names cannot be executed.")
		}
		return filepath.Abs(named)
	}
	if cache, err := os.UserCacheDir(); err == nil {
		// The link is resolved, so that a build of a newer version does not change what runs.
		if built, err := filepath.EvalSymlinks(filepath.Join(cache, "garant", "bin", "versitygw")); err == nil && executable(built) {
			return built, nil
		}
	}
	found, err := exec.LookPath("versitygw")
	if err != nil && !errors.Is(err, exec.ErrDot) || found == "" {
		return "", missing("The program versitygw, which is the second account here, is missing.")
	}
	return filepath.Abs(found)
}

func executable(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0
}

func missing(text string) error {
	return errs.New(errs.NotFound, "secondaccount.program", text).
		WithFix("Run scripts/need versitygw in Garant’s source, or set " + Variable + " to the program.")
}

func cannot(what string, err error) error {
	return errs.New(errs.Unavailable, "secondaccount.cannot", "The example’s second account could not "+what+".").
		WithFix("Read the log beside its data.").Wrap(err)
}
