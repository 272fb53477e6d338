package secondaccount

import (
	"testing"
)

func TestTry(t *testing.T) {
	a, err := Open(t.Context(), Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	t.Log(a.Endpoint(), a.sidecar, a.lastWords())
}
