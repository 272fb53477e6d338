package endpoint

// Problem is the id of a message that says what is wrong with a target; the message that says
// what to do about it is the id followed by ".fix".
type Problem string

// The problems that hide a target from a check. They make a finding Error.
const (
	Unreachable         Problem = "endpoint.unreachable"
	Silent              Problem = "endpoint.silent"
	Impostor            Problem = "endpoint.impostor"
	CheckBroken         Problem = "endpoint.check_broken"
	TLSUnreadable       Problem = "endpoint.tls.unreadable"
	SuitesUnknown       Problem = "endpoint.tls.suites_unknown"
	PlaintextUnknown    Problem = "endpoint.tls.plaintext_unknown"
	PlainUnreadable     Problem = "endpoint.plainhttp.unreadable"
	HSTSUntrusted       Problem = "endpoint.hsts.untrusted"
	HSTSUnreadable      Problem = "endpoint.hsts.unreadable"
	CertificateNotShown Problem = "endpoint.certificate.not_shown"
)

// The problems that a target really has. They make a finding Fail.
const (
	NoTLS               Problem = "endpoint.tls.none"
	OldVersion          Problem = "endpoint.tls.old_version"
	NoModernVersion     Problem = "endpoint.tls.no_modern_version"
	WeakSuite           Problem = "endpoint.tls.weak_suite"
	NoForwardSecrecy    Problem = "endpoint.tls.no_forward_secrecy"
	PlaintextAccepted   Problem = "endpoint.tls.plaintext"
	PlainContent        Problem = "endpoint.plainhttp.content"
	PlainOtherHost      Problem = "endpoint.plainhttp.other_host"
	PlainInsecure       Problem = "endpoint.plainhttp.insecure_redirect"
	HSTSMissing         Problem = "endpoint.hsts.missing"
	HSTSMalformed       Problem = "endpoint.hsts.malformed"
	HSTSDisabled        Problem = "endpoint.hsts.disabled"
	HSTSShort           Problem = "endpoint.hsts.short"
	HSTSSubdomains      Problem = "endpoint.hsts.subdomains"
	CertificateExpired  Problem = "endpoint.certificate.expired"
	CertificateEarly    Problem = "endpoint.certificate.not_yet_valid"
	CertificateExpiring Problem = "endpoint.certificate.expiring"
	CertificateName     Problem = "endpoint.certificate.wrong_name"
	CertificateTrust    Problem = "endpoint.certificate.untrusted"
	CertificateChain    Problem = "endpoint.certificate.incomplete_chain"
	CertificateIssuer   Problem = "endpoint.certificate.issuer"
	CertificateDecoy    Problem = "endpoint.certificate.decoy"
	CertificateLifetime Problem = "endpoint.certificate.lifetime"
)

// Blind reports whether the problem hides the target rather than being a fault of it.
func (p Problem) Blind() bool {
	switch p {
	case Unreachable, Silent, Impostor, CheckBroken, TLSUnreadable, SuitesUnknown, PlaintextUnknown,
		PlainUnreadable, HSTSUntrusted, HSTSUnreadable, CertificateNotShown:
		return true
	}
	return false
}

// Problems returns every problem that the engine's findings can name.
func Problems() []Problem {
	return []Problem{Unreachable, Silent, Impostor, CheckBroken, TLSUnreadable, SuitesUnknown, PlaintextUnknown,
		PlainUnreadable, HSTSUntrusted, HSTSUnreadable, CertificateNotShown,
		NoTLS, OldVersion, NoModernVersion, WeakSuite, NoForwardSecrecy, PlaintextAccepted,
		PlainContent, PlainOtherHost, PlainInsecure,
		HSTSMissing, HSTSMalformed, HSTSDisabled, HSTSShort, HSTSSubdomains,
		CertificateExpired, CertificateEarly, CertificateExpiring, CertificateName, CertificateTrust,
		CertificateChain, CertificateIssuer, CertificateDecoy, CertificateLifetime}
}
