package estate

// Declared returns what an estate declares of a target, whatever its kind, to be compared by
// reflect.DeepEqual with what another estate declares of it; nil: it declares none of that name.
// Where it stands in the file is no part of it.
func (e *Estate) Declared(name string) any {
	if ep, ok := e.Endpoint(name); ok {
		ep.Line = 0
		return ep
	}
	return nil
}
