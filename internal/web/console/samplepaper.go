package console

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/garant-project/garant/internal/audit/sample"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web"
)

func isID(err error, id string) bool {
	var known *errs.Error
	return errors.As(err, &known) && known.ID == id
}

// paper is the whole working paper of a sample, for programs.
type paper struct {
	ID               string      `json:"id"`
	Population       string      `json:"population"`
	Part             string      `json:"part,omitempty"`
	From             time.Time   `json:"from"`
	Until            time.Time   `json:"until"`
	Method           string      `json:"method"`
	Seed             string      `json:"seed"`
	Size             int         `json:"size"`
	PopulationSize   int64       `json:"population_size"`
	PopulationDigest string      `json:"population_digest"`
	Purpose          string      `json:"purpose,omitempty"`
	DrawnAt          time.Time   `json:"drawn_at"`
	DrawnBy          string      `json:"drawn_by"`
	Digest           string      `json:"digest"`
	Intact           bool        `json:"intact"`
	Repeat           string      `json:"repeat"` // the command that draws again
	Items            []paperItem `json:"items"`
}

type paperItem struct {
	Position  int         `json:"position"`
	ID        string      `json:"id"`
	Record    string      `json:"record"`
	Path      string      `json:"path,omitempty"`
	At        *time.Time  `json:"at,omitempty"`
	Digest    string      `json:"digest"`
	DigestNow string      `json:"digest_now,omitempty"`
	Verdict   string      `json:"verdict"` // same, changed, broken, gone, unread
	Notes     []paperNote `json:"notes"`
}

type paperNote struct {
	Result string    `json:"result"`
	Note   string    `json:"note,omitempty"`
	At     time.Time `json:"at"`
	By     string    `json:"by"`
}

// paperOf collects the working paper. That it was taken is in the record.
func (h *pages) paperOf(r *web.Request) (paper, error) {
	s, population, err := h.openSample(r, "sample.exported")
	if err != nil {
		return paper{}, err
	}
	out := paper{
		ID: s.ID, Population: s.Population, Part: s.Part, From: s.From.UTC(), Until: s.Until.UTC(), Method: string(s.Method), Seed: s.Seed, Size: s.Size,
		PopulationSize: s.Frame.Size, PopulationDigest: s.Frame.Digest, Purpose: s.Purpose, DrawnAt: s.DrawnAt.UTC(), DrawnBy: s.DrawnBy,
		Digest: s.Digest, Intact: s.Intact(), Repeat: s.Command(), Items: make([]paperItem, 0, len(s.Items)),
	}
	p := h.c.Printer(r)
	records, err := h.records(r, p, population, s.Items)
	if err != nil {
		return paper{}, err
	}
	for _, i := range s.Items {
		now := records[i.ID]
		one := paperItem{Position: i.Position, ID: i.ID, Record: recordTitle(p, i, now), Path: now.Href, Digest: i.Digest, DigestNow: now.Digest, Verdict: verdict(population, i, now), Notes: []paperNote{}}
		if !now.At.IsZero() {
			at := now.At.UTC()
			one.At = &at
		}
		out.Items = append(out.Items, one)
	}
	notes, err := sample.Notes(r.Context(), h.DB.Pool(pg.Staff), s.ID)
	for _, n := range notes {
		if n.Position <= len(out.Items) {
			i := &out.Items[n.Position-1]
			i.Notes = append(i.Notes, paperNote{string(n.Result), n.Text, n.At.UTC(), n.By})
		}
	}
	return out, err
}

func (h *pages) paperJSON(w http.ResponseWriter, r *web.Request) error {
	out, err := h.paperOf(r)
	if err != nil {
		return err
	}
	b, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return errs.New(errs.Internal, "sample.paper", "The working paper cannot be written.").Wrap(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Disposition", `attachment; filename="sample-`+out.ID+`.json"`)
	_, _ = w.Write(append(b, '\n')) // a reader who went away is nobody to tell
	return nil
}

// paperCSV is one line for each note, and one for each item without any.
func (h *pages) paperCSV(w http.ResponseWriter, r *web.Request) error {
	out, err := h.paperOf(r)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, i := range out.Items {
		at := ""
		if i.At != nil {
			at = Stamp(*i.At)
		}
		row := []string{out.ID, strconv.Itoa(i.Position), i.ID, i.Record, i.Path, at, i.Digest, i.DigestNow, i.Verdict}
		for _, n := range i.Notes {
			rows = append(rows, append(row[:len(row):len(row)], n.Result, n.Note, Stamp(n.At), n.By))
		}
		if len(i.Notes) == 0 {
			rows = append(rows, append(row, "", "", "", ""))
		}
	}
	header := []string{"sample", "position", "item", "record", "path", "at", "digest", "digest_now", "verdict", "result", "note", "noted_at", "noted_by"}
	return CSV(w, "sample-"+out.ID+".csv", header, Once(rows))
}

// populationList gives out the ids that a sample was drawn from, one a line, as far as they were
// there then: what the commands on the page of the sample work on.
func (h *pages) populationList(w http.ResponseWriter, r *web.Request) error {
	s, population, err := h.openSample(r, "sample.population_exported")
	if err != nil {
		return err
	}
	if population == nil {
		return errs.New(errs.NotFound, "sample.population", "There is no such population.").WithFix("Start the build that drew the sample.")
	}
	const most = 2000
	after, left := "", s.Frame.Size
	next := func() ([]string, error) {
		if left <= 0 {
			return nil, nil
		}
		ids, err := population.List(r.Context(), h.DB.Pool(pg.Staff), spanOf(s.Order), after, int(min(most, left)))
		if len(ids) > 0 {
			after, left = ids[len(ids)-1], left-int64(len(ids))
		}
		return ids, err
	}
	ids, err := next()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="population.txt"`)
	for len(ids) > 0 {
		for _, id := range ids {
			if _, err := w.Write([]byte(id + "\n")); err != nil {
				panic(http.ErrAbortHandler)
			}
		}
		if ids, err = next(); err != nil {
			panic(http.ErrAbortHandler) // a list cut short must not be taken for the whole
		}
	}
	return nil
}
