package discover

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/garant-project/garant/internal/errs"
)

// Interview asks a person at a terminal. A bad answer is asked for again, with the reason; an
// empty one takes the default, which stands in brackets.
type Interview struct {
	Out  io.Writer
	Hide func() (show func()) // stops showing what is typed; nil: cannot

	lines chan line
}

type line struct {
	text string
	err  error
}

// maxLine is the longest answer, in bytes.
const maxLine = 4 << 10

// NewInterview reads answers from in. Reading goes on in the background until in ends, since
// nothing stops it while a terminal waits.
func NewInterview(in io.Reader, out io.Writer, hide func() func()) *Interview {
	i := &Interview{Out: out, Hide: hide, lines: make(chan line)}
	go func() {
		defer close(i.lines)
		r := bufio.NewReaderSize(in, maxLine)
		for {
			text, err := r.ReadSlice('\n')
			if errors.Is(err, bufio.ErrBufferFull) {
				for errors.Is(err, bufio.ErrBufferFull) {
					_, err = r.ReadSlice('\n')
				}
				i.lines <- line{err: errTooLong}
				if err == nil {
					continue
				}
			}
			if err != nil && len(text) == 0 {
				return
			}
			i.lines <- line{text: strings.TrimSpace(string(text))}
			if err != nil {
				return
			}
		}
	}()
	return i
}

var errTooLong = errors.New("too long")

// question is one thing to ask.
type question struct {
	text     string
	usual    string // default
	secret   bool
	required bool // an empty answer is none
	accept   func(string) error
	explain  string // shown once, before
}

// ask asks until the answer is accepted.
func (i *Interview) ask(ctx context.Context, q question) error {
	if q.explain != "" {
		_, _ = fmt.Fprintf(i.Out, "\n%s\n", q.explain)
	}
	for {
		usual := ""
		if q.usual != "" {
			usual = " [" + q.usual + "]"
		}
		_, _ = fmt.Fprintf(i.Out, "%s%s: ", q.text, usual)
		answer, err := i.read(ctx, q.secret)
		switch {
		case errors.Is(err, errTooLong):
			_, _ = fmt.Fprintln(i.Out, "  The answer is too long.")
			continue
		case err != nil:
			return err
		}
		if answer == "" {
			answer = q.usual
		}
		if answer == "" && q.required {
			_, _ = fmt.Fprintln(i.Out, "  The answer is empty. Write one, or end with Ctrl-C: nothing has been written.")
			continue
		}
		if err := q.accept(answer); err != nil {
			text, fix := errs.Sentence(err)
			_, _ = fmt.Fprintf(i.Out, "  %s %s\n", text, fix)
			continue
		}
		return nil
	}
}

func (i *Interview) read(ctx context.Context, secret bool) (string, error) {
	if secret && i.Hide != nil {
		show := i.Hide()
		defer func() {
			show()
			_, _ = fmt.Fprintln(i.Out)
		}()
	}
	select {
	case <-ctx.Done():
		_, _ = fmt.Fprintln(i.Out)
		return "", stopped(ctx.Err())
	case l, ok := <-i.lines:
		if !ok {
			return "", errs.New(errs.Invalid, "discover.ended", "The answers ended before the questions; nothing was written.").
				WithFix("Answer at a terminal, or give everything by flags and --yes.")
		}
		return l.text, l.err
	}
}

// Agree asks yes or no; Enter means yes.
func (i *Interview) Agree(ctx context.Context, text string) (yes bool, err error) {
	err = i.ask(ctx, question{text: text, usual: "yes", accept: func(s string) error {
		switch strings.ToLower(s) {
		case "y", "yes", "o", "oui":
			yes = true
		case "n", "no", "non":
			yes = false
		default:
			return errs.New(errs.Invalid, "discover.answer", "Answer yes or no.")
		}
		return nil
	}})
	return yes, err
}

// Complete asks for what is not known yet. files are where URLs are to be kept, as Write takes
// them.
func (i *Interview) Complete(ctx context.Context, a Answers) (_ Answers, files []string, err error) {
	accept := func(into *string, key string) func(string) error {
		return func(s string) error {
			*into = s
			return a.check(key)
		}
	}
	if a.Company == "" {
		if err := i.ask(ctx, question{text: "Company, as customers know it", required: true, accept: accept(&a.Company, "name")}); err != nil {
			return a, nil, err
		}
	}
	if a.Country == "" {
		country := accept(&a.Country, "country")
		if err := i.ask(ctx, question{text: "Country, in two letters (BE, FR, …)", required: true, accept: func(s string) error { return country(strings.ToUpper(s)) }}); err != nil {
			return a, nil, err
		}
	}
	if len(a.Domains) == 0 {
		if err := i.domains(ctx, &a); err != nil {
			return a, nil, err
		}
	}
	usual := a.Fill()
	if len(a.Languages) == 0 {
		if err := i.ask(ctx, question{text: "Languages of the annex, the one of reference first (fr, en)", usual: strings.Join(usual.Languages, ", "), accept: func(s string) error {
			a.Languages = Languages(s)
			return a.check("languages")
		}}); err != nil {
			return a, nil, err
		}
	}
	if a.Zone == "" {
		if err := i.ask(ctx, question{text: "Time zone of due dates", required: true, usual: usual.Zone, accept: accept(&a.Zone, "time_zone")}); err != nil {
			return a, nil, err
		}
	}
	if a.Contact == "" {
		if err := i.ask(ctx, question{text: "Mail address for questions about the annex", required: true, usual: usual.Contact, accept: accept(&a.Contact, "contact")}); err != nil {
			return a, nil, err
		}
	}
	if a.Sites == nil {
		if err := i.ask(ctx, question{text: "Sites: names of offices, with commas (none: Enter)", accept: func(s string) error {
			a.Sites = List(s)
			for _, site := range a.Sites {
				if err := CheckSite(site); err != nil {
					return err
				}
			}
			return nil
		}}); err != nil {
			return a, nil, err
		}
	}
	if len(a.Databases) == 0 {
		files, err = i.databases(ctx, &a)
	}
	return a, files, err
}

func (i *Interview) domains(ctx context.Context, a *Answers) error {
	return i.ask(ctx, question{
		explain: "Domains that are yours. Your resolver is asked for the usual names below them (www, app, admin, …), and the hosts found there are asked what they speak. Nobody else is asked.",
		text:    "Domains, with commas (none: Enter)",
		accept: func(s string) error {
			a.Domains = nil
			for _, written := range List(s) {
				d, err := ParseDomain(written)
				if err != nil {
					return err
				}
				a.Domains = append(a.Domains, d)
			}
			return nil
		},
	})
}

func (i *Interview) databases(ctx context.Context, a *Answers) (files []string, err error) {
	explain := "A PostgreSQL whose roles and tables are to be read (its catalogue, never a row): env:NAME, file:/PATH, or a URL, which is not shown while you type and not written to garant.yaml."
	for text := "Database (none: Enter)"; ; text = "Another database (no more: Enter)" {
		var d Database
		var bare, done bool
		err := i.ask(ctx, question{explain: explain, text: text, secret: true, accept: func(s string) (err error) {
			if done = s == ""; done {
				return nil
			}
			d, bare, err = ReadDatabase(s)
			return err
		}})
		if err != nil || done {
			return files, err
		}
		explain = ""
		if bare {
			file, err := i.keep(ctx, d)
			if err != nil {
				return files, err
			}
			if file != "" {
				d.Reference = "file:" + file
				files = append(files, file)
			}
		}
		a.Databases = Variables(append(a.Databases, d))
	}
}

// keep asks whether a URL is to be kept in a file.
func (i *Interview) keep(ctx context.Context, d Database) (file string, err error) {
	return file, i.ask(ctx, question{
		text: "File to keep this URL in, which only you may read (none, you will set " + strings.TrimPrefix(d.Reference, "env:") + " yourself: Enter)",
		accept: func(s string) error {
			if file = s; s != "" && (!filepath.IsAbs(s) || !writableReference(s)) {
				return errs.New(errs.Invalid, "discover.answer", "The file is named by its whole path.").WithFix("Write /PATH.")
			}
			if s != "" {
				if place, err := Place(s); err != nil || place != s {
					return taken(s)
				}
			}
			return nil
		},
	})
}
