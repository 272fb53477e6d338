// Package web is the HTTP kit: sites, routes with permissions, requests, errors, metrics.
//
// A Site is one origin with its own listener, cookies and permissions. A route cannot be added
// without a permission; Public is one and has to be written. Handlers return errors of package
// errs; the kit alone decides what of them is shown, as a page or as JSON.
//
// Every response carries a strict Content-Security-Policy (no inline script or style, nothing
// from elsewhere). Requests that change something and come from another origin are refused
// (Sec-Fetch-Site and Origin, net/http.CrossOriginProtection). Requests for a host that the
// site does not answer for are refused, so that a name rebound to loopback reaches nothing.
//
// Sub-packages: ui holds the design system, words and formats; signin lets staff in; console is the
// frame of the pages for staff.
package web
