//go:build unix

package seen

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// allot gives n zeroed slots outside the collector's heap: what is given back is free at once, and a set of hundreds of megabytes does not
// let as much garbage pile up before the collector looks.
func allot(n int) []uint64 {
	b, err := unix.Mmap(-1, 0, n*8, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		panic(fmt.Sprintf("anonymise: no memory for %d bytes of the set of identifying values: %v", n*8, err)) // as the Go runtime does
	}
	dontDump(b)
	return unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(b))), n)
}

// allotWide gives slots that are read at random: in large pages where the system has them, since half the time of such a read is spent on finding out where a small page is.
func allotWide(n int) []uint64 {
	slots := allot(n)
	widePages(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(slots))), n*8))
	return slots
}

func release(slots []uint64) {
	if len(slots) > 0 {
		_ = unix.Munmap(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(slots))), len(slots)*8))
	}
}
