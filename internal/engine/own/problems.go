package own

// Problem is the id of a message that says what is wrong; what to do about it is the id followed
// by ".fix".
type Problem string

// The problems that hide what is asked. They make a finding Error.
const (
	SQLUnreachable  Problem = "own.sql.unreachable"
	SQLDecoy        Problem = "own.sql.decoy"
	SQLRefused      Problem = "own.sql.refused"
	SQLTimeout      Problem = "own.sql.timeout"
	SQLShape        Problem = "own.sql.shape"
	HTTPUnreachable Problem = "own.http.unreachable"
	HTTPUnreadable  Problem = "own.http.unreadable"
	SecretMissing   Problem = "own.secret"
	CommandStart    Problem = "own.command.start"
	CommandTimeout  Problem = "own.command.timeout"
	CommandExit     Problem = "own.command.exit"
	CommandOutput   Problem = "own.command.output"
	CommandTooLarge Problem = "own.command.too_large"
	CommandObserved Problem = "own.command.observed"
)

// The problems that what is looked at really has. They make a finding Fail.
const (
	SQLRows       Problem = "own.sql.rows"
	SQLValue      Problem = "own.sql.value"
	HTTPStatus    Problem = "own.http.status"
	HTTPHeader    Problem = "own.http.header"
	HTTPBody      Problem = "own.http.body"
	HTTPJSON      Problem = "own.http.json"
	HTTPUntrusted Problem = "own.http.untrusted"
	HTTPTLS       Problem = "own.http.tls"
	CommandFailed Problem = "own.command.failed"
	CommandItem   Problem = "own.command.item"
)

// Blind reports whether the problem hides what is asked rather than being a fault of it.
func (p Problem) Blind() bool {
	switch p {
	case SQLRows, SQLValue, HTTPStatus, HTTPHeader, HTTPBody, HTTPJSON, HTTPUntrusted, HTTPTLS, CommandFailed, CommandItem:
		return false
	}
	return true
}

// Problems returns every problem that the engine's findings can name.
func Problems() []Problem {
	return []Problem{SQLUnreachable, SQLDecoy, SQLRefused, SQLTimeout, SQLShape, HTTPUnreachable, HTTPUnreadable, SecretMissing,
		CommandStart, CommandTimeout, CommandExit, CommandOutput, CommandTooLarge, CommandObserved,
		SQLRows, SQLValue, HTTPStatus, HTTPHeader, HTTPBody, HTTPJSON, HTTPUntrusted, HTTPTLS, CommandFailed, CommandItem}
}
