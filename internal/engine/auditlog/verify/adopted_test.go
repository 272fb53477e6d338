package verify_test

import (
	"testing"

	"github.com/garant-project/garant/internal/engine/auditlog/verify"
)

// What came from another cluster is intact, and that it came is told in the root log too.
func TestAdopted(t *testing.T) {
	w := newWorld(t)
	w.write(30)
	w.drain()
	w.write(5)
	w.restore(w.backup(), false)
	w.drain()
	o := w.options()
	o.Bucket, o.Alone = nil, true
	if r := w.verify(o); r.Outcome != verify.Intact || r.Entries != 35 {
		t.Errorf("%+v", r)
	}
	if n := w.count(`SELECT count(*) FROM audit.anomaly AS a JOIN audit.root_leaf AS l ON l.text = E'garant/noticed v1\n' || a.kind || E'\n' || a.about || E'\n' WHERE a.kind = 'adopted'`); n != 1 {
		t.Errorf("%d lines tell of it", n)
	}
	w.exec(`DELETE FROM audit.anomaly`)
	if r := w.verify(o); r.First == nil || r.First.Kind != verify.Noticed {
		t.Errorf("its row was deleted: %+v", r)
	}
}
