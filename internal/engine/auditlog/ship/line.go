package ship

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/engine/auditlog/ship/redact"
)

// origin is what every line of a log is told of.
type origin struct {
	dataset string // name of the log
	host    string
	file    string // empty: Garant's own log
}

// document makes a line into a document with the field names of the Elastic Common Schema, without what must not be kept. A line that is a JSON object keeps its fields; any
// other is the message.
func document(line []byte, cut bool, now time.Time, from origin, red *redact.Redactor) []byte {
	doc, ok := object(line)
	if ok {
		rename(doc, "msg", "message")
		rename(doc, "level", "log.level")
		for _, name := range []string{"time", "timestamp", "ts"} {
			if s, text := doc[name].(string); text && moment(s) {
				rename(doc, name, "@timestamp")
			}
		}
	} else {
		doc = map[string]any{"message": strings.ToValidUTF8(string(line), "\uFFFD")}
	}
	if s, text := doc["@timestamp"].(string); text && !moment(s) {
		doc["event.original"] = s
		delete(doc, "@timestamp")
	}
	red.Document(doc)
	set := func(name string, value any) {
		if value != "" && !has(doc, name) {
			doc[name] = value
		}
	}
	set("@timestamp", now.UTC().Format(time.RFC3339Nano))
	set("event.dataset", from.dataset)
	set("service.name", from.dataset)
	set("host.name", from.host)
	set("log.file.path", from.file)
	if cut {
		set("log.flags", "truncated")
	}
	out, err := json.Marshal(doc)
	if err != nil { // a number that is none, such as 1e999, was read as it stood
		out, _ = json.Marshal(map[string]any{"@timestamp": now.UTC().Format(time.RFC3339Nano), "message": red.Text(strings.ToValidUTF8(string(line), "\uFFFD")), "event.dataset": from.dataset})
	}
	return out
}

// object reads one JSON object and nothing after it; numbers stay as they are written.
func object(line []byte) (map[string]any, bool) {
	if !bytes.HasPrefix(bytes.TrimSpace(line), []byte("{")) {
		return nil, false
	}
	var doc map[string]any
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.UseNumber()
	if decoder.Decode(&doc) != nil {
		return nil, false
	}
	_, err := decoder.Token()
	return doc, errors.Is(err, io.EOF) && doc != nil
}

func rename(doc map[string]any, from, to string) {
	v, ok := doc[from]
	if !ok || has(doc, to) {
		return
	}
	delete(doc, from)
	doc[to] = v
}

// has reports whether a document has a field, written with dots or nested.
func has(doc map[string]any, name string) bool {
	if _, ok := doc[name]; ok {
		return true
	}
	for i := range len(name) {
		if name[i] != '.' {
			continue
		}
		switch inner := doc[name[:i]].(type) {
		case nil:
		case map[string]any:
			if has(inner, name[i+1:]) {
				return true
			}
		default:
			return true // "log": "x" leaves no room for "log.file.path"
		}
	}
	return false
}

func moment(s string) bool {
	_, err := time.Parse(time.RFC3339Nano, s)
	return err == nil
}
