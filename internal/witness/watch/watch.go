package watch

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/witness"
)

// Config is what a witness is made of.
type Config struct {
	File     *estate.WitnessFile
	Key      ed25519.PrivateKey
	Cosigner *merkle.Cosigner // where witness.yaml names a log
	Checks   []measure.Check  // of endpoints, as Garant runs them
	Figures  map[string]measure.Fact
	Now      func() time.Time
	Log      *slog.Logger
}

// Watch is a witness.
type Watch struct {
	Config
	state     state
	estate    *estate.Estate
	interrupt func(step string) error // of tests
}

// Open reads what the witness remembers.
func Open(c Config) (*Watch, error) {
	if c.File.Log != nil && c.Cosigner == nil {
		return nil, errs.New(errs.Invalid, "witness.no_cosigner", "There is a log to follow, and no key to cosign it with.").WithFix("Make one with garant witness cosigner.")
	}
	s, err := loadState(c.File.State)
	if err != nil {
		return nil, err
	}
	return &Watch{Config: c, state: s, estate: &estate.Estate{Endpoints: c.File.Endpoints, Policy: c.File.Policy}}, nil
}

// Report is what came of a round.
type Report struct {
	Statement witness.Statement
	Signed    witness.Signed
	Sent      bool
	Alarms    []Alarm // given in this round, all-clears too
	Open      []string
	Failing   []measure.Finding // findings that did not pass
	Log       *Cosigned         // nil: no log is followed, or it is not as it should be
	Trouble   string            // of the log, as the kind of alarm that it is or becomes; empty: none
}

// ErrAlarm ends Run when witness.yaml asks for that.
var ErrAlarm = errors.New("the witness has raised an alarm")

// Run goes round after round until ctx ends, or until an alarm when witness.yaml asks for that.
func (w *Watch) Run(ctx context.Context) error {
	for {
		start := w.Now()
		report, err := w.Round(ctx)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // told to end
		case err != nil:
			w.Log.Error("a round of the witness failed", "error.message", err.Error())
		}
		if w.File.Alarm.Exit && slices.ContainsFunc(report.Alarms, func(a Alarm) bool { return !a.Over }) {
			return ErrAlarm
		}
		rest := time.NewTimer(max(w.File.Every-w.Now().Sub(start), 0))
		select {
		case <-ctx.Done():
			rest.Stop()
			return nil
		case <-rest.C:
		}
	}
}

// seen is what a look saw.
type seen struct {
	states   []witness.State
	reach    *witness.Reach
	annex    *annex
	annexErr error
	failing  []measure.Finding
	log      *logSeen // nil: none is followed
}

// disputed lists the measures that the annex announces as met and that fail.
func (s seen) disputed() []string {
	var out []string
	for _, state := range s.states {
		if state.Disputed() {
			out = append(out, state.Measure)
		}
	}
	return out
}

// Round looks once at everything, says what it saw, and alarms.
func (w *Watch) Round(ctx context.Context) (Report, error) {
	look := w.look(ctx)
	if len(look.disputed()) > 0 { // Garant may be about to see it itself
		w.Log.Info("a disagreement is looked at again", "event.duration", w.File.Grace.String())
		pause := time.NewTimer(w.File.Grace)
		select {
		case <-ctx.Done():
			pause.Stop()
			return Report{}, ctx.Err()
		case <-pause.C:
		}
		look = w.look(ctx)
	}
	if ctx.Err() != nil {
		return Report{}, ctx.Err()
	}
	report := Report{Failing: look.failing}
	now := w.Now().UTC().Truncate(time.Second)
	s := witness.Statement{Format: witness.Format, Witness: w.File.Name, Company: w.File.Company, MadeAt: now, States: look.states, Reach: look.reach,
		Sequence: max(w.state.Sequence+1, now.Unix())} // a lost state file starts no number anew
	if look.annex != nil {
		s.Document, s.Version = look.annex.Document, look.annex.Version
	}
	if look.reach != nil {
		report.Open = look.reach.Open
	}
	signed, err := witness.Sign(s, w.Key)
	if err != nil {
		return report, err
	}
	report.Statement, report.Signed = s, signed
	w.state.Sequence = s.Sequence
	if err := w.state.save(w.File.State); err != nil { // before it is sent: a number is used once
		return report, err
	}
	var sendErr error
	if w.File.Garant != nil {
		sendErr = w.send(ctx, signed)
		report.Sent = sendErr == nil
	}
	var failed []error
	if w.File.Log != nil {
		if look.log, err = w.follow(ctx); err != nil {
			if ctx.Err() != nil {
				return report, ctx.Err()
			}
			failed = append(failed, err)
			if look.log == nil {
				look.log = unfollowed(err, w.File.Misses)
			}
		}
		report.Trouble = look.log.trouble
		if report.Log = look.log.cosigned; report.Log != nil && report.Log.Line != "" {
			w.state.Cosigner = w.Cosigner.Witness().String()
		}
		sendErr = cmp.Or(sendErr, look.log.sendErr)
	}
	report.Alarms = w.judge(look, sendErr, now)
	for _, a := range report.Alarms {
		if len(a.Proof) > 0 && !a.Over && w.File.Garant != nil {
			w.showProof(ctx, a.Proof)
		}
		failed = append(failed, w.tell(context.WithoutCancel(ctx), a))
	}
	return report, errors.Join(append(failed, w.state.save(w.File.State))...)
}

// look looks at the endpoints, at what must be refused and at the annex.
func (w *Watch) look(ctx context.Context) (s seen) {
	byMeasure := map[string]witness.State{}
	alive := false
	for _, c := range w.Checks {
		if len(c.Scope(w.estate)) == 0 {
			continue
		}
		at := w.Now()
		f := measure.Observe(ctx, c, measure.In{Estate: w.estate, Now: at, Figures: w.Figures}, w.Log)
		alive = alive || len(f.Scope) > 0
		saw := map[measure.Outcome]string{measure.Pass: witness.SawPass, measure.Fail: witness.SawFail}[f.Outcome]
		if saw == "" {
			saw = witness.SawError
		}
		if saw != witness.SawPass {
			s.failing = append(s.failing, f)
		}
		for _, id := range c.Measures {
			one := witness.State{Measure: id, Saw: saw, ObservedAt: at.UTC().Truncate(time.Second)}
			if before, ok := byMeasure[id]; ok {
				one = worse(before, one)
			}
			byMeasure[id] = one
		}
	}
	s.annex, s.annexErr = w.read(ctx)
	alive = alive || s.annex != nil
	if s.reach = probe(ctx, w.File.Refused); s.reach != nil {
		if !alive { // nothing answers here: a closed port says nothing
			s.reach.Unknown, s.reach.Refused = append(s.reach.Unknown, s.reach.Refused...), nil
		}
		byMeasure["NET-1"] = witness.State{Measure: "NET-1", Saw: sawOf(s.reach), ObservedAt: w.Now().UTC().Truncate(time.Second)}
	}
	for _, state := range byMeasure {
		state.Announced = s.annex.announced(state.Measure)
		s.states = append(s.states, state)
	}
	slices.SortFunc(s.states, func(a, b witness.State) int { return strings.Compare(a.Measure, b.Measure) })
	return s
}

func sawOf(r *witness.Reach) string {
	switch {
	case len(r.Open) > 0:
		return witness.SawFail
	case len(r.Unknown) > 0:
		return witness.SawError
	}
	return witness.SawPass
}

// worse joins what two checks saw of one measure.
func worse(a, b witness.State) witness.State {
	order := []string{witness.SawPass, witness.SawError, witness.SawFail}
	out := a
	if slices.Index(order, b.Saw) > slices.Index(order, a.Saw) {
		out.Saw = b.Saw
	}
	if b.ObservedAt.Before(a.ObservedAt) {
		out.ObservedAt = b.ObservedAt
	}
	return out
}

// judge goes through what may be wrong and returns the alarms that are due now.
func (w *Watch) judge(look seen, sendErr error, now time.Time) []Alarm {
	var alarms []Alarm
	var proof []string
	consider := func(kind, measureID, reason string, wrong bool, patience int) {
		key := strings.TrimSuffix(kind+":"+measureID, ":")
		e, running := w.state.Episodes[key]
		a := Alarm{Kind: kind, Measure: measureID, Reason: reason, At: now, Since: e.Since, Witness: w.File.Name, Company: w.File.Company}
		switch {
		case !wrong && running:
			delete(w.state.Episodes, key)
			if e.Alarmed {
				a.Over, a.Reason = true, e.Reason
				alarms = append(alarms, a)
			}
		case wrong:
			if !running {
				e.Since = now
			}
			e.Reason = reason
			e.Misses++
			if e.Misses >= patience && !e.Alarmed {
				e.Alarmed, a.Since, a.Proof = true, e.Since, proof
				alarms = append(alarms, a)
			}
			w.state.Episodes[key] = e
		}
	}
	consider(Silence, "", silence(look.annexErr), look.annexErr != nil, w.File.Misses)
	if look.annex != nil {
		back := w.state.goesBack(look.annex)
		consider(Back, "", "", back, 1)
		if !back {
			w.state.Version, w.state.Since, w.state.At = look.annex.Version, look.annex.Since, look.annex.At
		}
		for _, s := range look.states {
			// A dispute ends when the sentence is withdrawn, or when it holds again: not by blindness.
			if s.Saw != witness.SawError || s.Announced != "met" {
				consider(Dispute, s.Measure, "", s.Disputed(), 1)
			}
		}
	}
	if look.log != nil {
		for _, kind := range []string{Fork, Rollback, LogWrong, LogRestored, LogSilent} {
			switch {
			case look.log.trouble == kind:
				proof = look.log.proof
				consider(kind, "", look.log.reason, true, look.log.patience)
				proof = nil
			case look.log.trouble == "", kind == LogSilent: // what was wrong ends when the log is as it should be: not by blindness
				consider(kind, "", "", false, 1)
			}
		}
	}
	if w.File.Garant != nil {
		consider(Deliver, "", undelivered(sendErr), sendErr != nil, w.File.Misses)
	}
	for i := range alarms {
		alarms[i].Text = alarms[i].text(w.File.Language)
	}
	return alarms
}

func silence(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, errStatus):
		return "it answers with an error"
	case errors.Is(err, errForm):
		return "it is not an annex"
	case errors.Is(err, errCompany):
		return "it is of another company"
	case errors.Is(err, errOld):
		return "what it says is old"
	}
	return "it does not answer"
}

func undelivered(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, errStatus):
		return "it refuses them"
	case errs.Is(err, errs.Invalid):
		return "there is no token"
	}
	return "it does not answer there"
}
