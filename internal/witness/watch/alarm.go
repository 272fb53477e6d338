package watch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/outgoing"
)

// Kinds of alarms.
const (
	Dispute = "dispute" // the annex announces as met what fails
	Silence = "silence" // the annex does not answer, or does not count
	Back    = "back"    // the annex says less than it has said
	Deliver = "deliver" // Garant does not take the statements

	Fork        = "fork"         // the log shows another history than the one that was cosigned
	Rollback    = "rollback"     // the log shows less than was cosigned
	LogWrong    = "log_wrong"    // the log is another, is signed with another key, or does not fit its head
	LogRestored = "log_restored" // the log has begun anew
	LogSilent   = "log_silent"   // the log does not answer, or does not grow
)

// Alarm is something that people have to know, or its end.
type Alarm struct {
	Kind    string    `json:"kind"`
	Measure string    `json:"measure,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	Over    bool      `json:"over"` // all clear
	Since   time.Time `json:"since"`
	At      time.Time `json:"at"`
	Witness string    `json:"witness"`
	Company string    `json:"company"`
	Text    string    `json:"text"`
	Proof   []string  `json:"proof,omitempty"` // of a fork: heads that the log signed and that contradict each other
}

// text says an alarm in a language.
func (a Alarm) text(language string) string {
	english := map[string]string{
		Dispute: "The annex of %s announces %s as met; this witness sees it to fail.", Silence: "The annex of %s cannot be relied upon: %s.",
		Back: "The annex of %s has gone back: it shows an earlier document, or one from before.", Deliver: "Garant of %s does not take what this witness says: %s.",
		Fork:        "The audit log of %s shows another history than the one that this witness cosigned. Do not rely on it, and keep this message: it holds the proof.",
		Rollback:    "The audit log of %s shows less than this witness cosigned: entries were taken away.",
		LogWrong:    "The audit log of %s is not the one that this witness follows: %s.",
		LogRestored: "The audit log of %s has begun anew, as after a restore. This witness cosigns it when its new key has been compared with the company and pinned in witness.yaml.",
		LogSilent:   "The audit log of %s cannot be followed: %s.",
		"over":      "All clear: %s",
	}
	french := map[string]string{
		Dispute: "L’annexe de %s annonce %s comme tenu ; ce témoin voit le contraire.", Silence: "On ne peut pas se fier à l’annexe de %s : %s.",
		Back: "L’annexe de %s est revenue en arrière : elle montre un document antérieur, ou d’avant.", Deliver: "Le Garant de %s ne prend pas ce que dit ce témoin : %s.",
		Fork:        "Le journal d’audit de %s montre une autre histoire que celle que ce témoin a cosignée. Ne vous y fiez pas, et gardez ce message : il contient la preuve.",
		Rollback:    "Le journal d’audit de %s montre moins que ce que ce témoin a cosigné : des entrées ont été retirées.",
		LogWrong:    "Le journal d’audit de %s n’est pas celui que ce témoin suit : %s.",
		LogRestored: "Le journal d’audit de %s a recommencé, comme après une restauration. Ce témoin le cosignera quand sa nouvelle clé aura été comparée avec l’entreprise et inscrite dans witness.yaml.",
		LogSilent:   "Le journal d’audit de %s ne peut pas être suivi : %s.",
		"over":      "Fin d’alerte : %s",
	}
	words, reasons := english, map[string]string{}
	if language == "fr" {
		words, reasons = french, map[string]string{ //nolint:gosec // words, no credentials
			"it does not answer": "elle ne répond pas", "it answers with an error": "elle répond par une erreur", "it is not an annex": "ce n’est pas une annexe",
			"it is of another company": "c’est celle d’une autre entreprise", "what it says is old": "ce qu’elle dit est ancien",
			"it does not answer there": "il ne répond pas", "it refuses them": "il les refuse", "there is no token": "il n’y a pas de jeton",
			"what it shows is no checkpoint": "ce qu’il montre n’est pas une tête signée", "the log does not answer": "le journal ne répond pas", "the log answers with an error": "le journal répond par une erreur",
			"its hashes are not those of the head that it signed": "ses empreintes ne sont pas celles de la tête qu’il a signée",
			"the pinned key is none": "la clé inscrite n’en est pas une", "it holds nothing": "il ne contient rien",
			"its hashes cannot be read": "ses empreintes ne peuvent pas être lues", "its entries cannot be read": "ses lignes ne peuvent pas être lues", noGrowth: "il ne grandit plus",
			"it bears another name": "il porte un autre nom", "it is signed with another key": "il est signé d’une autre clé", "it does not say what it goes on from": "il ne dit pas ce dont il est la suite",
			"what this witness needs to cosign it cannot be used": "ce qu’il faut à ce témoin pour le cosigner est inutilisable", "another process of this witness works with it": "un autre processus de ce témoin s’en occupe",
		}
	}
	reason := a.Reason
	if translated, ok := reasons[reason]; ok {
		reason = translated
	}
	var s string
	switch a.Kind {
	case Dispute:
		s = fmt.Sprintf(words[a.Kind], a.Company, a.Measure)
	case Back, Fork, Rollback, LogRestored:
		s = fmt.Sprintf(words[a.Kind], a.Company)
	default:
		s = fmt.Sprintf(words[a.Kind], a.Company, reason)
	}
	if a.Over {
		s = fmt.Sprintf(words["over"], s)
	}
	return s
}

// tell gives an alarm in every declared way. What fails in one does not keep it from the others.
func (w *Watch) tell(ctx context.Context, a Alarm) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	how := w.File.Alarm
	encoded, err := json.Marshal(a)
	if err != nil {
		return err
	}
	w.Log.Warn(a.Text, "event.kind", "alert", "event.action", a.Kind, "rule.id", a.Measure, "event.end", a.Over)
	var failed []error
	if len(how.Command) > 0 {
		cmd := exec.CommandContext(ctx, how.Command[0], how.Command[1:]...) //nolint:gosec // declared by the witness's administrator
		cmd.Stdin, cmd.Env, cmd.WaitDelay = bytes.NewReader(encoded), []string{"PATH=/usr/bin:/bin"}, time.Second
		if err := cmd.Run(); err != nil {
			failed = append(failed, fmt.Errorf("the command of the alarm failed: %w", err))
		}
	}
	if how.Outbox != "" {
		if err := w.mail(a); err != nil {
			failed = append(failed, fmt.Errorf("the mail of the alarm cannot be written: %w", err))
		}
	}
	if how.Webhook != "" {
		answer, err := (&outgoing.Client{Private: true, UserAgent: "Garant witness"}).Do(ctx, outgoing.Request{
			Method: http.MethodPost, URL: how.Webhook, Body: encoded, Header: http.Header{"Content-Type": {"application/json"}},
		})
		switch {
		case err != nil:
			failed = append(failed, errors.New("the webhook of the alarm: "+outgoing.Reason(err)))
		case answer.Status < 200 || answer.Status > 299:
			failed = append(failed, fmt.Errorf("the webhook of the alarm answered %d", answer.Status))
		}
	}
	return errors.Join(failed...)
}

// mail leaves the alarm as a message (RFC 5322) in the outbox.
func (w *Watch) mail(a Alarm) error {
	subject := "[Garant] " + a.Text
	var b strings.Builder
	fmt.Fprintf(&b, "From: garant-witness@localhost\r\nTo: %s\r\nDate: %s\r\nSubject: %s\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\nAuto-Submitted: auto-generated\r\n\r\n%s\r\n\r\n%s, %s\r\n",
		oneLine(w.File.Alarm.Mail), a.At.UTC().Format(time.RFC1123Z), mime.QEncoding.Encode("utf-8", subject), a.Text, a.Witness, a.At.UTC().Format(time.RFC3339))
	for _, signed := range a.Proof {
		b.WriteString("\r\n" + strings.ReplaceAll(signed, "\n", "\r\n"))
	}
	f, err := os.CreateTemp(w.File.Alarm.Outbox, ".alarm-*")
	if err != nil {
		return err
	}
	_, err = f.WriteString(b.String())
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		_ = os.Remove(f.Name())
		return err
	}
	name := fmt.Sprintf("%s-%s.eml", a.At.UTC().Format("20060102T150405.000000000"), a.Kind)
	return os.Rename(f.Name(), filepath.Join(w.File.Alarm.Outbox, name))
}

// oneLine keeps line breaks out of a header.
func oneLine(s string) string { return strings.NewReplacer("\r", "", "\n", "").Replace(s) }
