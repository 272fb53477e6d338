package wire

import "testing"

func TestPlain(t *testing.T) {
	for sql, want := range map[string]bool{
		"SELECT 1": true, "select": true, "\n  (SELECT 1) UNION SELECT 2": true, "-- name: A :one\nUPDATE x SET y = 1": true, "/* a /* b */ c */ WITH x AS (SELECT 1) SELECT": true,
		"SET LOCAL statement_timeout = 1": true, "set\n\tlocal x = 1": true, "SAVEPOINT s": true, "Insert INTO x VALUES (1)": true,
		"SET search_path = x": false, "SET": false, "DO $$ $$": false, "PREPARE x AS SELECT 1": false, "DEALLOCATE ALL": false, "CREATE TEMP TABLE x ()": false, "CALL f()": false, "EXECUTE x": false,
		"LISTEN x": false, "/* /* */ SELECT */ DO $$ $$": false, "/* SELECT": false, "-- SELECT": false, "-- x\rDO $$ $$": false, "": false, ";": false, "selectx": false, "EXPLAIN SELECT 1": false, "/*/ SELECT 1": false,
	} {
		if plain(sql) != want {
			t.Errorf("%q: %v", sql, !want)
		}
	}
}
