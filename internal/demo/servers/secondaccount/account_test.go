package secondaccount

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/garant-project/garant/internal/demo/servers"
	"github.com/garant-project/garant/internal/errs"
)

func open(t *testing.T, config Config) *Account {
	t.Helper()
	if config.Dir == "" {
		config.Dir = t.TempDir()
	}
	a, err := Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

func put(ctx context.Context, a *Account, c Credentials, key, data string) error {
	_, err := a.Client(c).PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(a.Bucket()), Key: &key, Body: strings.NewReader(data),
		ObjectLockMode: types.ObjectLockModeCompliance, ObjectLockRetainUntilDate: aws.Time(time.Now().Add(time.Hour))})
	return err
}

func get(ctx context.Context, a *Account, c Credentials, key string) (string, error) {
	out, err := a.Client(c).GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(a.Bucket()), Key: &key})
	if err != nil {
		return "", err
	}
	defer out.Body.Close()
	b, err := io.ReadAll(out.Body)
	return string(b), err
}

func denied(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && api.ErrorCode() == "AccessDenied"
}

func TestAccount(t *testing.T) {
	ca, err := servers.NewCA("Example Trust", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for name, config := range map[string]Config{"plain": {}, "TLS": {CA: ca}} {
		t.Run(name, func(t *testing.T) {
			config.Dir = t.TempDir()
			a := open(t, config)
			ctx := t.Context()
			if err := put(ctx, a, a.Writer(), "a/1", "one"); err != nil {
				t.Fatal(err)
			}
			if got, err := get(ctx, a, a.Verifier(), "a/1"); err != nil || got != "one" {
				t.Fatal(got, err)
			}
			bucket, key := aws.String(a.Bucket()), aws.String("a/1")
			writer, verifier := a.Client(a.Writer()), a.Client(a.Verifier())
			for what, do := range map[string]func() error{
				"the writer reads": func() error { _, err := get(ctx, a, a.Writer(), "a/1"); return err },
				"the writer lists": func() error { _, err := writer.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: bucket}); return err },
				"the writer lists versions": func() error {
					_, err := writer.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: bucket})
					return err
				},
				"the writer deletes": func() error {
					_, err := writer.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: key})
					return err
				},
				"the writer sets a policy": func() error {
					_, err := writer.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: bucket, Policy: aws.String(a.policy(a.Bucket()))})
					return err
				},
				"the writer makes a bucket": func() error {
					_, err := writer.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("own")})
					return err
				},
				"the verifier writes": func() error { return put(ctx, a, a.Verifier(), "a/2", "two") },
				"the verifier deletes": func() error {
					_, err := verifier.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: key})
					return err
				},
				"the verifier lengthens": func() error {
					_, err := verifier.PutObjectRetention(ctx, &s3.PutObjectRetentionInput{Bucket: bucket, Key: key, Retention: &types.ObjectLockRetention{Mode: types.ObjectLockRetentionModeCompliance, RetainUntilDate: aws.Time(time.Now().Add(2 * time.Hour))}})
					return err
				},
			} {
				if err := do(); !denied(err) {
					t.Errorf("%s: %v", what, err)
				}
			}
			// Secrets are in files of one user, and nobody finds them in the list of processes.
			line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", a.running.handle.Pid))
			for _, c := range []Credentials{a.Root(), a.Writer(), a.Verifier()} {
				if bytes.Contains(line, []byte(c.SecretKey)) || strings.Contains(fmt.Sprintf("%v %+v %#v", c, c, c), c.SecretKey) {
					t.Error("a secret is shown")
				}
			}
			if st, errStat := os.Stat(a.path("credentials.json")); err != nil || errStat != nil || st.Mode().Perm() != 0o600 {
				t.Error(err, errStat, st)
			}

			// Another process cannot open it; after it was closed, it is the same account.
			if _, err := Open(ctx, config); !errs.Is(err, errs.Conflict) {
				t.Fatalf("opened twice: %v", err)
			}
			a.Close()
			b := open(t, config)
			if b.Endpoint() != a.Endpoint() || b.Writer() != a.Writer() || b.Root() != a.Root() || b.Verifier() != a.Verifier() {
				t.Fatal("another account after it was opened again")
			}
			if got, err := get(ctx, b, b.Verifier(), "a/1"); err != nil || got != "one" {
				t.Fatal(got, err)
			}
		})
	}
}

func TestFaults(t *testing.T) {
	a := open(t, Config{})
	ctx := t.Context()
	if err := put(ctx, a, a.Writer(), "a/1", "one"); err != nil {
		t.Fatal(err)
	}
	within := func() error {
		ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
		defer cancel()
		_, err := get(ctx, a, a.Verifier(), "a/1")
		return err
	}
	for fault, want := range map[string]error{FaultDown: syscall.ECONNREFUSED, FaultHang: context.DeadlineExceeded} {
		if err := a.Break(fault); err != nil || a.Fault() != fault {
			t.Fatal(fault, err)
		}
		if err := within(); !errors.Is(err, want) {
			t.Errorf("%s: %v; want %v", fault, err, want)
		}
		if err := a.Mend(); err != nil || a.Fault() != "" {
			t.Fatal(fault, err)
		}
		if err := within(); err != nil {
			t.Errorf("%s, mended: %v", fault, err)
		}
	}
	if err := a.Break("on fire"); !errs.Is(err, errs.Invalid) {
		t.Fatal(err)
	}
	a.Kill()
	if a.Running() {
		t.Fatal("it runs after it was killed")
	}
	if err := a.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := within(); err != nil {
		t.Fatal(err)
	}
	if err := a.Break(FaultHang); err != nil {
		t.Fatal(err)
	}
	pid := a.running.handle.Pid
	a.Close() // halted as it is
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Fatalf("the server is left: %v", err)
	}
}

// A port that somebody has is an error that names what the server said, not an account of somebody else's.
func TestPortTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = Open(t.Context(), Config{Dir: t.TempDir(), Port: l.Addr().(*net.TCPAddr).Port})
	if !errs.Is(err, errs.Unavailable) {
		t.Fatal(err)
	}
	t.Log(err)
}

func TestOwnUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("changing accounts needs root")
	}
	const nobody = 65534
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o711); err != nil {
		t.Fatal(err)
	}
	a := open(t, Config{Dir: dir, UID: nobody, GID: nobody})
	if err := put(t.Context(), a, a.Writer(), "a/1", "one"); err != nil {
		t.Fatal(err)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", a.running.handle.Pid))
	if err != nil || !strings.Contains(string(status), "\nUid:\t65534\t65534\t65534\t65534\n") || !strings.Contains(string(status), "\nGroups:\t \n") {
		t.Fatalf("%s %v", status, err)
	}
	st, err := os.Stat(a.path("objects/" + a.Bucket() + "/a/1"))
	if err != nil || st.Sys().(*syscall.Stat_t).Uid != nobody {
		t.Fatal(st, err)
	}
}

// The server ends with the process that started it, also when that is killed.
func TestDiesWithStarter(t *testing.T) {
	if dir := os.Getenv("GARANT_TEST_STARTER"); dir != "" {
		a := open(t, Config{Dir: dir})
		fmt.Printf("pid %d\n", a.running.handle.Pid)
		time.Sleep(time.Minute)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestDiesWithStarter$", "-test.v")
	cmd.Env = append(os.Environ(), "GARANT_TEST_STARTER="+t.TempDir())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid, said := 0, ""
	for buf := make([]byte, 1000); pid == 0; {
		n, err := out.Read(buf)
		if err != nil {
			t.Fatalf("it did not start: %s %v", said, err)
		}
		said += string(buf[:n])
		if _, after, ok := strings.Cut(said, "pid "); ok && strings.Contains(after, "\n") {
			if pid, err = strconv.Atoi(strings.Fields(after)[0]); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := syscall.Kill(pid, 0); err != nil {
		t.Fatal("the server does not run:", err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	for range 100 {
		state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(state), ") Z ") {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	syscall.Kill(pid, syscall.SIGKILL)
	t.Fatal("the server outlives the one that started it")
}

func TestFind(t *testing.T) {
	found, err := Find()
	if err != nil || !filepath.IsAbs(found) {
		t.Fatal(found, err)
	}
	t.Setenv(Variable, found)
	if again, err := Find(); err != nil || again != found {
		t.Fatal(again, err)
	}
	missing := func(what string) {
		t.Helper()
		if _, err := Find(); !errs.Is(err, errs.NotFound) {
			t.Fatalf("%s: %v", what, err)
		} else if _, fix := errs.Sentence(err); !strings.Contains(fix, "scripts/need versitygw") {
			t.Fatalf("%s: %q does not say what to run", what, fix)
		}
	}
	t.Setenv(Variable, "/nowhere/versitygw")
	missing("a wrong name")
	t.Setenv(Variable, t.TempDir())
	missing("a directory")
	t.Setenv(Variable, "")
	t.Setenv("HOME", t.TempDir())
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("PATH", t.TempDir())
	missing("nothing anywhere")
	t.Setenv("HOME", "")
	missing("no home")
}
