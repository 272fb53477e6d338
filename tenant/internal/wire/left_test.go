package wire

import "testing"

func TestPlain(t *testing.T) {
	for sql, want := range map[string]bool{
		"SELECT 1": true, "select": true, "\n  (SELECT 1) UNION SELECT 2": true, "-- name: A :one\nUPDATE x SET y = 1": true, "/* a /* b */ c */ WITH x AS (SELECT 1) SELECT": true,
		"SET LOCAL statement_timeout = 1": true, "set\n\tlocal x = 1": true, "SAVEPOINT s": true, "Insert INTO x VALUES (1)": true,
		"WITH x AS (INSERT INTO y VALUES (1) RETURNING id) SELECT id FROM x": true, "WITH x AS (SELECT 1)\nINSERT\tINTO y SELECT 1": true, "SELECT printointo, intox FROM x": true,
		"SELECT 1 INTO x": false, "SELECT 1 INTO/**/TEMP x": false, "(SELECT 1)into x": false, "WITH y AS (SELECT 1) SELECT (1) insert INTO TEMP x": false, "SELECT SET_CONFIG('x', '', false)": false,
		"UPDATE pg_settings SET setting = ''": false, `SELECT U&"set\005Fconfig"('x', '', false)`: false, "SELECT query_to_xml('', true, true, '')": false, "INSERT INTO x SELECT set_config('x', '', false)": false,
		"SET search_path = x": false, "SET": false, "DO $$ $$": false, "PREPARE x AS SELECT 1": false, "DEALLOCATE ALL": false, "CREATE TEMP TABLE x ()": false, "CALL f()": false, "EXECUTE x": false,
		"LISTEN x": false, "/* /* */ SELECT */ DO $$ $$": false, "/* SELECT": false, "-- SELECT": false, "-- x\rDO $$ $$": false, "": false, ";": false, "selectx": false, "EXPLAIN SELECT 1": false, "/*/ SELECT 1": false,
	} {
		if plain(sql) != want {
			t.Errorf("%q: %v", sql, !want)
		}
	}
}
