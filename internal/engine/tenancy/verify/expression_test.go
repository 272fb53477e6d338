package verify

import "testing"

func TestExpressions(t *testing.T) {
	for text, want := range map[string]reading{
		`(tenant_id = ( SELECT garant.writer_uuid() AS writer_uuid))`:                            holds,
		`(tenant_id = ( SELECT garant.tenant_uuid() AS tenant_uuid))`:                            holdsReader,
		"(tenant_id = (\n   SELECT garant.writer_uuid()))":                                       holds,
		`((tenant_id)::text = ( SELECT (garant.writer_uuid())::text AS writer_uuid))`:            holds,
		`(( SELECT garant.writer_uuid() AS writer_uuid) = tenant_id)`:                            holds,
		`((a > 1) AND (tenant_id = ( SELECT garant.writer_uuid() AS writer_uuid)) AND (b OR c))`: holds,
		`((a > 1) AND ((b = 2) AND (tenant_id = ( SELECT garant.writer_uuid() AS x))))`:          holds,
		`((name = ') OR ('::text) AND (tenant_id = ( SELECT garant.writer_uuid() AS x)))`:        holds,
		``:                      alwaysTrue,
		`true`:                  alwaysTrue,
		`((a = a) AND (1 = 1))`: alwaysTrue,
		`(true OR (tenant_id = ( SELECT garant.writer_uuid() AS x)))`:                             alwaysTrue,
		`(tenant_id = garant.tenant_uuid())`:                                                      unwrapped,
		`((tenant_id = ( SELECT garant.writer_uuid() AS x)) OR (a IS NULL))`:                      nullBranch,
		`((a AND (tenant_id = ( SELECT garant.writer_uuid() AS x))) OR b)`:                        nullBranch,
		`(tenant_id = COALESCE(( SELECT garant.writer_uuid() AS x), tenant_id))`:                  nullBranch,
		`(NOT (tenant_id IS DISTINCT FROM ( SELECT garant.writer_uuid() AS x)))`:                  nullBranch,
		`(tenant_id = (current_setting('app.tenant'::text))::uuid)`:                               userSetting,
		`((tenant_id)::text = CURRENT_USER)`:                                                      userSetting,
		`(other_id = ( SELECT garant.writer_uuid() AS x))`:                                        otherColumn,
		`("tenant_id " = ( SELECT garant.writer_uuid() AS x))`:                                    otherColumn,
		`(EXISTS ( SELECT FROM shop.p WHERE (p.id = x.id)))`:                                      subquery,
		`(tenant_id <> ( SELECT garant.writer_uuid() AS x))`:                                      otherwise,
		`(NOT (tenant_id = ( SELECT garant.writer_uuid() AS x)))`:                                 otherwise,
		`(tenant_id = ( SELECT public.tenant_uuid() AS x))`:                                       otherwise,
		`(tenant_id = ( SELECT garant.tenant_bigint() AS x))`:                                     otherwise,
		`((tenant_id)::name = ( SELECT (garant.writer_uuid())::name AS x))`:                       otherwise,
		`((tenant_id)::character(3) = ( SELECT (garant.writer_uuid())::character(3) AS x))`:       otherwise,
		`(tenant_id OPERATOR(public.=) ( SELECT garant.writer_uuid() AS x))`:                      otherwise,
		`((name = '(tenant_id = ( SELECT garant.writer_uuid() AS x))'::text) AND (a > 1))`:        otherwise,
		`(tenant_id = ( SELECT garant.writer_uuid() AS x WHERE (1 = 0)))`:                         otherwise,
		`(tenant_id = ANY (ARRAY[( SELECT garant.writer_uuid() AS x), 'x'::uuid]))`:               otherwise,
		`(a AND (b OR (tenant_id = ( SELECT garant.writer_uuid() AS x))))`:                        nullBranch,
		`(((tenant_id = ( SELECT garant.writer_uuid() AS x)) AND a) OR ((1 = 1) AND (a <> 'b')))`: nullBranch,
	} {
		if got := expression(text, "tenant_id", "uuid"); got != want {
			t.Errorf("%s: %d, want %d", text, got, want)
		}
	}
	if got := expression(`("Mandant ID" = ( SELECT garant.writer_bigint() AS writer_bigint))`, `"Mandant ID"`, "bigint"); got != holds {
		t.Errorf("a quoted name: %d", got)
	}
}

// Whatever stands in a policy, reading it ends.
func FuzzExpression(f *testing.F) {
	f.Add(`((a AND (tenant_id = ( SELECT garant.writer_uuid() AS x))) OR b)`)
	f.Add(`(name = ') OR (''"'::text) AND (`)
	f.Fuzz(func(_ *testing.T, text string) { expression(text, "tenant_id", "uuid") })
}
