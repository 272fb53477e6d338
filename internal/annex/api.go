package annex

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/ui"
)

// AddAPI adds the calls on the published annex to the console's interface for programs.
func (r *Reader) AddAPI(a *web.API, words *ui.Messages) {
	type query struct {
		At time.Time `query:"at" doc:"A moment of the past (RFC 3339); the present unless given"`
	}
	type measures struct {
		Body struct {
			Document string    `json:"document" doc:"SHA-256 of the text, parameters and company"`
			Since    time.Time `json:"since" doc:"When that version was published"`
			Measures []Detail  `json:"measures"`
		}
	}
	web.Handle(a, web.Operation{ID: "list-measures", Method: "GET", Path: "/measures", Summary: "Every measure of the annex with its state", Permission: actor.ReadAnnex},
		func(ctx context.Context, _ actor.Actor, in *query) (*measures, error) {
			s, now, err := r.snapshot(ctx, in.At)
			if err != nil {
				return nil, err
			}
			out := &measures{}
			out.Body.Document, out.Body.Since, out.Body.Measures = s.Hash, s.Since, s.Details(words, now)
			return out, nil
		})
	type one struct {
		query
		ID string `path:"id" example:"ENC-1"`
	}
	type detail struct {
		Body struct {
			Detail
			History []Change `json:"history" doc:"Changes of state, oldest first"`
		}
	}
	web.Handle(a, web.Operation{ID: "get-measure", Method: "GET", Path: "/measures/{id}", Summary: "One measure with its history", Permission: actor.ReadAnnex},
		func(ctx context.Context, _ actor.Actor, in *one) (*detail, error) {
			s, now, err := r.snapshot(ctx, in.At)
			if err != nil {
				return nil, err
			}
			m, ok := s.find(in.ID)
			if !ok {
				return nil, errNoMeasure()
			}
			out := &detail{}
			out.Body.Detail, out.Body.History = s.detail(words, m, now), s.History[in.ID]
			if out.Body.History == nil {
				out.Body.History = []Change{}
			}
			return out, nil
		})
}

func (r *Reader) snapshot(ctx context.Context, at time.Time) (*Snapshot, time.Time, error) {
	if at.IsZero() {
		s, err := r.Now()
		return s, r.now(), err
	}
	s, err := r.At(ctx, at)
	return s, at, err
}

// Collector counts measures by state for Prometheus, and tells the age of the oldest evidence.
func (r *Reader) Collector() prometheus.Collector { return collector{r} }

type collector struct{ r *Reader }

func measuresDesc() *prometheus.Desc {
	return prometheus.NewDesc("garant_measures", "Measures of the published annex by state.", []string{"state"}, nil)
}

func ageDesc() *prometheus.Desc {
	return prometheus.NewDesc("garant_oldest_evidence_seconds", "Age of the oldest evidence behind a measure that is met.", nil, nil)
}

func (collector) Describe(ch chan<- *prometheus.Desc) {
	ch <- measuresDesc()
	ch <- ageDesc()
}

// Collect says nothing when the annex cannot be read: an absent figure alarms, a false one does
// not.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	s, err := c.r.Now()
	if err != nil {
		return
	}
	now := c.r.now()
	counts := map[measure.State]int{measure.Met: 0, measure.NotMet: 0, measure.Stale: 0, measure.Unproven: 0, measure.Excluded: 0}
	var oldest time.Duration
	for _, m := range s.Document.Measures {
		state := s.Effective(m.ID, now).State
		counts[state]++
		if f, ok := s.Fresh[m.ID]; ok && state == measure.Met {
			oldest = max(oldest, now.Sub(f.ObservedAt))
		}
	}
	for state, n := range counts {
		ch <- prometheus.MustNewConstMetric(measuresDesc(), prometheus.GaugeValue, float64(n), string(state))
	}
	ch <- prometheus.MustNewConstMetric(ageDesc(), prometheus.GaugeValue, oldest.Seconds())
}
