package run

import (
	"fmt"

	"github.com/garant-project/garant/internal/engine/anonymise/personal"
	"github.com/garant-project/garant/internal/errs"
)

// namesIn are the names, towns and user names of a document.
type namesIn struct {
	text  []byte
	ends  []int
	kinds []personal.Kind
}

func (n *namesIn) read(p *paths, document []byte) error {
	n.text, n.ends, n.kinds = n.text[:0], n.ends[:0], n.kinds[:0]
	return p.visit(document, func(k personal.Kind, v []byte) {
		n.text = append(n.text, v...)
		n.ends, n.kinds = append(n.ends, len(n.text)), append(n.kinds, k)
	})
}

func (n *namesIn) at(i int) []byte {
	from := 0
	if i > 0 {
		from = n.ends[i-1]
	}
	return n.text[from:n.ends[i]]
}

// scanNames makes sure that no name in a document became itself. Each is held against what stands in its place, since the document may tell of several persons, and one may get the name of another.
func (w *copier) scanNames(c *column, document, made []byte) error {
	before, after := &w.names[0], &w.names[1]
	if err := before.read(c.ownPaths, document); err != nil {
		return nil //nolint:nilerr // no document; that is the transformer's to say
	}
	if after.read(c.ownPaths, made) != nil {
		return errs.New(errs.Internal, "anonymise.document", fmt.Sprintf("What takes the place of a document of %s is none.", c.shape.Name))
	}
	same := len(before.ends) == len(after.ends) // else some became null, and each is held against all
	for i := range after.kinds {
		w.scanner.Row(w.row)
		for j, k := range before.kinds {
			if !same || i == j {
				w.scanner.Own(k, before.at(j))
			}
		}
		w.scanner.Value(c.ownField, after.at(i))
	}
	return nil
}

// ownNames tells the scanner which names stand in a document, so that the values of the row that stay do not repeat them.
func (w *copier) ownNames(c *column, document []byte) {
	if w.names[0].read(c.ownPaths, document) != nil {
		return
	}
	for i, k := range w.names[0].kinds {
		if k != personal.Town {
			w.scanner.Own(k, w.names[0].at(i))
		}
	}
}
