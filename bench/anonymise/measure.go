package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/pg/cluster"
)

// tick is the unit of /proc/PID/stat (USER_HZ).
const tick = 10 * time.Millisecond

// computed is what a cluster's processes have computed for since it started: the postmaster, its children, and those that it has waited for.
func computed(c *cluster.Cluster) (total time.Duration) {
	postmaster := strconv.Itoa(c.Status().PID)
	children, _ := os.ReadFile("/proc/" + postmaster + "/task/" + postmaster + "/children")
	for i, pid := range append([]string{postmaster}, strings.Fields(string(children))...) {
		b, err := os.ReadFile("/proc/" + pid + "/stat")
		if err != nil {
			continue // ended meanwhile
		}
		// "pid (name) state ppid …": the name may hold spaces and brackets.
		fields := strings.Fields(string(b[max(0, strings.LastIndexByte(string(b), ')')):]))
		last := 14
		if i == 0 {
			last = 16 // with the children that are gone
		}
		if len(fields) < last {
			continue
		}
		for _, f := range fields[12:last] {
			n, _ := strconv.ParseInt(f, 10, 64)
			total += time.Duration(n) * tick
		}
	}
	return total
}

// figures are what one run of an arm took.
type figures struct {
	wall, client, server time.Duration
	done
}

func (f *figures) processor() time.Duration { return f.client + f.server }

// measure runs an arm once.
func (s *stand) measure(ctx context.Context, arm string) (*figures, error) {
	admin := s.target.DSN(cluster.SuperUser, "postgres")
	j := job{Arm: arm, Source: s.source.DSN(reader, database), Target: s.target.DSN(copier, "postgres"), BinDir: s.source.BinDir(), Dir: s.dir, Name: "copy", Profile: s.profile}
	if arm == floor || arm == dump {
		if err := execute(ctx, s.target.DSN(copier, "postgres"), `DROP DATABASE IF EXISTS made WITH (FORCE)`, `CREATE DATABASE made TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'`); err != nil {
			return nil, err
		}
		j.Target = s.target.DSN(copier, "made")
	}
	if err := execute(ctx, admin, `CHECKPOINT`); err != nil {
		return nil, err
	}
	told, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	var out, said bytes.Buffer
	cmd := exec.CommandContext(ctx, s.self[0], s.self[1:]...) //nolint:gosec // this program
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(told), &out, &said
	before, began := computed(s.source)+computed(s.target), time.Now()
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w: %s", arm, err, said.String())
	}
	f := &figures{wall: time.Since(began), client: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	f.server = computed(s.source) + computed(s.target) - before
	if err := json.Unmarshal(out.Bytes(), &f.done); err != nil {
		return nil, err
	}
	return f, s.clean(ctx, admin)
}

// clean drops what an arm has made.
func (s *stand) clean(ctx context.Context, admin string) error {
	names, err := databases(ctx, admin)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := execute(ctx, admin, `DROP DATABASE IF EXISTS "`+name+`" WITH (FORCE)`); err != nil {
			return err
		}
	}
	return nil
}

// compare lets the arms take turns, and prints what they took.
func (s *stand) compare(ctx context.Context) error {
	arms := slices.DeleteFunc(slices.Clone(allArms), func(a string) bool { return a != floor && !slices.Contains(strings.Split(s.arms, ","), a) })
	took := map[string][]*figures{}
	for round := range s.rounds {
		for _, arm := range arms {
			f, err := s.measure(ctx, arm)
			if err != nil {
				return err
			}
			took[arm] = append(took[arm], f)
			s.say("  round %d %-5s  wall %6.1f s  client %5.1f s  server %5.1f s  load %s", round+1, arm, f.wall.Seconds(), f.client.Seconds(), f.server.Seconds(), load1())
		}
		slices.Reverse(arms)
	}
	s.say("\n%-6s %8s %7s %9s %9s %9s %7s %9s", "", "wall", "×floor", "client", "server", "both", "×floor", "resident")
	for _, arm := range allArms {
		if all := took[arm]; len(all) > 0 {
			f := middle(all)
			s.say("%-6s %6.1f s %7.2f %7.1f s %7.1f s %7.1f s %7.2f %5d MiB", arm, f.wall.Seconds(), ratio(all, took[floor], wall), f.client.Seconds(), f.server.Seconds(), f.processor().Seconds(),
				ratio(all, took[floor], processor), f.Peak>>20)
		}
	}
	s.goals(took)
	for _, arm := range []string{bare, full} {
		if all := took[arm]; len(all) > 0 {
			text := ""
			for _, st := range middle(all).Stages {
				text += fmt.Sprintf("  %s %.1f s", st.Stage, st.Seconds)
			}
			s.say("%s: %s", arm, text)
		}
	}
	return nil
}

func wall(f *figures) float64      { return f.wall.Seconds() }
func processor(f *figures) float64 { return f.processor().Seconds() }

// middle is the run whose time is the median; of two the faster.
func middle(all []*figures) *figures {
	sorted := slices.SortedFunc(slices.Values(all), func(a, b *figures) int { return cmp.Compare(a.wall, b.wall) })
	return sorted[(len(sorted)-1)/2]
}

// ratio is the median of what each run took to what the reference took in the same round; of two the mean.
func ratio(all, reference []*figures, of func(*figures) float64) float64 {
	var each []float64
	for i := range all {
		each = append(each, of(all[i])/of(reference[i]))
	}
	slices.Sort(each)
	return (each[(len(each)-1)/2] + each[len(each)/2]) / 2
}

// What greenmask 0.2.22 and pgstream of August 2026 took, in times of a floor made in the same way on another database of the same size, with fewer columns masked. Neither can be had
// as a Go module, so that they are compared through the floor.
const (
	greenmask = 2.59
	pgstream  = 2.9
)

// goals holds the figures against what was promised.
func (s *stand) goals(took map[string][]*figures) {
	s.say("")
	goal := func(what string, is, most float64) {
		s.say("%-7s %s: %.2f, at most %.2f", mark(is, most), what, is, most)
	}
	f, b, a, d := took[floor], took[bare], took[full], took[dump]
	if len(b) > 0 {
		goal("bare, wall to floor", ratio(b, f, wall), 1.25)
		goal("bare, processor to floor", ratio(b, f, processor), 1.35)
		if len(d) > 0 {
			goal("bare, wall to pg_dump and pg_restore", ratio(b, d, wall), 1)
		}
		goal("bare, wall to half of greenmask's, through the floor", ratio(b, f, wall), greenmask/2)
		goal("bare, wall to half of pgstream's, through the floor", ratio(b, f, wall), pgstream/2)
	}
	if len(a) == 0 {
		return
	}
	goal("full, wall to floor", ratio(a, f, wall), 1.7)
	if len(d) > 0 {
		goal("full, wall to pg_dump and pg_restore", ratio(a, d, wall), 1.15)
	}
	m := middle(a)
	values := min(m.Values, m.Entries)
	goal("full, MiB resident", float64(m.Peak)/(1<<20), 96+40*float64(values)/(1<<20))
	s.say("set: %d values, %d ways of writing them, %.1f bytes for each of the fewer", m.Values, m.Entries, float64(m.SetBytes)/float64(values))
	if !m.Passed {
		s.say("MISSED: the copy is not proven: %s", strings.Join(m.Problems, "; "))
	}
}

func mark(is, most float64) string {
	if is <= most {
		return "held"
	}
	return "MISSED"
}

// load1 is the machine's load over the last minute; empty where it is not told.
func load1() string {
	b, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(b), " ")
	return first
}
