package estate_test

import (
	"strings"
	"testing"

	"github.com/garant-project/garant/internal/estate"
)

type badFile struct{ name, source, want string }

func TestBadFiles(t *testing.T) {
	for _, c := range badFiles() {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := estate.Validate([]byte(c.source), "/nowhere")
			if err == nil {
				t.Fatal("no mistake is found")
			}
			if err.Error() != c.want {
				t.Errorf("\n got %s\nwant %s", err, c.want)
			}
		})
	}
}

func badFiles() []badFile {
	endpoint := func(s string) string { return company + "endpoints:\n" + s }
	return []badFile{
		{"empty", "",
			`garant.yaml:1: The file is empty. Start from the example in docs/garant.yaml.`},
		{"only comments", "# nothing\n",
			`garant.yaml:1: The file is empty. Start from the example in docs/garant.yaml.`},
		{"utf-16", "\xff\xfec\x00o\x00",
			`garant.yaml:1: The file is in UTF-16. Save it as UTF-8 without a byte order mark.`},
		{"byte order mark", "\xef\xbb\xbf" + company,
			`garant.yaml:1: The file starts with a byte order mark. Save it as UTF-8 without a byte order mark.`},
		{"latin-1", "company:\n  name: Ardoise M\xe9c\xe9nat\n",
			`garant.yaml:2: The file is not UTF-8 from here. Save it as UTF-8 without a byte order mark.`},
		{"control character", "company:\n  name: a\x00b\n",
			`garant.yaml:2: The character U+0000 stands here, which nobody can see. Remove it.`},
		{"bidi", "company:\n  name: a\u202eb\n",
			`garant.yaml:2: The character U+202E stands here, which nobody can see. Remove it.`},
		{"old mac", "company:\r  name: a\r",
			`garant.yaml:1: A carriage return stands alone here. End lines with a line feed, or with carriage return and line feed.`},
		{"tab", "company:\n\tname: Ardoise\n",
			`garant.yaml:2: The line is indented with a tab. Indent with spaces.`},
		{"second document", company + "---\ncompany: {}\n",
			`garant.yaml:8: A second document starts here. Keep one document in the file: remove the line --- and what follows it.`},
		{"list at the top", "- company\n",
			`garant.yaml:1: The file must be made of sections. Start a section with its name and a colon: company, endpoints, databases, checks, imports, witness, audit, logs, cloud_logs, workspace or policy.`},
		{"text at the top", "company\n",
			`garant.yaml:1: The file must be made of sections. Start a section with its name and a colon: company, endpoints, databases, checks, imports, witness, audit, logs, cloud_logs, workspace or policy.`},
		{"anchor", "company: &c\n  name: a\n",
			`garant.yaml:1: A value starts with &, which names it for repetition. Remove the name: what is declared must be read in one place.`},
		{"alias bomb", "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", lines(
			`garant.yaml:1: A value starts with &, which names it for repetition. Remove the name: what is declared must be read in one place.`,
			`garant.yaml:2: A value starts with &, which names it for repetition. Remove the name: what is declared must be read in one place.`,
			`garant.yaml:3: A value starts with *, which repeats another part of the file. Write the value out: what is declared must be read in one place.`,
			`garant.yaml:3: A value starts with *, which repeats another part of the file. Write the value out: what is declared must be read in one place.`,
		)},
		{"unknown alias", company + "policy: *strict\n",
			`garant.yaml:8: A value starts with *, which would repeat another part of the file. Write the value out, or put it in quotes if the * belongs to it.`},
		{"merge", company + "policy:\n  <<: {every: 1m}\n",
			`garant.yaml:9: policy: Sections cannot be merged into one another. Write the keys out.`},
		{"tag", company + "policy:\n  every: !!str 1m\n",
			`garant.yaml:9: A value starts with !, which Garant does not use. Put the value in quotes if the ! belongs to it.`},
		{"deep", company + "policy: " + deep(30) + "\n",
			`garant.yaml:8: The file nests too deep. Garant reads lists and sections at most six levels deep.`},
		{"very deep", company + "policy: " + deep(20000) + "\n",
			`garant.yaml:8: The file nests too deep. Garant reads lists and sections at most six levels deep.`},
		{"indentation", "company:\n  name: Ardoise\n   country: BE\n",
			`garant.yaml:3: A colon stands where no key can be. Check the indentation of this line and the one before; put a text that holds a colon and a space in quotes.`},
		{"lost indentation", "company:\n  name: Ardoise\n country: BE\n",
			`garant.yaml:3: The line does not fit the lines above it. Indent it like the other keys of its section; quote a text as a whole or not at all.`},
		{"no colon", company + "policy:\n  every 1m\n  hsts_subdomains: true\n",
			`garant.yaml:10: A colon stands where no key can be. Check the indentation of this line and the one before; put a text that holds a colon and a space in quotes.`},
		{"open quote", "company:\n  name: \"Ardoise\n  country: BE\n",
			`garant.yaml:2: A quotation mark is opened here and never closed. Close it on the same line.`},
		{"open bracket", "company:\n  name: A\n  languages: [fr, en\n  country: BE\n",
			`garant.yaml:3: A list in brackets is not closed, or lacks a comma. Write it as [one, two].`},
		{"at sign", "company:\n  name: @ardoise\n",
			`garant.yaml:2: A value starts with a character that YAML keeps for itself. Put the value in quotes.`},
		{"unknown section", company + "endpoint: []\n",
			`garant.yaml:8: endpoint: There is no such section. Did you mean endpoints?`},
		{"unknown section, nothing near", company + "wardrobe: 1\n",
			`garant.yaml:8: wardrobe: There is no such section. The sections are company, endpoints, databases, checks, imports, witness, audit, logs, cloud_logs, workspace, policy, database, listen, hosts, tls, trusted_proxy, keys and mail.`},
		{"measures", company + "measures: {}\n",
			`garant.yaml:8: measures: The section is kept for later versions. Remove it.`},
		{"unknown key", company + "policy:\n  hsts_maxage: 365d\n",
			`garant.yaml:9: policy.hsts_maxage: There is no such key. Did you mean hsts_max_age?`},
		{"unknown key, nothing near", company + "policy:\n  password: hunter2\n",
			`garant.yaml:9: policy.password: There is no such key. The keys here are tls_versions, hsts_max_age, hsts_subdomains, certificate_remaining, certificate_lifetime_max, customer_data_teams and every.`},
		{"key twice", company + "policy:\n  every: 1m\n  every: 2m\n",
			`garant.yaml:10: policy.every: The key is written twice; the first is on line 9. Keep one of them.`},
		{"section twice", company + "company: {}\n",
			`garant.yaml:8: company: The key is written twice; the first is on line 1. Keep one of them.`},
		{"key is a list", company + "policy:\n  ? [every]\n  : 1m\n",
			`garant.yaml:9: policy: A key must be one word. Write it as key: value.`},
		{"no company", "endpoints:\n" + application,
			`garant.yaml:1: company: The section is missing. Say whose annex it is: name, country, languages, time_zone and contact.`},
		{"empty company", "company:\n",
			`garant.yaml:1: company: Keys and values belong here, not nothing. Write one key a line, indented: name, legal_name, country, languages, time_zone and contact.`},
		{"company is a text", "company: Ardoise\n",
			`garant.yaml:1: company: Keys and values belong here, not a text. Write one key a line, indented: name, legal_name, country, languages, time_zone and contact.`},
		{"company lacks all", "company: {}\n", lines(
			`garant.yaml:1: company.name: The key is missing. Write the name customers know.`,
			`garant.yaml:1: company.country: The key is missing. Write the two letters of the country, such as BE.`,
			`garant.yaml:1: company.languages: The key is missing. List fr, en or both, the language of reference first.`,
			`garant.yaml:1: company.time_zone: The key is missing. Write the zone of your due dates, such as Europe/Brussels.`,
			`garant.yaml:1: company.contact: The key is missing. Write the mail address for questions about the annex.`,
		)},
		{"name is a number", "company:\n  name: 42\n  country: BE\n  languages: [fr]\n  time_zone: UTC\n  contact: a@b.example\n",
			`garant.yaml:2: company.name: A text belongs here, not a number. Put it in quotes if it is meant as text.`},
		{"values", "company:\n  name: ''\n  country: UK\n  languages: [fr, fr, nl, true]\n  time_zone: Brussels\n  contact: Data <a@b.example>\n", lines(
			`garant.yaml:2: company.name: The value is empty. Write one, or remove the line.`,
			`garant.yaml:3: company.country: "UK" is not a country of ISO 3166-1. Write GB.`,
			`garant.yaml:4: company.languages[1]: "fr" is listed twice. Keep one of them.`,
			`garant.yaml:4: company.languages[2]: "nl" is not a language of the annex. Write fr or en.`,
			`garant.yaml:4: company.languages[3]: A text belongs here, not true or false. Put it in quotes if it is meant as text.`,
			`garant.yaml:5: company.time_zone: "Brussels" is not a time zone. Write a name of the IANA list, such as Europe/Brussels.`,
			`garant.yaml:6: company.contact: "Data <a@b.example>" is not a mail address. Write the address alone, such as dpo@company.example.`,
		)},
		{"more values", "company:\n  name: \"a\\nb\"\n  country: belgium\n  languages: fr\n  time_zone: Local\n  contact: [a@b.example]\n", lines(
			`garant.yaml:2: company.name: The text holds a line break or a character that nobody can see. Write it on one line.`,
			`garant.yaml:3: company.country: "belgium" is not a country of ISO 3166-1. Write its two letters, such as BE or FR.`,
			`garant.yaml:4: company.languages: A list belongs here, not a text. List fr, en or both: [fr, en].`,
			`garant.yaml:5: company.time_zone: "Local" is not a time zone. Write a name of the IANA list, such as Europe/Brussels.`,
			`garant.yaml:6: company.contact: A text belongs here, not a list.`,
		)},
		{"endpoints are a map", company + "endpoints:\n  application: https://a.example\n",
			`garant.yaml:9: endpoints: A list belongs here, not keys and values. List each address with a name, a url, an environment and an audience, or remove the section.`},
		{"no endpoints in it", company + "endpoints: []\n",
			`garant.yaml:8: endpoints: The list is empty. List each address with a name, a url, an environment and an audience, or remove the section.`},
		{"endpoint is a text", endpoint("  - https://a.example\n"),
			`garant.yaml:9: endpoints[0]: Keys and values belong here, not a text. Write one key a line, indented: name, url, connect, plain_http, environment, audience, trust, identity and issuer.`},
		{"endpoint lacks all", endpoint("  - issuer: X\n"), lines(
			`garant.yaml:9: endpoints[0].name: The key is missing. Give the endpoint a short name that will not change, such as application.`,
			`garant.yaml:9: endpoints[0].url: The key is missing. Write the address, such as https://app.company.example.`,
			`garant.yaml:9: endpoints[0].environment: The key is missing. Write production or non-production.`,
			`garant.yaml:9: endpoints[0].audience: The key is missing. Write public or admin.`,
		)},
		{"environment", endpoint("  - name: a\n    url: https://a.example\n    environment: prod\n    audience: publik\n"), lines(
			`garant.yaml:11: endpoints[0].environment: "prod" is not an environment. Write production or non-production.`,
			`garant.yaml:12: endpoints[0].audience: "publik" is not an audience. Did you mean public? Write public or admin.`,
		)},
		{"bad name", endpoint("  - name: My App\n    url: https://a.example\n    environment: production\n    audience: public\n"),
			`garant.yaml:9: endpoints[0].name: "My App" is not a name. Use small letters, digits and hyphens, at most 63.`},
		{"name twice", endpoint(application + "  - name: application\n    url: https://b.example\n    environment: production\n    audience: public\n"),
			`garant.yaml:13: endpoints[1].name: The name "application" is taken by the endpoint on line 9. Names are unique: evidence is filed under them.`},
		{"address twice", endpoint(application + "  - name: b\n    url: https://APP.ardoise.example:443/\n    environment: production\n    audience: public\n"),
			`garant.yaml:14: endpoints[1].url: The same address is declared on line 9. Keep one of them: an address counts once.`},
		{"password in url", endpoint(url("https://user:hunter2@a.example")),
			`garant.yaml:10: endpoints[0].url: The address holds a user name or a password. Write the host alone: the checks sign in nowhere.`},
		{"password in connect", endpoint(application + "    connect: hunter2@a.example:1\n"),
			`garant.yaml:13: endpoints[0].connect: This is not a host with a port. Write HOST:PORT, such as 127.0.0.1:9443.`},
		{"query", endpoint(url("https://a.example/?token=x")),
			`garant.yaml:10: endpoints[0].url: The address holds a query or a fragment. Leave out what follows the path.`},
		{"fragment", endpoint(url("https://a.example/#x")),
			`garant.yaml:10: endpoints[0].url: The address holds a query or a fragment. Leave out what follows the path.`},
		{"plain http", endpoint(url("http://a.example")),
			`garant.yaml:10: endpoints[0].url: The address is plain HTTP, which the annex rules out. Write the https:// address; plain_http names where plain HTTP would answer.`},
		{"ftp", endpoint(url("ftp://a.example")),
			`garant.yaml:10: endpoints[0].url: "ftp" is not a protocol that is checked. Write https://HOST, https://HOST:PORT/PATH or postgres://HOST:PORT.`},
		{"no scheme", endpoint(url("a.example")),
			`garant.yaml:10: endpoints[0].url: This is not an address. Write https://HOST, https://HOST:PORT/PATH or postgres://HOST:PORT.`},
		{"no host", endpoint(url("https:///path")),
			`garant.yaml:10: endpoints[0].url: The address names no host. Write https://HOST, https://HOST:PORT/PATH or postgres://HOST:PORT.`},
		{"bad host", endpoint(url("https://a_b.example")),
			`garant.yaml:10: endpoints[0].url: "a_b.example" is not a host name. Write https://HOST, https://HOST:PORT/PATH or postgres://HOST:PORT.`},
		{"bad address", endpoint(url("https://127.0.0.256")),
			`garant.yaml:10: endpoints[0].url: "127.0.0.256" is not a host name. Write https://HOST, https://HOST:PORT/PATH or postgres://HOST:PORT.`},
		{"port 0", endpoint(url("https://a.example:0")),
			`garant.yaml:10: endpoints[0].url: "0" is not a port. Write a number from 1 to 65535, or leave it out.`},
		{"port too high", endpoint(url("https://a.example:65536")),
			`garant.yaml:10: endpoints[0].url: "65536" is not a port. Write a number from 1 to 65535, or leave it out.`},
		{"port is a word", endpoint(url("https://a.example:web")),
			`garant.yaml:10: endpoints[0].url: This is not an address. Write https://HOST, https://HOST:PORT/PATH or postgres://HOST:PORT.`},
		{"database named", endpoint(url("postgres://a.example/customers")),
			`garant.yaml:10: endpoints[0].url: The address names a database. Write postgres://HOST:PORT: no database is opened.`},
		{"plain_http of postgres", endpoint(url("postgres://a.example") + "    plain_http: a.example:80\n"),
			`garant.yaml:13: endpoints[0].plain_http: PostgreSQL has no plain HTTP. Remove the line.`},
		{"connect without port", endpoint(application + "    connect: 127.0.0.1\n"),
			`garant.yaml:13: endpoints[0].connect: "127.0.0.1" is not a host with a port. Write HOST:PORT, such as 127.0.0.1:9443.`},
		{"trust away", endpoint(application + "    trust: file:ca.pem\n"),
			`garant.yaml:13: endpoints[0].trust: The file cannot be used: there is no such file. The path is taken from the directory of garant.yaml.`},
		{"identity", endpoint(application + "    identity: [sha256:12, sha1:" + hex64 + ", sha256:" + hex64 + ", sha256:" + hex64 + "]\n"), lines(
			`garant.yaml:13: endpoints[0].identity[0]: "sha256:12" is not the digest of a key. List sha256:HEX, 64 hexadecimal digits of the digest of a public key in the chain.`,
			`garant.yaml:13: endpoints[0].identity[1]: "sha1:0123456789abcdef0123456789abcdef0123456789abcdef0123456…" is not the digest of a key. List sha256:HEX, 64 hexadecimal digits of the digest of a public key in the chain.`,
			`garant.yaml:13: endpoints[0].identity[3]: The digest is listed twice. Keep one of them.`,
		)},
		{"identity is a text", endpoint(application + "    identity: sha256:" + hex64 + "\n"),
			`garant.yaml:13: endpoints[0].identity: A list belongs here, not a text. List sha256:HEX, 64 hexadecimal digits of the digest of a public key in the chain.`},
		{"versions", company + "policy:\n  tls_versions: [1.2, \"1.1\", \"1.3\", \"1.3\", \"SSLv3\"]\n", lines(
			`garant.yaml:9: policy.tls_versions[0]: A version is a text, not a number. List "1.2", "1.3" or both, in quotes.`,
			`garant.yaml:9: policy.tls_versions[1]: TLS 1.1 is withdrawn (RFC 8996) and cannot be accepted. List "1.2", "1.3" or both, in quotes.`,
			`garant.yaml:9: policy.tls_versions[3]: "1.3" is listed twice. Keep one of them.`,
			`garant.yaml:9: policy.tls_versions[4]: "SSLv3" is not a version of TLS. List "1.2", "1.3" or both, in quotes.`,
		)},
		{"durations", company + "policy:\n  hsts_max_age: 365\n  hsts_subdomains: yes\n  certificate_remaining: two weeks\n  certificate_lifetime_max: 10y\n  every: 500ms\n", lines(
			`garant.yaml:9: policy.hsts_max_age: The number has no unit. Write a whole number with its unit, s, m, h, d, w or y, such as 14d.`,
			`garant.yaml:10: policy.hsts_subdomains: True or false belongs here, not a text. Write true or false.`,
			`garant.yaml:11: policy.certificate_remaining: "two weeks" is not a span of time. Write a whole number with its unit, s, m, h, d, w or y, such as 14d.`,
			`garant.yaml:12: policy.certificate_lifetime_max: "10y" is out of bounds. Write at least 1d and at most 825d.`,
			`garant.yaml:13: policy.every: "500ms" is not a span of time. Write a whole number with its unit, s, m, h, d, w or y, such as 14d.`,
		)},
		{"cadence", company + "policy:\n  every: 2d\n",
			`garant.yaml:9: policy.every: "2d" is out of bounds. Write at least 1s and at most 1d.`},
		{"impossible lifetime", company + "policy:\n  certificate_lifetime_max: 10d\n",
			`garant.yaml:9: policy.certificate_lifetime_max: No certificate can have 14d left and a lifetime of 10d at most. Make certificate_remaining shorter than certificate_lifetime_max.`},
		{"impossible remaining", company + "policy:\n  certificate_remaining: 200d\n",
			`garant.yaml:9: policy.certificate_remaining: No certificate can have 200d left and a lifetime of 100d at most. Make certificate_remaining shorter than certificate_lifetime_max.`},
		{"null value", company + "policy:\n  every:\n",
			`garant.yaml:9: policy.every: The value is empty. Write one, or remove the line.`},
		{"database, secret in the file", company + "database:\n  owner: postgres://garant_owner:hunter2@db/garant\n  staff: env:my url\n  login: [a]\n  public: env:P\n  portal: env:P\n  worker: file:w\n", lines(
			`garant.yaml:9: database.checker: The key is missing. Every role connects with credentials of its own; remove the section to use a private cluster.`,
			`garant.yaml:9: database.checkpoint: The key is missing. Every role connects with credentials of its own; remove the section to use a private cluster.`,
			`garant.yaml:9: database.retention: The key is missing. Every role connects with credentials of its own; remove the section to use a private cluster.`,
			`garant.yaml:9: database.owner: A secret written in the file is read by everybody who reads the file, and stays in its history. Write env:NAME or file:PATH, and keep the secret there.`,
			`garant.yaml:10: database.staff: This is not the name of an environment variable. Write env:NAME, with letters, digits and underscores.`,
			`garant.yaml:11: database.login: A reference to a secret belongs here. Write env:NAME or file:PATH, and keep the secret there.`,
		)},
		{"listen to all", company + "listen:\n  console: 0.0.0.0:443\n  annex: \":80\"\n  metrics: 9480\n", lines(
			`garant.yaml:9: listen.console: Plain HTTP would be open to other machines. Listen on 127.0.0.1, declare tls, or name in trusted_proxy the proxy that ends TLS.`,
			`garant.yaml:10: listen.annex: Plain HTTP would be open to other machines. Listen on 127.0.0.1, declare tls, or name in trusted_proxy the proxy that ends TLS.`,
			`garant.yaml:11: listen.metrics: A port alone would open it to every network. Write HOST:PORT, such as 127.0.0.1:8480.`,
		)},
		{"listen", company + "listen:\n  console: db.example:1\n  annex: 127.0.0.1\n  metrics: 127.0.0.1:70000\n", lines(
			`garant.yaml:9: listen.console: "db.example" is not an address of this machine. Write the numeric address, such as 127.0.0.1:8480.`,
			`garant.yaml:10: listen.annex: "127.0.0.1" is not an address to listen on. Write HOST:PORT, such as 127.0.0.1:8480.`,
			`garant.yaml:11: listen.metrics: "127.0.0.1:70000" is not an address to listen on. Write HOST:PORT, such as 127.0.0.1:8480.`,
		)},
		{"listen on any port", company + "listen:\n  console: 127.0.0.1:0\n",
			`garant.yaml:9: listen.console: "127.0.0.1:0" is not an address to listen on. Write HOST:PORT, such as 127.0.0.1:8480.`},
		{"listen twice", company + "listen:\n  console: 127.0.0.1:8000\n  annex: localhost:8000\n  metrics: 127.0.0.1:8000\n", lines(
			`garant.yaml:10: listen.annex: The address is the one of console and annex alike. Give each listener a port of its own.`,
			`garant.yaml:11: listen.metrics: The address is the one of console and metrics alike. Give each listener a port of its own.`,
			`garant.yaml:11: listen.metrics: The address is the one of annex and metrics alike. Give each listener a port of its own.`,
		)},
		{"listen where the other does", company + "listen:\n  console: 127.0.0.1:8481\n",
			`garant.yaml:9: listen.console: The address is the one of console and annex alike. Give each listener a port of its own.`},
		{"hosts over plain http", company + "hosts:\n  console: admin.ardoise.example\n  annex: trust.localhost\n",
			`garant.yaml:9: hosts.console: Browsers would reach this name over plain HTTP. Declare tls, or name in trusted_proxy the proxy that ends TLS; *.localhost needs neither.`},
		{"hosts", company + "hosts:\n  console: 127.0.0.1\n  annex: https://trust.localhost\n", lines(
			`garant.yaml:9: hosts.console: "127.0.0.1" is a number, and passkeys are bound to names. Write a name, such as admin.localhost.`,
			`garant.yaml:10: hosts.annex: "https://trust.localhost" is not a host name. Write the name alone, without https:// and without a port, such as admin.company.example.`,
		)},
		{"hosts alike", company + "hosts:\n  console: garant.localhost\n  annex: garant.localhost\n",
			`garant.yaml:10: hosts.annex: The console and the annex have the same name. Give each a name of its own: cookies of one must not reach the other.`},
		{"tls without key", company + "tls:\n  certificate: garant.pem\n", lines(
			`garant.yaml:9: tls.key: The key is missing. Write file:PATH or env:NAME of the PEM key.`,
			`garant.yaml:9: tls.certificate: The certificate stands in a file. Write file:PATH of the PEM chain.`,
		)},
		{"tls key in the file", company + "tls:\n  certificate: file:garant.pem\n  key: |\n    -----BEGIN PRIVATE KEY-----\n",
			`garant.yaml:10: tls.key: A secret written in the file is read by everybody who reads the file, and stays in its history. Write env:NAME or file:PATH, and keep the secret there.`},
		{"proxies", company + "trusted_proxy: [0.0.0.0/0, proxy.example, 10.0.0.1, 10.0.0.1/32]\n", lines(
			`garant.yaml:8: trusted_proxy[0]: "0.0.0.0/0" trusts most of the Internet to say who a visitor is. List the addresses of the proxies, such as 10.0.0.7 or 10.0.0.0/28.`,
			`garant.yaml:8: trusted_proxy[1]: "proxy.example" is not an address or a range of them. List the addresses of the proxies, such as 10.0.0.7 or 10.0.0.0/28.`,
			`garant.yaml:8: trusted_proxy[3]: "10.0.0.1/32" is listed twice. Keep one of them.`,
		)},
		{"proxy is a text", company + "trusted_proxy: 10.0.0.1\n",
			`garant.yaml:8: trusted_proxy: A list belongs here, not a text. List the addresses of the proxies, such as 10.0.0.7 or 10.0.0.0/28.`},
		{"keys", company + "keys:\n  provider: keyfiel\n",
			`garant.yaml:9: keys.provider: "keyfiel" is not a key provider. Did you mean keyfile? Write keyfile.`},
	}
}

const hex64 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func url(s string) string {
	return "  - name: a\n    url: " + s + "\n    environment: production\n    audience: public\n"
}

func deep(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
