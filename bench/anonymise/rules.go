package main

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/engine/anonymise/catalog"
	"github.com/garant-project/garant/internal/engine/anonymise/personal"
	"github.com/garant-project/garant/internal/engine/anonymise/plan"
	"github.com/garant-project/garant/internal/engine/anonymise/transform"
)

// rules says what becomes of the columns that are not kept.
func rules() map[string]plan.Column {
	json := transform.Spec{Name: "json", Args: map[string]any{"paths": map[string]any{
		"by": "email", "kind": "keep", "path": "keep", "ms": "keep", "status": "keep", "request": "keep", "agent": "keep", "tags[]": "keep",
	}}}
	return map[string]plan.Column{
		"person.given_name": {Kind: personal.GivenName}, "person.family_name": {Kind: personal.FamilyName}, "person.email": {Kind: personal.Email}, "person.phone": {Kind: personal.Phone},
		"person.iban": {Kind: personal.IBAN}, "person.born": {Kind: personal.BirthDate, Transform: transform.Spec{Name: "generalise", Args: map[string]any{"to": "decade"}}},
		"person.sex": {Kind: personal.Sex, Transform: transform.Spec{Name: "keep"}}, "person.street": {Kind: personal.Address},
		"person.postcode": {Kind: personal.Postcode, Transform: transform.Spec{Name: "generalise", Args: map[string]any{"first": 1}}}, "person.town": {Kind: personal.Town}, "person.remark": {Kind: personal.Text},
		"account.username": {Kind: personal.Username}, "message.body": {Kind: personal.Text}, "event.ip": {Kind: personal.IP}, "event.payload": {Kind: personal.Text, Transform: json},
	}
}

// planned makes the plan of the benchmark's database.
func planned(ctx context.Context, conn *pgx.Conn) (*plan.Plan, error) {
	p := &plan.Plan{Language: "fr-BE", Country: "BE", LargeObjects: plan.NoRows}
	named := rules()
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		db, err := catalog.Read(ctx, tx)
		if err != nil {
			return err
		}
		for _, t := range db.Planned() {
			pt := plan.Table{Name: t.Name, Rows: plan.AllRows, Line: 1}
			if t.Name.Table == "person" {
				pt.Subject = "id"
			}
			for _, c := range t.Columns {
				pc, ok := named[t.Name.Table+"."+c.Name]
				if !ok {
					pc = plan.Column{Kind: personal.None, Class: personal.Harmless, Transform: transform.Spec{Name: "keep"}}
				} else {
					pc.Class = pc.Kind.Class()
					if pc.Transform.Name == "" {
						pc.Transform = transform.For(pc.Kind)
					}
				}
				pc.Name, pc.Type, pc.Line = c.Name, c.Declared, 1
				pt.Columns = append(pt.Columns, pc)
			}
			p.Tables = append(p.Tables, pt)
		}
		return nil
	})
	p.Persons = []plan.Identity{{Table: catalog.Name{Schema: "shop", Table: "person"}, Quasi: []string{"born", "sex", "postcode"}, K: 2, Small: 0.01, Linked: 0.01, Line: 1}}
	return p, err
}
