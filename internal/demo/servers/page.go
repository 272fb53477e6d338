package servers

import (
	"fmt"
	"html/template"
	"net"
	"net/http"
	"time"
)

// pageText is the one page of an example endpoint. It says what it is, in both languages.
const pageText = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{{.Name}} – example</title>
<style>
body { font: 1.1rem/1.6 Georgia, serif; max-width: 34rem; margin: 15vh auto 0; padding: 0 1rem; color: #1c1b19; background: #faf8f4 }
h1 { font-size: 1.5rem }
@media (prefers-color-scheme: dark) { body { color: #eae6de; background: #191816 } }
</style>
</head>
<body>
<main>
<h1>{{.Name}}</h1>
<p>{{if .Company}}{{.Company}} is a fictitious company. {{end}}This server is a fictitious example that Garant started on this machine, so that its checks have something real to look at. It offers no service and keeps no data.</p>
<p lang="fr">{{if .Company}}{{.Company}} est une entreprise fictive. {{end}}Ce serveur est un exemple fictif que Garant a démarré sur cette machine, afin que ses contrôles aient de quoi contrôler. Il ne rend aucun service et ne conserve aucune donnée.</p>
</main>
</body>
</html>
`

// serve answers on both sides.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	fault := s.Fault()
	if r.TLS == nil && fault != FaultPlainHTTP {
		host := s.config.Name
		if port := s.Port(); port != 443 {
			host = net.JoinHostPort(host, fmt.Sprint(port))
		}
		http.Redirect(w, r, "https://"+host+r.URL.EscapedPath(), http.StatusPermanentRedirect)
		return
	}
	h := w.Header()
	if r.TLS != nil && fault != FaultNoHSTS {
		maxAge := s.config.HSTSMaxAge
		if fault == FaultShortHSTS {
			maxAge = shortMaxAge
		}
		h.Set("Strict-Transport-Security", fmt.Sprintf("max-age=%d; includeSubDomains", int64(maxAge/time.Second)))
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	if r.URL.Path != "/" {
		w.WriteHeader(http.StatusNotFound)
	}
	if r.Method == http.MethodHead {
		return
	}
	page, err := template.New("page").Parse(pageText)
	if err != nil {
		http.Error(w, "The page could not be written.", http.StatusInternalServerError)
		return
	}
	_ = page.Execute(w, struct{ Name, Company string }{s.config.Name, s.config.Company}) // the client may have gone
}
