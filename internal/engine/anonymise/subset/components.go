package subset

// components groups tables that depend on each other by mandatory references, in both directions, and orders the groups so that parents come first (Tarjan's algorithm).
func components(tables []*table) [][]*table {
	t := &tarjan{number: map[*table]int{}, low: map[*table]int{}, on: map[*table]bool{}}
	for _, one := range tables {
		if t.number[one] == 0 {
			t.visit(one)
		}
	}
	return t.out
}

type tarjan struct {
	number, low map[*table]int
	on          map[*table]bool
	stack       []*table
	out         [][]*table
}

// visit goes as deep as the longest chain of tables is.
func (t *tarjan) visit(v *table) {
	t.number[v] = len(t.number) + 1
	t.low[v] = t.number[v]
	t.stack, t.on[v] = append(t.stack, v), true
	for _, r := range v.out {
		w := r.parent.table
		switch {
		case !r.mandatory:
		case t.number[w] == 0:
			t.visit(w)
			t.low[v] = min(t.low[v], t.low[w])
		case t.on[w]:
			t.low[v] = min(t.low[v], t.number[w])
		}
	}
	if t.low[v] != t.number[v] {
		return
	}
	for i := len(t.stack) - 1; ; i-- {
		t.on[t.stack[i]] = false
		if t.stack[i] == v {
			t.out = append(t.out, append([]*table(nil), t.stack[i:]...))
			t.stack = t.stack[:i]
			return
		}
	}
}
