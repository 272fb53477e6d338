package replica

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

var lines = []string{
	`{"seq":1,"tree":"company","index":0,"entry":7,"leaf":"{\"v\":1,\"id\":7,\"said\":{\"by\":{\"kind\":\"person\",\"id\":\"a\\\\b\"}}}"}`,
	`{"seq":1,"tree":"","index":0,"entry":7,"leaf":""}`,
	`{"seq":9223372036854775807,"tree":"é","index":9223372036854775799,"entry":922337203685477580,"leaf":"\\"}`,
	`{"seq":01,"tree":"","index":0,"entry":7,"leaf":""}`,
	`{"seq":-1,"tree":"","index":0,"entry":7,"leaf":"x"}`,
	`{"seq":99999999999999999999,"tree":"","index":0,"entry":7,"leaf":"x"}`,
	`{"seq":1,"tree":"t","index":0,"entry":7,"leaf":"a\nbéc"}`,
	`{"seq":1,"tree":"t","index":0,"entry":7,"leaf":"x","detail":"y","sealed":"AQI="}`,
	`{"seq":1,"tree":"t","index":0,"entry":7,"hash":"AQI=","gone":"dropped"}`,
	`{"seq":1,"tree":"t","index":0,"entry":7,"leaf":"x"} `,
	`{"seq":1,"tree":"t","index":0,"entry":7,"leaf":"x"}}`,
	`{"seq":1,"seq":2,"tree":"t","index":0,"entry":7,"leaf":"x"}`,
	`{"seq":1.0,"tree":"t","index":0,"entry":7,"leaf":"x"}`,
	"{\"seq\":1,\"tree\":\"t\",\"index\":0,\"entry\":7,\"leaf\":\"\xff\"}",
	"{\"seq\":1,\"tree\":\"t\",\"index\":0,\"entry\":7,\"leaf\":\"\x01\"}",
	`{"seq":1,"tree":"t","index":0,"entry":7,"leaf":"x`,
	`{"seq":1,"tree":"t","index":0,"entry":7,"leaf":"x\`,
	`{"seq":1,"tree":"t","index":0,"entry":,"leaf":"x"}`,
}

func same(t *testing.T, line []byte) {
	t.Helper()
	var want Leaf
	wantErr := json.Unmarshal(line, &want)
	got, err := new(lineScan).leaf(line)
	if (err == nil) != (wantErr == nil) || err == nil && !reflect.DeepEqual(got, want) {
		t.Errorf("%q\nis %+v, %v\nwant %+v, %v", line, got, err, want, wantErr)
	}
}

// A line is read as encoding/json reads it.
func TestParseLeafIsUnmarshal(t *testing.T) {
	plain := 0
	for _, l := range lines {
		same(t, []byte(l))
		if _, ok := new(lineScan).plain([]byte(l)); ok {
			plain++
		}
	}
	if plain != 2 { // or it is never used
		t.Errorf("%d lines are plain", plain)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(&Leaf{Seq: 3, Tree: "company", Index: 2, Entry: 5, Bytes: `{"said":"<é>&\\ "}`}); err != nil {
		t.Fatal(err)
	}
	if l, ok := new(lineScan).plain(bytes.TrimSuffix(b.Bytes(), []byte("\n"))); !ok || l.Seq != 3 || !strings.Contains(l.Bytes, "<é>") {
		t.Errorf("what Encode writes is not plain: %s", b.String())
	}
}

func FuzzParseLeaf(f *testing.F) {
	for _, l := range lines {
		f.Add([]byte(l))
	}
	f.Fuzz(same)
}

func BenchmarkParseLeaf(b *testing.B) {
	line := []byte(`{"seq":1,"tree":"company","index":0,"entry":7,"leaf":"` + strings.Repeat(`\"member\":\"value\",`, 20) + `"}`)
	b.Run("by itself", func(b *testing.B) {
		for b.Loop() {
			if _, err := new(lineScan).leaf(line); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding/json", func(b *testing.B) {
		for b.Loop() {
			var l Leaf
			if err := json.Unmarshal(line, &l); err != nil {
				b.Fatal(err)
			}
		}
	})
}
