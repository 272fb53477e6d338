// Package arch holds the house in order. It has no code, only tests, which read the source of
// the whole module and fail when
//
//   - a package imports upward, sideways, or one that has no place in the house;
//   - code that the product runs imports code made for tests;
//   - a file is too long to be read in one sitting, a package is a drawer for anything, or work
//     is done or state is kept where no caller can see it;
//   - a module is linked that docs/dependencies.md does not justify;
//   - a manual links to what is not there, or a comment or a message names a test or a manual that is not.
//
// Imports go downward only:
//
//	cmd, bench
//	app
//	annex, demo, discover, engine/*, witness   (none imports another)
//	measure
//	mail
//	web, job, strictyaml
//	directory, document, estate
//	audit
//	token
//	crypt
//	pg
//	outgoing
//	actor, errs, calendar
//
// A new package gets its place in the table of layers in imports_test.go, with a decision record
// when the place is not obvious.
package arch
