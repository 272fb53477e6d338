// Package plan holds anonymise.yaml: what becomes of every column in an anonymised copy.
//
// It is written by garant anonymise plan, reviewed by a person, kept beside the application's migrations, and is what a run carries out. [Plan.Write] gives
// sorted YAML that explains itself; [Load] reads it strictly: an unknown key, a transformer that there is not, an argument that it does not take are
// mistakes, each told with its line and what to write instead. A file with a mistake gives nothing.
//
// # Fail closed
//
// [Plan.Check] holds a plan to a database. A table, a column or a type that the plan does not know, a transformer that does not fit, a question that nobody has
// answered, a foreign key whose two sides would no longer meet: each is a [Problem] with the lines to write, and while there is one no copy is made. What a
// document holds is only seen when it is read: a path that the plan does not know stops the run (transformer json).
//
// # Who decides
//
// [Propose] writes what names, types, comments, constraints and samples speak for (package detect). Where they do not speak clearly, or speak against a class that
// stands in the plan, there is a question. A person answers by correcting the entry and removing the question; a reason stands for an answer that contradicts detection.
// [Diff] adds what a migration needs and touches nothing that stands there.
//
// # Names
//
// Tables are written with their schema as PostgreSQL would print them ("Odd Schema"."T.x"), columns as they are. A partitioned table stands once, by its root.
package plan
