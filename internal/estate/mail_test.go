package estate_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/garant-project/garant/internal/estate"
)

func TestMailSettings(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "pw"), []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	server := func(text string) (*estate.Server, error) { return estate.ParseServer([]byte(text), estate.Dir(dir)) }

	s, err := server("mail: {from: Garant <garant@company.example>, server: 'smtps://garant@mail.company.example', password: 'file:pw'}")
	if err != nil || !s.Mail.Enabled() || s.Mail.From.Address != "garant@company.example" || s.Mail.Host != "mail.company.example" || s.Mail.Port != 465 || !s.Mail.Implicit || s.Mail.User != "garant" {
		t.Fatalf("%+v, %v", s, err)
	}
	if password, err := s.Mail.Password.Reveal(); err != nil || password != "s3cret" {
		t.Errorf("%v", err)
	}
	s, err = server("mail: {from: garant@company.example, server: 'smtp://relay.company.example:2587'}")
	if err != nil || s.Mail.Implicit || s.Mail.Port != 2587 || s.Mail.User != "" {
		t.Errorf("%+v, %v", s, err)
	}
	s, err = server("mail: {from: garant@company.example, outbox: outbox}")
	if err != nil || s.Mail.Outbox != filepath.Join(dir, "outbox") || !s.Mail.Enabled() {
		t.Errorf("%+v, %v", s, err)
	}
	if s, err = server("listen: {console: '127.0.0.1:1'}"); err != nil || s.Mail.Enabled() {
		t.Errorf("without the section: %+v, %v", s, err)
	}

	for name, c := range map[string]struct{ text, says string }{
		"no sender":          {"mail: {outbox: o}", "mail.from"},
		"nowhere":            {"mail: {from: a@b.example}", "There is nowhere to send messages."},
		"both":               {"mail: {from: a@b.example, outbox: o, server: 'smtp://b.example'}", "to a server or into a directory"},
		"sender":             {"mail: {from: nobody, outbox: o}", `"nobody" is not an e-mail address.`},
		"two lines":          {"mail: {from: \"a@b.example\\nBcc: c@d.example\", outbox: o}", "mail.from"},
		"scheme":             {"mail: {from: a@b.example, server: 'http://b.example'}", "is not the address of a mail server"},
		"port":               {"mail: {from: a@b.example, server: 'smtp://b.example:0'}", "is not the address of a mail server"},
		"path":               {"mail: {from: a@b.example, server: 'smtp://b.example/x'}", "is not the address of a mail server"},
		"password in it":     {"mail: {from: a@b.example, server: 'smtps://u:hunter2@b.example'}", "A password in an address"},
		"name alone":         {"mail: {from: a@b.example, server: 'smtps://u@b.example'}", "without a password"},
		"password alone":     {"mail: {from: a@b.example, server: 'smtps://b.example', password: 'file:pw'}", "Nobody is named"},
		"password in a file": {"mail: {from: a@b.example, server: 'smtps://u@b.example', password: hunter2}", "stays in its history"},
		"password, outbox":   {"mail: {from: a@b.example, outbox: o, password: 'file:pw'}", "A directory asks for no password."},
		"trust":              {"mail: {from: a@b.example, server: 'smtps://b.example', trust: 'file:pw'}", "mail.trust"},
		"unknown":            {"mail: {from: a@b.example, outbox: o, starttls: no}", "starttls"},
	} {
		_, err := server(c.text)
		if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
