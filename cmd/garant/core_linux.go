package main

import "golang.org/x/sys/unix"

// noCore keeps this process, and those that it starts, from leaving their memory on a disk: keys are in it. A limit of one byte rather than none
// keeps programs of core_pattern out too (core(5)).
func noCore() {
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{Cur: 1, Max: 1}) // lowering is always allowed
}
