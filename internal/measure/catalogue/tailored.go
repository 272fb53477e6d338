package catalogue

// declared is the document as plain values, for its canonical form: only what is set.
func (t *Tailoring) declared() map[string]any {
	out := map[string]any{}
	put := func(to map[string]any, key string, v any, set bool) {
		if set {
			to[key] = v
		}
	}
	company, dpo := map[string]any{}, map[string]any{}
	put(company, "legal_name", t.Company.LegalName, t.Company.LegalName != "")
	put(company, "address", t.Company.Address, t.Company.Address != "")
	put(company, "registration", t.Company.Registration, t.Company.Registration != "")
	put(company, "revision", t.Company.Revision, t.Company.Revision != "")
	put(dpo, "email", t.Company.DPO.Email, t.Company.DPO.Email != "")
	put(dpo, "phone", t.Company.DPO.Phone, t.Company.DPO.Phone != "")
	put(dpo, "address", t.Company.DPO.Address, t.Company.DPO.Address != "")
	put(company, "dpo", dpo, len(dpo) > 0)
	put(out, "company", company, len(company) > 0)

	parameters := map[string]any{}
	for name, s := range t.Parameters {
		parameters[name] = s.declared()
	}
	put(out, "parameters", parameters, len(parameters) > 0)
	put(out, "teams", t.Teams, len(t.Teams) > 0)
	put(out, "also", t.Also, len(t.Also) > 0)

	measures := map[string]any{}
	for id, a := range t.Measures {
		m := map[string]any{}
		put(m, "title", a.Title, len(a.Title) > 0)
		put(m, "sentence", a.Sentence, len(a.Sentence) > 0)
		put(m, "method", a.Method, len(a.Method) > 0)
		put(m, "owner", a.Owner, a.Owner != "")
		put(m, "operator", a.Operator, a.Operator != "")
		put(m, "cadence_seconds", int64(a.Cadence.Seconds()), a.Cadence != 0)
		put(m, "attested", true, a.Attested)
		put(m, "excluded", a.Excluded, len(a.Excluded) > 0)
		put(m, "drops", a.Drops, len(a.Drops) > 0)
		put(measures, id, m, len(m) > 0)
	}
	put(out, "measures", measures, len(measures) > 0)

	own := []any{}
	for _, m := range t.Own {
		own = append(own, map[string]any{
			"id": m.ID, "section": m.Section, "kind": string(m.Kind), "owner": m.Owner, "operator": m.Operator,
			"cadence_seconds": int64(m.Cadence.Seconds()), "attest": m.Attest, "per": m.Per, "checks": list(m.Checks), "facts": list(m.Facts),
			"refs":  map[string]any{"gdpr": list(m.Refs.GDPR), "iso": list(m.Refs.ISO), "cnil": list(m.Refs.CNIL), "clauses": list(m.Refs.Clauses)},
			"title": m.Title, "sentence": m.Sentence, "method": m.Method,
		})
	}
	put(out, "own", own, len(own) > 0)
	return out
}

func (s Setting) declared() any {
	var v any = s.node.Value
	if len(s.node.Content) > 0 {
		names := []string{}
		for _, c := range s.node.Content {
			names = append(names, c.Value)
		}
		v = names
	}
	if s.Kind != "" {
		return map[string]any{s.Kind: v}
	}
	return v
}
