// Package console is the pages on which a company makes the annex its own: every measure with
// its state as the draft has it and the next step, the editing of one measure, of the figures and of
// the company, measures of one's own, the review by a second person, and the versions. All of them
// work without JavaScript; what is wrong with a text comes back with the form, beside the field.
package console
