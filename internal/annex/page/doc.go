// Package page shows the annex to the public: the document itself, the proof behind one
// measure, the changes of state, and what is said when nothing can be.
//
// The views are plain structs that the annex fills in; this package decides alone how they
// read. It asserts a sentence only for a measure that is met. For anything else it says what
// was announced, since when that is withdrawn and, in general words, why; never which system,
// value or person is behind it. A state or a reason that it does not know reads as not proven.
//
// The same sentences stand in three orders: the annex's own, the headings of the standard clauses
// of Decision (EU) 2021/915, and the numbers of ISO/IEC 27001 Annex A. Each stands in full once,
// so that its id is one place on the page; what the annex does not state, it says that it does not.
//
// Pages are made without scripts and without anything that differs between two readers of the
// same language, so that their bytes may be kept and served again for as long as the view holds.
package page
