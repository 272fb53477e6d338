package move

import "io"

// stream runs a writer and a reader that are joined by a pipe; the end of either ends the other. Of
// two errors the one that came first is returned: the other is its echo.
func stream(write func(io.Writer) error, read func(io.Reader) (int64, error)) (int64, error) {
	r, w := io.Pipe()
	first := make(chan error, 2)
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := write(w)
		if err != nil {
			first <- err
		}
		_ = w.CloseWithError(err) // nil becomes EOF
	}()
	n, err := read(r)
	if err != nil {
		first <- err
		_ = r.CloseWithError(err)
	}
	<-done
	select {
	case err := <-first:
		return 0, err
	default:
		return n, nil
	}
}
