package seen

import "golang.org/x/sys/unix"

// dontDump keeps the slots out of core dumps.
func dontDump(b []byte) { _ = unix.Madvise(b, unix.MADV_DONTDUMP) }

func widePages(b []byte) { _ = unix.Madvise(b, unix.MADV_HUGEPAGE) }
