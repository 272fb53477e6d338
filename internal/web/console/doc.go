// Package console is the frame of the pages for staff, and the pages of the house itself: the
// people, the estate, the audit record and the samples that auditors draw. Packages above add theirs:
// measure/console the desk, the checks and the measures, measure/tailoring/console the annex, the
// registers and mail their own.
//
// A Chrome is made once and given to whatever has pages in the console. It makes the page around
// a body (navigation, language, who is signed in), writes it with its status, shows errors in the
// reader's language, and collects what is due from those who registered a DueSource: the desk
// lists it and the navigation counts it.
//
// What holds of every page here:
//
//   - Routes name the permission of package actor that they need; the operations behind them
//     look again.
//   - A change is answered with 303 and a page that says it was done. Input that does not do is
//     answered with 422, the form as it was filled in, and what is wrong beside it.
//   - Lists are paged by key, keep their filters in the address, and come as CSV (RFC 4180), of
//     which no cell can be a formula.
//   - Names of persons are shown to those who may read persons; to others, a short id.
//   - A one-time link is in the body of one answer and nowhere else: not in an address, not in
//     the record.
package console
