// Package elastic asks an Elasticsearch or an OpenSearch for what shipping and finding log lines need: the bulk protocol, a search by full text, what it is.
//
// Requests and answers are the types of the official client of OpenSearch; the three calls are the same in both products, and no call asks which it is
// before it works. The HTTP below them is package outgoing, because the client's own transport probes nodes in the background with rights that a login for writing
// lines does not have, retries by rules of its own, and reads answers of any size: here an answer is bounded, a redirect is followed nowhere, and no setting
// comes from the environment.
//
// Errors never hold what the other side said.
//
// Sources: the Elasticsearch reference, "Bulk API" and "Search API" (https://www.elastic.co/guide/en/elasticsearch/reference/current/docs-bulk.html and
// search-search.html, troubleshooting "Rejected requests": https://www.elastic.co/docs/troubleshoot/elasticsearch/rejected-requests); the documentation of
// OpenSearch, "Bulk" and "Search" (https://docs.opensearch.org/latest/api-reference/document-apis/bulk/ and search-apis/search/).
package elastic

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opensearch-project/opensearch-go/v4"
	"github.com/opensearch-project/opensearch-go/v4/opensearchapi"

	"github.com/garant-project/garant/internal/outgoing"
)

// Options say where it is and who signs in.
type Options struct {
	URL      string
	User     string
	Password string
	APIKey   string // as the product gave it, encoded; instead of user and password
	TrustPEM []byte // nil: the machine's
	Timeout  time.Duration
	MaxBody  int64 // bytes of an answer; 0: 8 MiB
}

// Client asks one cluster. It keeps no connection, and needs no Close.
type Client struct {
	raw *opensearch.Client
}

// Reason is why a call failed.
type Reason string

// The reasons.
const (
	BadAddress Reason = "address"
	NoAnswer   Reason = "no answer"
	Untrusted  Reason = "certificate"
	Redirected Reason = "redirect"
	Denied     Reason = "denied"     // 401, 403
	NoIndex    Reason = "no index"   // 404
	Busy       Reason = "busy"       // 429, 502, 503, 504
	TooLarge   Reason = "too large"  // 413: the request
	Unreadable Reason = "unreadable" // no answer of such a product
	Refused    Reason = "refused"    // another status
)

// Error is a failed call.
type Error struct {
	Reason Reason
	Status int           // of HTTP; 0: there was none
	After  time.Duration // what the server asks to wait; 0: it did not say
	say    string
}

// Whole reports whether the request as such was refused, and the same one will be again: by what stands in it, or because this login may not.
func (e *Error) Whole() bool {
	return e.Status == http.StatusForbidden || e.Reason == Refused && e.Status >= 400 && e.Status < 500
}

func (e *Error) Error() string {
	s := string(e.Reason)
	if e.say != "" {
		s += ": " + e.say
	}
	if e.Status != 0 {
		s += " (HTTP " + strconv.Itoa(e.Status) + ")"
	}
	return s
}

// Why returns the error as one of this package.
func Why(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Reason: NoAnswer, say: outgoing.Reason(err)}
}

// New makes a client; it calls nobody. The error is an *Error of BadAddress.
func New(o Options) (*Client, error) {
	address := strings.TrimRight(o.URL, "/")
	client := &outgoing.Client{Private: true, Timeout: o.Timeout, MaxBody: o.MaxBody, UserAgent: "Garant logs"}
	if client.MaxBody == 0 {
		client.MaxBody = 8 << 20
	}
	if len(o.TrustPEM) > 0 {
		client.Trust = x509.NewCertPool()
		client.Trust.AppendCertsFromPEM(o.TrustPEM)
	}
	secrets := http.Header{}
	switch {
	case strings.ContainsAny(o.APIKey+o.User+o.Password, "\r\n\x00"), strings.Contains(o.User, ":"):
		return nil, &Error{Reason: BadAddress, say: "credentials that no header holds"}
	case o.APIKey != "":
		secrets.Set("Authorization", "ApiKey "+o.APIKey)
	case o.User != "":
		secrets.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(o.User+":"+o.Password)))
	}
	return &Client{raw: &opensearch.Client{Transport: wire{address: address, client: client, secrets: secrets}}}, nil
}

// wire carries the official client's requests.
type wire struct {
	address string
	client  *outgoing.Client
	secrets http.Header
}

// Perform sends one request, once.
func (w wire) Perform(r *http.Request) (*http.Response, error) {
	request := outgoing.Request{Method: r.Method, URL: w.address + r.URL.RequestURI(), Header: r.Header, Secrets: w.secrets}
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		request.Body = body
	}
	answer, err := w.client.Do(r.Context(), request)
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: answer.Status, Header: answer.Header, Body: io.NopCloser(bytes.NewReader(answer.Body))}, nil
}

// ask makes a call and reads the answer into data.
func ask[T any](ctx context.Context, c *Client, r opensearch.Request, method string, data *T) error {
	response, err := opensearch.Do(ctx, c.raw, method, r, data)
	switch {
	case response == nil && errors.Is(err, outgoing.ErrUntrusted):
		return &Error{Reason: Untrusted, say: outgoing.Reason(err)}
	case response == nil && errors.Is(err, outgoing.ErrTooLarge):
		return &Error{Reason: Unreadable, say: outgoing.Reason(err)}
	case response == nil && errors.Is(err, outgoing.ErrRedirect): // one that leads nowhere
		return &Error{Reason: Redirected}
	case response == nil && errors.Is(err, outgoing.ErrAddress):
		return &Error{Reason: BadAddress, say: outgoing.Reason(err)}
	case response == nil:
		return &Error{Reason: NoAnswer, say: outgoing.Reason(err)}
	}
	status := response.StatusCode
	switch {
	case status >= 300 && status < 400:
		return &Error{Reason: Redirected, Status: status}
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return &Error{Reason: Denied, Status: status}
	case status == http.StatusNotFound:
		return &Error{Reason: NoIndex, Status: status}
	case status == http.StatusRequestEntityTooLarge:
		return &Error{Reason: TooLarge, Status: status}
	case status == http.StatusTooManyRequests, status == http.StatusBadGateway, status == http.StatusServiceUnavailable, status == http.StatusGatewayTimeout:
		return &Error{Reason: Busy, Status: status, After: after(response.Header)}
	case status != http.StatusOK:
		return &Error{Reason: Refused, Status: status}
	case err != nil:
		return &Error{Reason: Unreadable, Status: status, say: "not what such a cluster answers"}
	}
	return nil
}

// after reads Retry-After in seconds (RFC 9110, section 10.2.3), at most a minute.
func after(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, time.Minute)
}

// Doc is a document, with the ID under which it is kept.
type Doc struct {
	ID   string
	Body []byte // one JSON object, on one line
}

// Fate is what became of a document.
type Fate uint8

// The fates.
const (
	Kept    Fate = iota // by this call, or by one before
	Again               // the cluster was busy: to be sent again
	Never               // the document does not fit the index, and never will
	Blocked             // the index takes nothing at the moment, or from this login
)

// Result is the fate of one document, with the kind of error.
type Result struct {
	Fate Fate
	Type string // such as mapper_parsing_exception; empty: kept
}

// Bulk sends documents to be created in an index or a data stream, and returns the fate of each. A document that is there already, by its ID, is kept: so nothing is
// doubled by sending it again. The error is an *Error; then nothing is known of any.
func (c *Client) Bulk(ctx context.Context, into string, docs []Doc) ([]Result, error) {
	var body bytes.Buffer
	for _, d := range docs {
		action, err := json.Marshal(map[string]any{"create": map[string]string{"_id": d.ID}})
		if err != nil {
			return nil, &Error{Reason: Refused, say: "an ID that is none"}
		}
		body.Write(action)
		body.WriteByte('\n')
		body.Write(d.Body)
		body.WriteByte('\n')
	}
	var answer opensearchapi.BulkResp
	request := opensearchapi.BulkReq{Index: into, Body: &body, Header: http.Header{"Content-Type": {"application/x-ndjson"}}}
	if err := ask(ctx, c, request, http.MethodPost, &answer); err != nil {
		return nil, err
	}
	if len(answer.Items) != len(docs) {
		return nil, &Error{Reason: Unreadable, Status: http.StatusOK, say: "another number of documents"}
	}
	results := make([]Result, len(docs))
	for i, item := range answer.Items {
		one, ok := item["create"]
		if !ok || one.ID != docs[i].ID {
			return nil, &Error{Reason: Unreadable, Status: http.StatusOK, say: "another document"}
		}
		kind := ""
		if one.Error != nil {
			kind = word(one.Error.Type)
		}
		results[i] = Result{fate(one.Status, kind), kind}
		if (results[i].Fate == Kept) != (one.Error == nil || one.Status == http.StatusConflict) {
			return nil, &Error{Reason: Unreadable, Status: http.StatusOK, say: "a document kept and refused"}
		}
	}
	return results, nil
}

// word keeps the kind of an error when it looks like one: it goes into logs.
func word(s string) string {
	if len(s) > 60 || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return "other"
	}
	return s
}

func fate(status int, kind string) Fate {
	switch {
	case status == http.StatusCreated, status == http.StatusOK, status == http.StatusConflict:
		return Kept
	case status == http.StatusTooManyRequests, status >= 500:
		return Again
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusNotFound,
		slices.Contains([]string{"index_closed_exception", "cluster_block_exception", "security_exception", "index_not_found_exception"}, kind):
		return Blocked
	case status >= 400 && status < 500:
		return Never
	}
	return Again
}

// Answer is what a search found.
type Answer struct {
	Whole bool     // every shard answered, in time
	Found []string // the searched field of the documents found, at most 100
	More  bool     // there are more documents than were looked at
}

const mostHits = 100

// Search looks for a phrase in a field. A pattern that names no index is an *Error of NoIndex.
func (c *Client) Search(ctx context.Context, index, field, phrase string) (*Answer, error) {
	query, err := json.Marshal(map[string]any{
		"query":   map[string]any{"match_phrase": map[string]string{field: phrase}},
		"_source": []string{field}, "fields": []string{field}, "size": mostHits,
	})
	if err != nil {
		return nil, &Error{Reason: Refused, say: "a query that is none"}
	}
	no := false
	var answer opensearchapi.SearchResp
	request := opensearchapi.SearchReq{
		Indices: strings.Split(index, ","), Body: bytes.NewReader(query), Header: http.Header{"Content-Type": {"application/json"}},
		Params: opensearchapi.SearchParams{AllowNoIndices: &no, RequestCache: &no},
	}
	if err := ask(ctx, c, request, http.MethodPost, &answer); err != nil {
		return nil, err
	}
	if answer.Shards.Total < 1 || answer.Shards.Successful > answer.Shards.Total {
		return nil, &Error{Reason: Unreadable, Status: http.StatusOK, say: "no shard was searched"}
	}
	a := &Answer{
		Whole: !answer.Timeout && answer.Shards.Failed == 0 && answer.Shards.Successful == answer.Shards.Total,
		More:  answer.Hits.Total.Value > len(answer.Hits.Hits),
	}
	for _, hit := range answer.Hits.Hits {
		a.Found = append(a.Found, texts(hit.Source, hit.Fields, field))
	}
	return a, nil
}

// texts returns what a document has in a field, by its source or by its fields, in one text.
func texts(source, fields json.RawMessage, field string) string {
	var all []string
	var doc map[string]any
	if json.Unmarshal(source, &doc) == nil {
		all = append(all, member(doc, field)...)
	}
	var listed map[string][]any
	if json.Unmarshal(fields, &listed) == nil {
		all = append(all, strs(listed[field])...)
	}
	return strings.Join(all, "\n")
}

// member finds log.original as {"log":{"original":…}}, {"log.original":…} and what lies between.
func member(doc map[string]any, field string) []string {
	var all []string
	if v, ok := doc[field]; ok {
		all = append(all, strs(v)...)
	}
	for i := range len(field) {
		if field[i] != '.' {
			continue
		}
		if inner, ok := doc[field[:i]].(map[string]any); ok {
			all = append(all, member(inner, field[i+1:])...)
		}
	}
	return all
}

func strs(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var all []string
		for _, one := range v {
			all = append(all, strs(one)...)
		}
		return all
	}
	return nil
}

// Product says what answers: "Elasticsearch", "OpenSearch", or "" when it does not say so, as to a login that may only search.
func (c *Client) Product(ctx context.Context) string {
	var info struct {
		Version struct {
			Distribution string `json:"distribution"`
			Number       string `json:"number"`
		} `json:"version"`
		Tagline string `json:"tagline"`
	}
	if err := ask(ctx, c, opensearchapi.InfoReq{}, http.MethodGet, &info); err != nil {
		return ""
	}
	switch {
	case info.Version.Distribution == "opensearch":
		return "OpenSearch"
	case strings.HasPrefix(info.Tagline, "You Know, for Search"):
		return "Elasticsearch"
	}
	return ""
}
