package own

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/outgoing"
)

type rawCall struct {
	Answer string            `json:"answer"` // "answered", or why not
	Status int               `json:"status,omitempty"`
	TLS    string            `json:"tls,omitempty"`
	Header map[string]string `json:"header,omitempty"` // those that were compared
	JSON   map[string]string `json:"json,omitempty"`
}

// call asks the declared address once and holds the answer to what is declared.
func call(ctx context.Context, c estate.OwnCheck, _ measure.In, s *seen) {
	h := c.HTTP
	raw := &rawCall{}
	s.raw = raw
	client := outgoing.Client{Private: true, Connect: h.Connect, Redirects: h.Redirects, UserAgent: "Garant own check"}
	if len(h.TrustPEM) > 0 {
		client.Trust = x509.NewCertPool()
		client.Trust.AppendCertsFromPEM(h.TrustPEM)
	}
	request := outgoing.Request{Method: h.Method, URL: h.URL, Header: http.Header{}, Secrets: http.Header{}}
	for _, f := range h.Headers {
		if f.Secret.IsZero() {
			request.Header.Set(f.Name, f.Text)
			continue
		}
		value, err := f.Secret.Reveal()
		if err != nil || strings.ContainsAny(value, "\r\n\x00") {
			raw.Answer = "not asked"
			s.add(SecretMissing, "the value of the header "+f.Name, "not to be had")
			return
		}
		request.Secrets.Set(f.Name, value)
		s.given(value)
	}
	answer, err := client.Do(ctx, request)
	if err != nil {
		raw.Answer = outgoing.Reason(err)
		switch {
		case errors.Is(err, outgoing.ErrUntrusted):
			s.add(HTTPUntrusted, "a certificate that clients accept", raw.Answer)
		case errors.Is(err, outgoing.ErrTooLarge), errors.Is(err, outgoing.ErrRedirect), errors.Is(err, outgoing.ErrAddress):
			s.add(HTTPUnreadable, "an answer within bounds", raw.Answer)
		default:
			s.add(HTTPUnreachable, "an answer", raw.Answer)
		}
		return
	}
	raw.Answer, raw.Status = "answered", answer.Status
	if !slices.Contains(h.Status, answer.Status) {
		s.add(HTTPStatus, statuses(h.Status), strconv.Itoa(answer.Status))
	}
	if answer.TLS != 0 {
		raw.TLS = tls.VersionName(answer.TLS)
	}
	if least := map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}[h.TLS]; answer.TLS < least {
		s.add(HTTPTLS, "TLS "+h.TLS+" or later", raw.TLS)
	}
	headers(h, answer, s, raw)
	if h.BodyContains != "" && !bytes.Contains(answer.Body, []byte(h.BodyContains)) {
		s.add(HTTPBody, strconv.Quote(h.BodyContains), "not in the answer")
	}
	if len(h.JSON) > 0 {
		members(h, answer.Body, s, raw)
	}
	s.fact("status", measure.Count(answer.Status))
}

func statuses(list []int) string {
	words := make([]string, 0, len(list))
	for _, status := range list {
		words = append(words, strconv.Itoa(status))
	}
	return strings.Join(words, ", ")
}

func headers(h *estate.HTTPCheck, answer *outgoing.Response, s *seen, raw *rawCall) {
	for _, want := range h.Header {
		values := answer.Header.Values(want.Name)
		if len(values) == 0 {
			s.add(HTTPHeader, want.Name+" "+want.Is.String(), "no such header")
			continue
		}
		value := strings.Join(values, ", ")
		if raw.Header == nil {
			raw.Header = map[string]string{}
		}
		raw.Header[want.Name] = clean(s.without(value))
		if holds, ok := want.Is.Holds(value); !ok || !holds {
			s.add(HTTPHeader, want.Name+" "+want.Is.String(), value)
		}
	}
}

// members compares members of a JSON answer.
func members(h *estate.HTTPCheck, body []byte, s *seen, raw *rawCall) {
	document, err := decode(body)
	if err != nil {
		s.add(HTTPUnreadable, "JSON", "something else")
		return
	}
	raw.JSON = map[string]string{}
	for _, want := range h.JSON {
		value, ok := member(document, want.Name)
		if !ok {
			s.add(HTTPJSON, want.Name+" "+want.Is.String(), "no such member")
			continue
		}
		raw.JSON[want.Name] = clean(s.without(value))
		if holds, ok := want.Is.Holds(value); !ok || !holds {
			s.add(HTTPJSON, want.Name+" "+want.Is.String(), value)
		}
	}
}

// maxDepth is how deep JSON of others may nest.
const maxDepth = 100

// decode reads one JSON value and nothing after it; numbers are kept as they are written.
func decode(text []byte) (any, error) {
	depth, deepest := 0, 0
	decoder := json.NewDecoder(bytes.NewReader(text))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if d, ok := token.(json.Delim); ok {
			if d == '{' || d == '[' {
				depth++
			} else {
				depth--
			}
			deepest = max(deepest, depth)
		}
	}
	if deepest > maxDepth {
		return nil, errors.New("it nests too deep")
	}
	var v any
	decoder = json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one value")
	}
	return v, nil
}

// member finds data.items[0].state; ok is false for what is not there and for what is no scalar.
func member(v any, path string) (string, bool) {
	for _, name := range strings.Split(path, ".") {
		name, indexes, _ := strings.Cut(name, "[")
		object, ok := v.(map[string]any)
		if !ok {
			return "", false
		}
		if v, ok = object[name]; !ok {
			return "", false
		}
		if indexes == "" {
			continue
		}
		for index := range strings.SplitSeq(strings.TrimSuffix(indexes, "]"), "][") {
			list, ok := v.([]any)
			i, err := strconv.Atoi(index)
			if !ok || err != nil || i >= len(list) {
				return "", false
			}
			v = list[i]
		}
	}
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}
