// Package verify holds a database to its isolation.yaml: it reads the catalogue and judges it by a
// table of checks, and tries as the application's role what an attacker would try.
package verify
