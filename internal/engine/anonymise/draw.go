package anonymise

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/engine/anonymise/personal"
	"github.com/garant-project/garant/internal/engine/anonymise/run"
	"github.com/garant-project/garant/internal/web/ui"
)

// timeline draws the last runs of a database, a bar each, below the age of what was served meanwhile.
type timeline struct {
	Label     string // says the same in words
	Age, Line string // paths of the age: the ground under it, and itself
	Limit     int    // where the longest age is that is allowed
	Good, Bad string // paths of the runs, by how they ended
	Going     string
	From      time.Time
	MaxAge    string
	Runs      int
}

// The drawing, in units: the age above, the runs below it.
const (
	lineWidth  = 720
	ageHeight  = 84
	laneTop    = 94
	laneHeight = 18
	barLeast   = 3
)

// Width is the width of the drawing.
func (timeline) Width() int { return lineWidth }

// Height is the height of the drawing.
func (timeline) Height() int { return laneTop + laneHeight }

// Floor is where the age is nothing.
func (timeline) Floor() int { return ageHeight }

// timelineOf draws the recent runs; nil: there are none.
func timelineOf(p *ui.Printer, c *Copy, now time.Time) *timeline {
	if len(c.Recent) == 0 {
		return nil
	}
	list := slices.Clone(c.Recent)
	slices.Reverse(list)
	t := &timeline{From: list[0].BeganAt, MaxAge: p.Duration(c.declared.MaxAge), Runs: len(list)}
	span := max(now.Sub(t.From), time.Second)
	x := func(at time.Time) int {
		return int(max(0, min(lineWidth, int64(lineWidth)*int64(at.Sub(t.From)/time.Millisecond)/max(1, int64(span/time.Millisecond)))))
	}
	var served []Summary
	oldest := time.Duration(0)
	count := map[Outcome]int{}
	var good, bad, going strings.Builder
	for _, s := range list {
		count[s.Outcome]++
		end := now
		if s.EndedAt != nil {
			end = *s.EndedAt
		}
		at, w := x(s.BeganAt), 0
		if w = max(barLeast, x(end)-at); at+w > lineWidth {
			at = lineWidth - w
		}
		switch s.Outcome {
		case Published:
			served = append(served, s)
			fmt.Fprintf(&good, "M%d %dh%dv%dh-%dz", at, laneTop, w, laneHeight, w)
		case Running:
			fmt.Fprintf(&going, "M%d %dh%dv%dh-%dz", at, laneTop, w, laneHeight, w)
		default: // in two halves: it is seen without colour too
			const half = laneHeight/2 - 2
			fmt.Fprintf(&bad, "M%d %dh%dv%dh-%dzM%d %dh%dv%dh-%dz", at, laneTop, w, half, w, at, laneTop+laneHeight-half, w, half, w)
		}
	}
	t.Good, t.Bad, t.Going = good.String(), bad.String(), going.String()
	until := func(i int) time.Time {
		if i+1 < len(served) {
			return *served[i+1].PublishedAt
		}
		return now
	}
	for i, s := range served {
		if s.SnapshotAt != nil {
			oldest = max(oldest, until(i).Sub(*s.SnapshotAt))
		}
	}
	top := max(oldest, c.declared.MaxAge, time.Second) * 108 / 100
	y := func(age time.Duration) int {
		return ageHeight - int(int64(ageHeight)*int64(max(0, age)/time.Millisecond)/int64(top/time.Millisecond))
	}
	t.Limit = y(c.declared.MaxAge)
	var line, ground strings.Builder
	for i, s := range served {
		if s.SnapshotAt == nil {
			continue
		}
		from, to := x(*s.PublishedAt), x(until(i))
		low, high := y(s.PublishedAt.Sub(*s.SnapshotAt)), y(until(i).Sub(*s.SnapshotAt))
		move := "L"
		if line.Len() == 0 {
			move = "M"
		}
		fmt.Fprintf(&line, "%s%d %dL%d %d", move, from, low, to, high)
		fmt.Fprintf(&ground, "M%d %dV%dL%d %dV%dz", from, ageHeight, low, to, high, ageHeight)
	}
	t.Line, t.Age = line.String(), ground.String()
	var parts []string
	for _, o := range []Outcome{Published, Stopped, Unproven, Failed, Lost, Running} {
		if n := count[o]; n > 0 {
			parts = append(parts, p.T("copies.count."+string(o), "Count", n))
		}
	}
	t.Label = p.T("copies.timeline.label", "Count", len(list), "From", p.Instant(t.From), "Parts", parts)
	if len(served) > 0 {
		t.Label += " " + p.T("copies.timeline.age", "Age", p.Elapsed(now.Add(-oldest), now), "Most", t.MaxAge)
	}
	return t
}

// share is a part of a proportion bar, in thousandths.
type share struct {
	Class string
	X, W  int
	Label string
	Count string
	Href  string
	Here  bool
}

// proportions is a bar with its text equivalent.
type proportions struct {
	Label  string
	Shares []share
}

// stages draws how long the parts of a run took.
func stages(p *ui.Printer, list []run.StageReport) *proportions {
	total, before := 0.0, 0.0
	for _, s := range list {
		total += s.Seconds
	}
	if total <= 0 {
		return nil
	}
	out := &proportions{}
	var words []string
	for _, s := range list {
		at := int(before * 1000 / total)
		before += s.Seconds
		took := p.Duration(seconds(s.Seconds))
		out.Shares = append(out.Shares, share{Class: "copies-part-" + stageClass(s.Stage), X: at, W: int(before*1000/total) - at, Label: stageWord(p, s.Stage), Count: took})
		words = append(words, p.T("copies.stage.took", "Stage", stageWord(p, s.Stage), "Time", took))
	}
	out.Label = p.List(words)
	return out
}

// stageClass is the number of a stage, from one.
func stageClass(s run.Stage) string {
	return strconv.Itoa(max(1, slices.Index(stageOrder(), s)+1))
}

func stageOrder() []run.Stage {
	return []run.Stage{run.StageSchema, run.StageSet, run.StageCopy, run.StageAfter, run.StageProof}
}

func stageWord(p *ui.Printer, s run.Stage) string {
	if id := "copies.stage." + string(s); p.Has(id) {
		return p.T(id)
	}
	return string(s)
}

// classes are those of a plan in the order of a bar.
func classes() []personal.Class {
	return []personal.Class{personal.Identifier, personal.Sensitive, personal.FreeText, personal.Quasi, personal.Harmless}
}

// classBar draws how many columns have which class.
func classBar(p *ui.Printer, count map[personal.Class]int, link func(personal.Class) (href string, here bool)) *proportions {
	total, before := 0, 0
	for _, n := range count {
		total += n
	}
	if total == 0 {
		return nil
	}
	out := &proportions{}
	var words []string
	for i, c := range classes() {
		n := count[c]
		if n == 0 {
			continue
		}
		at := before * 1000 / total
		before += n
		s := share{Class: "copies-part-" + strconv.Itoa(i+1), X: at, W: before*1000/total - at, Label: p.T("copies.class." + string(c)), Count: p.Number(int64(n))}
		s.Href, s.Here = link(c)
		out.Shares = append(out.Shares, s)
		words = append(words, s.Label+"\u00a0"+s.Count)
	}
	out.Label = p.List(words)
	return out
}

// seconds is a length of time as it is shown: to a tenth of a second, to a second from two minutes on.
func seconds(s float64) time.Duration {
	d := time.Duration(s * float64(time.Second)).Round(100 * time.Millisecond)
	if d >= 2*time.Minute {
		return d.Round(time.Second)
	}
	return d
}
