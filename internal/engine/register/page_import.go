package register

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/ui"
)

type importPage struct {
	Path     string
	Template string
	Problem  *ui.Notice
	File     ui.Field
	Read     string // what was read of the file
	Bad      ui.Table
	More     string
	Columns  ui.Table
}

func (h *pages) importForm(w http.ResponseWriter, r *web.Request) error {
	d, err := h.definition(r)
	if err != nil {
		return err
	}
	return h.showImport(w, r, http.StatusOK, d, nil, nil)
}

// importFile checks a file, or imports it: the button says which.
func (h *pages) importFile(w http.ResponseWriter, r *web.Request) error {
	d, err := h.definition(r)
	if err != nil {
		return err
	}
	// A slow sender has five minutes for 20 MB, whatever the server grants others, and the answer
	// may take another one. A writer that keeps no deadline has none to put off.
	c, until := http.NewResponseController(w), time.Now().Add(5*time.Minute)
	_ = c.SetReadDeadline(until)
	_ = c.SetWriteDeadline(until.Add(time.Minute))
	content, do, err := sentFile(r)
	var report Report
	if err == nil {
		report, err = h.r.Import(r.Context(), r.Actor, d.Key, content, do != "import", r.Now)
	}
	switch {
	case errs.Is(err, errs.Invalid), errs.Is(err, errs.Conflict):
		return h.showImport(w, r, errs.HTTPStatus(err), d, nil, err)
	case err != nil:
		return err
	case report.Imported > 0:
		return web.SeeOther(w, r, listPath(d)+"?done=register_imported")
	}
	status := http.StatusOK
	if report.Bad > 0 || report.Lines == 0 {
		status = http.StatusUnprocessableEntity
	}
	return h.showImport(w, r, status, d, &report, nil)
}

// sentFile reads the form of a file, without a temporary file on any disk.
func sentFile(r *web.Request) (content []byte, do string, err error) {
	unreadable := errs.New(errs.Invalid, "console.form", "What was sent could not be read.").WithFix("Go back, reload the page and try again.")
	parts, err := r.MultipartReader()
	if err != nil {
		return nil, "", unreadable
	}
	for {
		part, err := parts.NextPart()
		if err == io.EOF { //nolint:errorlint // bare at the end
			break
		}
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return nil, "", err
		}
		if err != nil {
			return nil, "", unreadable
		}
		switch part.FormName() {
		case "file":
			if content, err = io.ReadAll(io.LimitReader(part, MaxImport+1)); err != nil {
				return nil, "", unreadable
			}
		case "do":
			b, err := io.ReadAll(io.LimitReader(part, 20))
			if err != nil {
				return nil, "", unreadable
			}
			do = string(b)
		}
	}
	if len(content) == 0 {
		return nil, "", errs.New(errs.Invalid, "register.import.none", "Choose a file.")
	}
	return content, do, nil
}

func (h *pages) showImport(w http.ResponseWriter, r *web.Request, status int, d *Definition, report *Report, problem error) error {
	p := h.c.Printer(r)
	body := &importPage{
		Path: listPath(d) + "/import", Template: listPath(d) + "/template.csv",
		File: ui.Field{Name: "file", Type: "file", Label: p.T("register.import.file"), Help: p.T("register.import.file.help"), Required: true},
		Columns: ui.Table{Caption: p.T("register.import.columns"), Columns: []ui.Column{
			{Label: p.T("register.import.column")}, {Label: p.T("register.import.code")}, {Label: p.T("register.import.form")}}},
	}
	for _, f := range d.Fields {
		if f.Fixed {
			continue
		}
		var notes []string
		if f.Required {
			notes = append(notes, p.T("register.import.required"))
		}
		if f.Unique {
			notes = append(notes, p.T("register.import.unique"))
		}
		body.Columns.Rows = append(body.Columns.Rows, []ui.Cell{
			{Strong: fieldName(p, d, f.Key)}, {Code: f.Key}, {Text: h.typeWords(p, d, f), Note: strings.Join(notes, ", ")}})
	}
	if len(d.States) > 1 {
		var states []string
		for _, s := range d.States {
			if !s.Publishes {
				states = append(states, p.T(stateID(d, s.Key)))
			}
		}
		body.Columns.Rows = append(body.Columns.Rows, []ui.Cell{{Strong: p.T("register.state")}, {Code: "state"}, {Text: p.T("register.type.choice", "Options", strings.Join(states, ", "))}})
	}
	if problem != nil {
		body.Problem = h.problem(p, d, problem)
	}
	if report != nil {
		h.report(p, d, report, body)
	}
	return h.write(w, status, "import", h.page(r, d, p.T("register.import.title", "Register", p.T(titleID(d))), body))
}

// report says what was found in a file.
func (h *pages) report(p *ui.Printer, d *Definition, report *Report, body *importPage) {
	separator := report.Separator
	if separator == "\t" {
		separator = p.T("register.import.separator.tab")
	}
	body.Read = p.T("register.import.read", "Count", report.Lines, "Encoding", report.Encoding, "Separator", separator)
	body.Problem = &ui.Notice{Tone: ui.Success, Live: true, Title: p.T("register.import.good", "Count", report.Lines), Text: p.T("register.import.good.next")}
	if report.Bad == 0 && report.Lines > 0 {
		return
	}
	body.Problem = &ui.Notice{Tone: ui.Danger, Live: true, Title: p.T("register.import.bad", "Count", report.Bad), Text: body.Read}
	if report.Lines == 0 && report.Bad == 0 {
		body.Problem.Title, body.Problem.Text = p.T("register.import.empty"), p.T("register.import.empty.fix")
	}
	body.Bad = ui.Table{Caption: p.T("register.import.bad.title"), Columns: []ui.Column{
		{Label: p.T("register.import.line"), Numeric: true}, {Label: p.T("register.import.column")}, {Label: p.T("register.import.problem")}, {Label: p.T("register.import.value")}}}
	for _, f := range report.Faults {
		body.Bad.Rows = append(body.Bad.Rows, []ui.Cell{{Text: p.Number(int64(f.Line))}, {Text: f.Column}, {Text: p.T(f.ID, f.Args)}, {Code: f.Value}})
	}
	if len(report.Faults) == maxLineFaults {
		body.More = p.T("register.import.bad.more", "Shown", maxLineFaults)
	}
}

// typeWords says what a column holds.
func (h *pages) typeWords(p *ui.Printer, d *Definition, f Field) string {
	switch f.Type {
	case Choice:
		var options []string
		for _, o := range f.Options {
			options = append(options, p.T(optionID(d, f, o)))
		}
		return p.T("register.type.choice", "Options", strings.Join(options, ", "))
	case Reference:
		id := "register.type.reference"
		to, err := h.r.Definition(f.To)
		if err == nil && to.personal() {
			id = "register.type.reference_email"
		}
		return p.T(id, "Register", p.T("register."+f.To+".title"))
	}
	return p.T("register.type." + string(f.Type))
}
