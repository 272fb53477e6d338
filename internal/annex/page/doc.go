// Package page shows the annex to the public: the document itself, the proof behind one
// measure, the changes of state, and what is said when nothing can be.
//
// The views are plain structs that the annex fills in; this package decides alone how they
// read. It asserts a sentence only for a measure that is met. For anything else it says what
// was announced, since when that is withdrawn and, in general words, why; never which system,
// value or person is behind it. A state or a reason that it does not know reads as not proven.
//
// Pages are made without scripts and without anything that differs between two readers of the
// same language, so that their bytes may be kept and served again for as long as the view holds.
package page
