package sequence

// Interrupt has the sequencer stop at a step of its work.
func (s *Sequencer) Interrupt(at func(step string) error) { s.interrupt = at }
