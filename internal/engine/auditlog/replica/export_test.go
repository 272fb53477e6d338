package replica

// Interrupt has the replica stop at a step of its work.
func (r *Replica) Interrupt(at func(step string) error) { r.interrupt = at }
