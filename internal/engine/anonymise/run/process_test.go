package run

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/engine/anonymise/plan"
	"github.com/garant-project/garant/internal/pg/cluster"
)

// asProcess is the variable that makes a process of this binary a run.
const asProcess = "GARANT_TEST_RUN"

// order is what such a process is to do.
type order struct {
	Source, Target, Name, BinDir, Plan string
}

// process makes and publishes a copy. At each stage it says so, and waits to be told to go on.
func process() int {
	in := bufio.NewReader(os.Stdin)
	var o order
	line, err := in.ReadString('\n')
	if err == nil {
		err = json.Unmarshal([]byte(line), &o)
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	p, err := plan.Load("plan", []byte(o.Plan))
	if err != nil {
		fmt.Println(err)
		return 1
	}
	last := Stage("")
	at := func(s Stage) {
		if s != last {
			last = s
			fmt.Println(s)
			if _, err := in.ReadString('\n'); err != nil {
				os.Exit(1)
			}
		}
	}
	r, err := Copy(context.Background(), Options{Source: o.Source, Target: o.Target, Name: o.Name, BinDir: o.BinDir, Plan: &p, Workers: 1, Developers: []string{"dev"}, Say: func(p Progress) { at(p.Stage) }})
	if err != nil || !r.Passed() {
		fmt.Println(err, r.Problems)
		return 1
	}
	at("publish")
	if _, err := Publish(context.Background(), PublishOptions{Target: o.Target, Report: r, Developers: []string{"dev"}}); err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("published")
	return 0
}

// started is a process that has come to a stage, and waits there.
func (w *world) started(until Stage) (cmd *exec.Cmd, stdin io.Writer, said *bufio.Scanner) {
	w.t.Helper()
	self, err := os.Executable()
	w.must(err)
	o := w.options()
	line, err := json.Marshal(order{o.Source, o.Target, o.Name, o.BinDir, string(o.Plan.Write())})
	w.must(err)
	cmd = exec.Command(self) //nolint:gosec,noctx // this binary; it is killed
	cmd.Env = append(os.Environ(), asProcess+"=1")
	cmd.Stderr = os.Stderr
	stdin, err = cmd.StdinPipe()
	w.must(err)
	out, err := cmd.StdoutPipe()
	w.must(err)
	w.must(cmd.Start())
	_, err = fmt.Fprintf(stdin, "%s\n", line)
	w.must(err)
	said = bufio.NewScanner(out)
	for said.Scan() {
		if said.Text() == string(until) {
			return cmd, stdin, said
		}
		if !strings.Contains("schema set copy after proof publish", said.Text()) { //nolint:gocritic // one of these words
			w.t.Fatalf("the process says %q", said.Text())
		}
		_, _ = fmt.Fprintln(stdin)
	}
	w.t.Fatalf("the process ended before %s", until)
	return nil, nil, nil
}

// TestProcessKilled kills the whole process in the middle of each stage, while it waits there for a table: what is served stays, what is left is not served, is told from a living run's and is
// cleaned, and no program of PostgreSQL goes on.
func TestProcessKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	w := newWorld(t, 12)
	first := w.published()
	target := developers.DSN("copier", "postgres")
	busy := func(c *cluster.Cluster) (n int) {
		conn, err := pgx.Connect(context.Background(), c.DSN(cluster.SuperUser, "postgres"))
		w.must(err)
		defer func() { _ = conn.Close(context.Background()) }()
		w.must(conn.QueryRow(context.Background(), `SELECT count(*) FROM pg_stat_activity WHERE application_name = $1`, application).Scan(&n))
		return n
	}
	for _, stage := range []Stage{StageSchema, StageSet, StageCopy, StageAfter, StageProof, "publish"} {
		t.Run(string(stage), func(t *testing.T) {
			w.t = t
			cmd, stdin, _ := w.started(stage)
			killed := false
			kill := func() {
				killed = true
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
			}
			defer func() {
				if !killed {
					kill()
				}
			}()
			switch stage {
			case StageAfter, StageProof:
				database := w.staged()
				release := w.hold(developers.DSN(cluster.SuperUser, database), "shop.customer")
				defer release()
				_, _ = fmt.Fprintln(stdin)
				w.whenWaiting(developers.DSN(cluster.SuperUser, "postgres"), database, kill)
			case "publish": // it cannot send a superuser away, and tries for five seconds
				conn, err := pgx.Connect(t.Context(), developers.DSN(cluster.SuperUser, w.name))
				w.must(err)
				_, _ = fmt.Fprintln(stdin)
				time.Sleep(300 * time.Millisecond)
				kill()
				_ = conn.Close(context.Background())
			default:
				release := w.hold(production.DSN(cluster.SuperUser, w.database), "shop.customer")
				defer release()
				_, _ = fmt.Fprintln(stdin)
				w.whenWaiting(production.DSN(cluster.SuperUser, "postgres"), w.database, kill)
			}
			if !killed {
				t.Fatal("the process was not where it should be killed")
			}
			for i := 0; busy(production)+busy(developers) > 0; i++ { // a server notices when it next looks at the connection: while it waits for a lock, it does not
				if i == 400 {
					t.Fatalf("%d connections at the source and %d at the target outlive the run", busy(production), busy(developers))
				}
				if i == 8 {
					w.cut(production, "")
					w.cut(developers, "")
				}
				time.Sleep(25 * time.Millisecond)
			}
			have, err := List(t.Context(), target, w.name)
			w.must(err)
			if stage != StageSchema && (len(have) != 2 || have[1].State != Dead) || have[0].Run != first.Run || have[0].State != Served {
				t.Errorf("the target has %+v", have)
			}
			if got := ask[int64](w, `SELECT count(*) FROM shop.customer`); got != 12 {
				t.Errorf("the copy that is served has %d customers", got)
			}
			if _, err := pgx.Connect(t.Context(), developers.DSN("dev", have[len(have)-1].Database)); len(have) > 1 && err == nil {
				t.Error("a developer gets into what was left behind")
			}
		})
		w.t = t
		gone, err := Clean(t.Context(), target, w.name)
		w.must(err)
		if stage != StageSchema && len(gone) != 1 {
			t.Errorf("%s: cleaned %+v", stage, gone)
		}
		w.only(w.name)
	}
	// The same process, left alone, publishes.
	cmd, stdin, said := w.started("publish")
	_, _ = fmt.Fprintln(stdin)
	if !said.Scan() || said.Text() != "published" {
		t.Errorf("the process says %q", said.Text())
	}
	w.must(cmd.Wait())
	w.only(w.name, w.name+"_previous")
}
