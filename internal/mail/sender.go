package mail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/mail"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
)

// What can go wrong with a message, as message ids.
const (
	problemUnreachable = "mail.problem.unreachable" // the server does not answer
	problemTLS         = "mail.problem.tls"         // not under TLS, or not with a certificate of its name
	problemSignIn      = "mail.problem.sign_in"     // the server does not take name and password
	problemRefused     = "mail.problem.refused"     // the server does not take the message or its reader
	problemOutbox      = "mail.problem.outbox"      // the directory cannot be written
	problemSettings    = "mail.problem.settings"    // the password cannot be read
	problemLetter      = "mail.problem.letter"      // the message cannot be written
	problemExpired     = "mail.problem.expired"     // not worth sending any more
	problemGone        = "mail.problem.gone"        // the reader has no account any more
	problemNothing     = "mail.problem.nothing"     // there was nothing to say any more
)

// failure is why a message was not sent.
type failure struct {
	problem   string
	permanent bool
	err       error // for the log; holds no address and no password
}

func (f *failure) Error() string {
	if f.err == nil {
		return f.problem
	}
	return f.problem + ": " + f.err.Error()
}

// envelope is a message ready to go.
type envelope struct {
	id         string // unique, of the message
	to         mail.Address
	lang       string
	subject    string
	body       string
	digestPage string // where digests are stopped; empty: not a digest
	at         time.Time
}

// sender hands messages over.
type sender interface {
	send(ctx context.Context, e envelope) *failure
	String() string // where messages go, for pages
}

// newSender makes the sender that the settings ask for; nil when mail is off.
func newSender(s estate.Mail, timeout time.Duration) sender {
	switch {
	case s.Outbox != "":
		return &outbox{s}
	case s.Host != "":
		return &server{s, timeout}
	}
	return nil
}

// compose makes the message as it travels (RFC 5322).
func compose(from mail.Address, e envelope) (*gomail.Msg, *failure) {
	for what, s := range map[string]string{"sender": from.Name + from.Address, "reader": e.to.Name + e.to.Address, "subject": e.subject, "id": e.id} {
		if err := line(what, s); err != nil {
			return nil, &failure{problemLetter, true, err}
		}
	}
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	m.FromMailAddress(&from)
	m.ToMailAddress(&e.to)
	if len(m.GetFrom()) != 1 || len(m.GetTo()) != 1 {
		return nil, &failure{problemLetter, true, errors.New("an address is not one")}
	}
	_, domain, _ := strings.Cut(from.Address, "@")
	m.SetMessageIDWithValue(e.id + "@" + domain)
	m.SetDateWithValue(e.at)
	m.Subject(e.subject)
	m.SetGenHeader("Content-Language", e.lang)
	m.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: nobody's holiday notice answers
	if e.digestPage != "" {
		m.SetGenHeader("List-Unsubscribe", "<"+e.digestPage+">")
	}
	m.SetBodyString(gomail.TypeTextPlain, e.body)
	return m, nil
}

// outbox writes messages into a directory.
type outbox struct{ settings estate.Mail }

func (o *outbox) String() string { return o.settings.Outbox }

func (o *outbox) send(_ context.Context, e envelope) *failure {
	m, failed := compose(o.settings.From, e)
	if failed != nil {
		return failed
	}
	if err := os.MkdirAll(o.settings.Outbox, 0o700); err != nil {
		return &failure{problemOutbox, false, fileError(err)}
	}
	f, err := os.CreateTemp(o.settings.Outbox, ".new-*")
	if err != nil {
		return &failure{problemOutbox, false, fileError(err)}
	}
	_, err = m.WriteTo(f)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(o.settings.Outbox, filepath.Base(e.id)+".eml"))
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return &failure{problemOutbox, false, fileError(err)}
	}
	return nil
}

// fileError is an error without the path in it.
func fileError(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	var link *os.LinkError
	if errors.As(err, &link) {
		return link.Err
	}
	return err
}

// server speaks SMTP.
type server struct {
	settings estate.Mail
	timeout  time.Duration
}

func (s *server) String() string { return s.settings.Host }

// client makes a client of the library. conn is its connection, once it has one: the library leaves it
// open where STARTTLS or signing in fails.
func (s *server) client(conn *net.Conn) (*gomail.Client, *failure) {
	config := &tls.Config{ServerName: s.settings.Host, MinVersion: tls.VersionTLS12}
	if s.settings.TrustPEM != nil {
		config.RootCAs = x509.NewCertPool()
		config.RootCAs.AppendCertsFromPEM(s.settings.TrustPEM)
	}
	_, domain, _ := strings.Cut(s.settings.From.Address, "@")
	options := []gomail.Option{
		gomail.WithPort(s.settings.Port), gomail.WithTimeout(s.timeout), gomail.WithTLSConfig(config), gomail.WithHELO(domain),
		gomail.WithTLSPolicy(gomail.TLSMandatory), gomail.WithDialContextFunc(func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := s.dial(ctx, network, address, config)
			*conn = c
			return c, err
		}),
	}
	if s.settings.Implicit {
		options = append(options, gomail.WithSSL())
	}
	if s.settings.User != "" {
		password, err := s.settings.Password.Reveal()
		if err != nil {
			return nil, &failure{problemSettings, false, errs.New(errs.Invalid, "estate.secret", "The password of the mail server cannot be read.")}
		}
		options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(s.settings.User), gomail.WithPassword(password))
	}
	c, err := gomail.NewClient(s.settings.Host, options...)
	if err != nil {
		return nil, &failure{problemSettings, false, errors.New("the settings of the mail server cannot be used")}
	}
	return c, nil
}

func (s *server) dial(ctx context.Context, network, address string, config *tls.Config) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil || !s.settings.Implicit {
		return c, err
	}
	secure := tls.Client(c, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = c.Close()
		return nil, err
	}
	return secure, nil
}

func (s *server) send(ctx context.Context, e envelope) *failure {
	m, failed := compose(s.settings.From, e)
	if failed != nil {
		return failed
	}
	var conn net.Conn
	c, failed := s.client(&conn)
	if failed != nil {
		return failed
	}
	defer func() {
		if conn != nil {
			_ = conn.Close()
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, 3*s.timeout)
	defer cancel()
	if err := c.DialWithContext(ctx); err != nil {
		return dialFailure(err)
	}
	err := c.Send(m)
	_ = c.Close() // the message has been taken, or not, by now
	var refused *gomail.SendError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused) && refused.ErrorCode() >= 500:
		return &failure{problemRefused, true, codeOf(refused.ErrorCode())}
	case errors.As(err, &refused) && refused.ErrorCode() >= 400:
		return &failure{problemRefused, false, codeOf(refused.ErrorCode())}
	}
	return &failure{problemUnreachable, false, errors.New("the connection was lost")}
}

func codeOf(code int) error { return errors.New("SMTP status " + string(rune('0'+code/100)) + "xx") }

// dialFailure says why there is no conversation. The text of the library's errors may hold what
// the server wrote, so it goes nowhere.
func dialFailure(err error) *failure {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var verification *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var network *net.OpError
	var answer *textproto.Error
	text := strings.ToLower(err.Error())
	switch {
	case errors.As(err, &unknown), errors.As(err, &name), errors.As(err, &invalid), errors.As(err, &verification), errors.As(err, &record), errors.As(err, &alert),
		strings.Contains(text, "starttls"), strings.Contains(text, "tls:"):
		return &failure{problemTLS, false, errors.New("no TLS with the mail server")}
	case errors.As(err, &network):
		return &failure{problemUnreachable, false, errors.New("no connection to the mail server")}
	case errors.As(err, &answer) && (answer.Code == 530 || answer.Code == 534 || answer.Code == 535 || answer.Code == 538), strings.Contains(text, "auth"):
		return &failure{problemSignIn, false, errors.New("the mail server takes no name and password")}
	}
	return &failure{problemUnreachable, false, errors.New("no conversation with the mail server")}
}
