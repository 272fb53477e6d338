package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/app"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/witness"
	"github.com/garant-project/garant/internal/witness/watch"
)

type witnessCmd struct {
	Init     witnessInitCmd     `cmd:"" help:"Make the keys and a witness.yaml to fill in."`
	Cosigner witnessCosignerCmd `cmd:"" help:"Make the key that cosigns the audit log if there is none, and print its public part."`
	Run      witnessRunCmd      `cmd:"" help:"Look again and again, until told to end."`
	Once     witnessOnceCmd     `cmd:"" help:"Look once and say what was seen and cosigned."`
	Verify   witnessVerifyCmd   `cmd:"" help:"Verify a signed statement, offline."`
}

// Help is shown below the flags.
func (*witnessCmd) Help() string {
	return `A witness runs on another machine than Garant, under another administrator, with a key and a list of endpoints of its own.
It reads the public annex as readers do, looks for itself, signs what it confirms, and alarms when it sees otherwise or when
the annex is silent. It follows the audit log, cosigns its head as long as that goes on from the last one it cosigned, and alarms when it does not. docs/witness.md tells how to set it up.`
}

type witnessInitCmd struct {
	Name string `arg:"" help:"Name of the witness: small letters, digits and hyphens."`
	Dir  string `help:"Directory for witness.yaml and the keys." default:"." type:"path"`
	As   string `help:"Name that its cosignatures bear, best an address such as witness.example/vigie. By default the name."`
}

func (k *witnessInitCmd) Run(con console) error {
	config := filepath.Join(k.Dir, estate.WitnessFileName)
	if _, err := os.Stat(config); !errors.Is(err, fs.ErrNotExist) {
		return errs.New(errs.Conflict, "witness.config_exists", "There is a witness.yaml already, which was left as it is.").WithFix("Name another directory with --dir.")
	}
	if err := os.MkdirAll(k.Dir, 0o700); err != nil {
		return errs.New(errs.Unavailable, "witness.dir", "The directory cannot be made.").WithFix("Choose one that this account may write to.").Wrap(err)
	}
	public, err := watch.MakeKey(filepath.Join(k.Dir, "witness.key"))
	if err != nil {
		return err
	}
	as := cmp.Or(k.As, k.Name)
	cosigner, err := watch.MakeCosigner(filepath.Join(k.Dir, cosignerFile), as)
	if err != nil {
		return err
	}
	if err := os.WriteFile(config, []byte(strings.NewReplacer("COSIGNED-AS", as, "NAME", k.Name).Replace(witnessExample)), 0o600); err != nil {
		return errs.New(errs.Unavailable, "witness.dir", "witness.yaml cannot be written.").Wrap(err)
	}
	_, _ = fmt.Fprintf(con.out, `Made %s and its keys (of statements: %s).

Declare it in the garant.yaml of the company, and let a lead apply that:

witness:
  - name: %s
    key: %s
    cosigner: %s

Customers pin the cosigner: give it to them by another way than Garant.

Then fill in %s and try: garant witness once --file %s
`, config, witness.Fingerprint(public), k.Name, estate.FormatWitnessKey(public), cosigner, config, config)
	return nil
}

const cosignerFile = "cosigner.key"

type witnessCosignerCmd struct {
	Name string `arg:"" help:"Name that its cosignatures bear, as log.name in witness.yaml; best an address such as witness.example/vigie."`
	Dir  string `help:"Directory of witness.yaml and the keys." default:"." type:"path"`
}

func (k *witnessCosignerCmd) Run(con console) error {
	path := filepath.Join(k.Dir, cosignerFile)
	vkey, err := watch.MakeCosigner(path, k.Name)
	if errs.Is(err, errs.Conflict) { // there is one
		vkey, err = watch.CosignerKey(path, k.Name)
	}
	if err == nil {
		_, _ = fmt.Fprintln(con.out, vkey)
	}
	return err
}

const witnessExample = `# A witness of Garant: looks from elsewhere at what the annex announces. See docs/witness.md.
name: NAME                          # as garant.yaml has it under witness
language: en                        # of alarms: en or fr
company: Company SRL                # the legal name that the annex bears
key: file:witness.key               # chmod 600; garant witness init made it

annex:
  url: https://trust.company.example
garant:                             # where statements are sent; without it they are only made
  url: https://admin.company.example
  token: env:GARANT_WITNESS_TOKEN   # of the interface for programs, with the permission evidence:import

every: 5m                           # how often it looks
misses: 3                           # rounds without an annex before that is an alarm
grace: 2m                           # a disagreement is looked at again after this

# What it looks at, as garant.yaml has it, but from its own list.
endpoints:
  - name: application
    url: https://app.company.example
    environment: production
    audience: public

# What must not be reachable from here (NET-1).
# refused: [db.company.example:5432, admin.company.example:22]

# The audit log that it cosigns. The key comes from the company by another way than this address.
# log:
#   url: https://trust.company.example/log
#   key: trust.company.example/log+01234567+AbCd…
#   cosigner: file:cosigner.key     # chmod 600; garant witness init made it
#   name: COSIGNED-AS               # that its cosignatures bear
#   quiet: 5m                       # longer without growth is an alarm

alarm:                              # at least one
  exit: true                        # end with exit code 3, for a supervisor to see
  # command: [/usr/local/bin/page-somebody]   # gets the alarm as JSON on its standard input
  # outbox: /var/spool/garant-witness         # a mail is left there as a file
  # mail: security@company.example
  # webhook: https://alerts.company.example/garant
`

type witnessRunCmd struct {
	File string `help:"Configuration of the witness." default:"witness.yaml" type:"path"`
}

func (k *witnessRunCmd) Run(ctx context.Context, c *cli, con console) error {
	w, err := app.OpenWatch(k.File, c.options(con, "").Log, time.Now)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintln(con.out, "ready")
	err = w.Run(ctx)
	if errors.Is(err, watch.ErrAlarm) {
		return &checkFailed{1}
	}
	return err
}

type witnessOnceCmd struct {
	File string `help:"Configuration of the witness." default:"witness.yaml" type:"path"`
	JSON bool   `help:"Print the signed statement."`
}

// Help is shown below the flags.
func (*witnessOnceCmd) Help() string {
	return `Exit code 3 when something announced as met was seen to fail, an address that must be refused is open, or an alarm was raised.`
}

func (k *witnessOnceCmd) Run(ctx context.Context, c *cli, con console) error {
	w, err := app.OpenWatch(k.File, c.quiet(con, c.options(con, "")).Log, time.Now)
	if err != nil {
		return err
	}
	report, err := w.Round(ctx)
	if err != nil {
		return err
	}
	if k.JSON {
		if err := json.NewEncoder(con.out).Encode(report.Signed); err != nil {
			return err
		}
	} else {
		printStatement(con, report.Statement)
		printCosigned(con, report.Log)
		if report.Trouble != "" {
			_, _ = fmt.Fprintf(con.out, "NOT COSIGNED  the audit log is not as it should be: %s\n", report.Trouble)
		}
		for _, a := range report.Alarms {
			_, _ = fmt.Fprintf(con.out, "ALARM  %s\n", a.Text)
		}
	}
	bad := len(report.Open)
	for _, s := range report.Statement.States {
		if s.Disputed() {
			bad++
		}
	}
	for _, a := range report.Alarms {
		if !a.Over {
			bad++
		}
	}
	if bad > 0 {
		return &checkFailed{bad}
	}
	return nil
}

func printCosigned(con console, c *watch.Cosigned) {
	if c == nil {
		return
	}
	verdict := "cosigned before,"
	switch {
	case c.Line != "" && c.Sent:
		verdict = "cosigned"
	case c.Line != "":
		verdict = "cosigned (not sent)"
	}
	_, _ = fmt.Fprintf(con.out, "%s  log %s at %d, %s\n", verdict, c.Origin, c.Size, c.Root)
	if c.Hidden > 0 {
		_, _ = fmt.Fprintf(con.out, "LACKING   %d leaves of the earlier log, which this witness cosigned\n", c.Hidden)
	}
	if c.Line != "" {
		_, _ = fmt.Fprint(con.out, c.Line)
	}
}

func printStatement(con console, s witness.Statement) {
	if s.Document == "" {
		_, _ = fmt.Fprintln(con.out, "the annex did not answer as it should")
	} else {
		_, _ = fmt.Fprintf(con.out, "annex of %s, version %d, document %s\n", s.Company, s.Version, s.Document)
	}
	for _, state := range s.States {
		verdict := "        "
		switch {
		case state.Confirmed():
			verdict = "confirms"
		case state.Disputed():
			verdict = "DISPUTES"
		}
		announced := state.Announced
		if announced == "" {
			announced = "nothing"
		}
		_, _ = fmt.Fprintf(con.out, "%s  %-7s announced %s, saw %s\n", verdict, state.Measure, announced, state.Saw)
	}
	if s.Reach != nil {
		for _, list := range []struct {
			is        string
			addresses []string
		}{{"OPEN", s.Reach.Open}, {"refused", s.Reach.Refused}, {"unknown", s.Reach.Unknown}} {
			for _, address := range list.addresses {
				_, _ = fmt.Fprintf(con.out, "%-8s  %s\n", list.is, address)
			}
		}
	}
}

type witnessVerifyCmd struct {
	File string `arg:"" help:"A signed statement, as JSON; - is standard input."`
	Key  string `required:"" help:"Public key of the witness: ed25519:…"`
}

func (k *witnessVerifyCmd) Run(con console) error {
	key, ok := estate.ParseWitnessKey(k.Key)
	if !ok {
		return errs.New(errs.Invalid, "witness.bad_key", "This is not the public key of a witness.").WithFix("Write ed25519:… as garant witness init prints it.")
	}
	source := io.Reader(os.Stdin)
	if k.File != "-" {
		f, err := os.Open(k.File)
		if err != nil {
			return errs.New(errs.Invalid, "cli.statement", "The statement cannot be read.").WithFix("Check its path.")
		}
		defer func() { _ = f.Close() }()
		source = f
	}
	var signed witness.Signed
	if err := json.NewDecoder(io.LimitReader(source, 1<<20)).Decode(&signed); err != nil {
		return errs.New(errs.Invalid, "witness.form", "This is no signed statement.").WithFix("Give what garant witness once --json prints.")
	}
	s, err := signed.Open(key)
	if err != nil {
		_, _ = fmt.Fprintln(con.err, "garant: The statement does not hold: "+err.Error()+".")
		return &checkFailed{1}
	}
	_, _ = fmt.Fprintf(con.out, "signed by %s (%s), number %d, made %s\n", s.Witness, witness.Fingerprint(key), s.Sequence, s.MadeAt.Format(time.RFC3339))
	printStatement(con, s)
	return nil
}
