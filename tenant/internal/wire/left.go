package wire

import (
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// A connection is used by one tenant after the other. What one of them says can stay on it and be used by the
// next: a statement prepared under the name of one of the application's own runs with the next tenant's token, and
// what it reads can be left in a setting. Only statements of a few kinds leave nothing of that sort; a connection
// on which another was sent is closed instead of given back.

const leftKey = "garant.tenant.left"

// Said notes a statement. args are those it is sent with: with none, pgx sends a text that may hold several statements.
func Said(c *pgx.Conn, sql string, args []any) {
	several := len(args) == 0 || slices.ContainsFunc(args, func(a any) bool { _, is := a.(pgx.QueryExecMode); return is })
	if !plain(sql) || several && Several(sql) {
		Handed(c)
	}
}

// Several reports whether a text may hold more than one statement.
func Several(sql string) bool { return strings.Contains(strings.TrimRight(sql, "; \t\r\n"), ";") }

// Handed notes that a connection was given to somebody who says on it what we do not see.
func Handed(c *pgx.Conn) { c.PgConn().CustomData()[leftKey] = true }

// Left reports whether something may have been left on a connection.
func Left(c *pgx.Conn) bool { return c.PgConn().CustomData()[leftKey] == true }

// plain reports whether a statement is of a kind that prepares nothing, defines nothing and runs no other text as a statement.
func plain(sql string) bool {
	sql = uncommented(sql)
	end := strings.IndexFunc(sql, func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') })
	if end < 0 {
		end = len(sql)
	}
	switch word := strings.ToLower(sql[:end]); word {
	case "select", "with", "values", "table", "insert", "update", "delete", "merge", "copy", "lock", "notify",
		"savepoint", "release", "rollback", "declare", "fetch", "move", "close", "show":
		return !lasts(word, sql)
	case "set":
		local := strings.Fields(sql)
		return len(local) > 1 && strings.EqualFold(local[1], "local")
	}
	return false
}

// lasts reports whether a statement of a kind that leaves nothing may leave something all the same: a table of SELECT INTO, which may
// be a temporary one, or a setting, by itself or in a text that a function takes for a statement. That it only quotes these words costs no more than a connection.
func lasts(word, sql string) bool {
	sql = strings.ToLower(sql)
	for _, says := range []string{"set_config", "pg_settings", "_to_xml", "ts_stat", "ts_rewrite", `u&"`} {
		if strings.Contains(sql, says) {
			return true
		}
	}
	if word != "select" && word != "with" && word != "values" && word != "table" {
		return false
	}
	for done := 0; ; {
		at := strings.Index(sql[done:], "into")
		if at < 0 {
			return false
		}
		before, after := sql[:done+at], sql[done+at+len("into"):]
		done += at + len("into")
		if inside(before, after) {
			continue
		}
		before = strings.TrimRight(before, " \t\r\n\f\v")
		if word != "with" || !strings.HasSuffix(before, "insert") && !strings.HasSuffix(before, "merge") || strings.Contains(after, "temp") {
			return true
		}
	}
}

// inside reports whether what stands between two texts is part of a name.
func inside(before, after string) bool {
	part := func(b byte) bool {
		return b == '_' || b == '$' || b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 0x80
	}
	return before != "" && part(before[len(before)-1]) || after != "" && part(after[0])
}

// uncommented takes off what may stand before a statement: blanks, parentheses, comments, which nest in PostgreSQL.
func uncommented(sql string) string {
	for {
		sql = strings.TrimLeft(sql, " \t\r\n\f\v(")
		switch {
		case strings.HasPrefix(sql, "--"):
			end := strings.IndexAny(sql, "\r\n")
			if end < 0 {
				return ""
			}
			sql = sql[end:]
		case strings.HasPrefix(sql, "/*"):
			i, depth := 2, 1
			for ; depth > 0; i++ {
				switch {
				case i+1 >= len(sql):
					return ""
				case sql[i:i+2] == "/*":
					depth++
					i++
				case sql[i:i+2] == "*/":
					depth--
					i++
				}
			}
			sql = sql[i:]
		default:
			return sql
		}
	}
}
