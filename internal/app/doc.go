// Package app wires the house: the one list of engines, the joins between them, and the
// processes made of them. It holds no logic of its own.
package app
