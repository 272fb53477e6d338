// Package filltest fills any PostgreSQL schema with invented rows that look like those of people, and looks for them afterwards by means that are none of
// the product's: grep over what pg_dump writes. It is made for tests, and for trying the product on schemas of others.
//
// [Fill] respects types, NOT NULL, enumerations, domains, checks, unique and exclusion constraints, partitions and foreign keys, cyclic ones included: what its
// first guess does not meet it tries otherwise, and says what stays empty. The same schema and seed give the same rows. [Filled] remembers what of it
// leads to somebody, by value, and which columns and paths hold it: an answer sheet for the questions of a plan.
//
// It knows columns by their names as somebody does who reads the schema; the list (meaning.go) is its own and shares nothing with package detect.
package filltest
