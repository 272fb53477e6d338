package discover

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/garant-project/garant/internal/errs"
)

// Budget is how long sources may look, whatever hangs; grace is how long one that was told to
// end is waited for.
const (
	Budget = 50 * time.Second
	grace  = 3 * time.Second
)

// Find runs sources side by side, each behind a Guard, for at most within (Budget when it is
// 0). A source that fails or does not end in time is told in a note; Find fails only when ctx
// ends.
func Find(ctx context.Context, ask Ask, way Way, within time.Duration, sources ...Source) (Found, error) {
	if within <= 0 {
		within = Budget
	}
	looking, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	type answer struct {
		i     int
		found Found
		err   error
	}
	answers := make(chan answer, len(sources))
	running := map[int]Source{}
	for i, s := range sources {
		asks := s.Asks(ask)
		if asks == "" {
			continue
		}
		running[i] = s
		ask.progress("Asking " + asks + ".")
		go func() {
			found, err := s.Find(looking, ask, Guard(way, ask))
			answers <- answer{i, found, err}
		}()
	}
	parts := make([]Found, len(sources))
	late := time.NewTimer(within + grace)
	defer late.Stop()
	for len(running) > 0 {
		select {
		case a := <-answers:
			parts[a.i] = a.found
			if a.err != nil {
				parts[a.i].Notes = append(parts[a.i].Notes, Note{About: running[a.i].Name(), Text: failure(a.err)})
			}
			delete(running, a.i)
		case <-ctx.Done():
			return Found{}, stopped(ctx.Err())
		case <-late.C:
			for i, s := range running {
				parts[i] = Found{Notes: []Note{{About: s.Name(), Text: "It did not end in time; nothing of what it saw is here."}}}
			}
			clear(running)
		}
	}
	if ctx.Err() != nil {
		return Found{}, stopped(ctx.Err())
	}
	var all Found
	for _, p := range parts {
		all.Proposals = append(all.Proposals, p.Proposals...)
		all.Notes = append(all.Notes, p.Notes...)
	}
	slices.SortStableFunc(all.Notes, func(a, b Note) int { return cmp.Or(cmp.Compare(a.About, b.About), cmp.Compare(a.Text, b.Text)) })
	return all, nil
}

// failure puts the error of a source into a sentence.
func failure(err error) string {
	text, fix := errs.Sentence(err)
	if fix != "" {
		text += " " + fix
	}
	return text
}

// stopped is the end of a command that somebody interrupted.
func stopped(cause error) error {
	if errors.Is(cause, context.DeadlineExceeded) {
		return errs.New(errs.Unavailable, "discover.time", "The time was over; nothing was written.").WithFix("Run it again.")
	}
	return errs.New(errs.Unavailable, "discover.stopped", "Stopped; nothing was written.")
}
