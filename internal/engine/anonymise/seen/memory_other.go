//go:build !unix

package seen

func allot(n int) []uint64 { return make([]uint64, n) }

func allotWide(n int) []uint64 { return make([]uint64, n) }

func release([]uint64) {}
