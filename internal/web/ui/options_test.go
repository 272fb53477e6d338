package ui

import (
	"bytes"
	"html/template"
	"testing"
)

// The choices of a field are what a template would make of them, whatever they are called.
func TestOptionsAreEscaped(t *testing.T) {
	list := []Option{
		{Label: "Choisir"}, {Value: "a", Label: "Zoé & Cie", Selected: true}, {Value: `"><script>`, Label: `</option></select><script>alert("1")</script>`}, {Value: "'`=\x00", Label: "'`=\x00"},
	}
	var want bytes.Buffer
	reference := template.Must(template.New("").Parse(`{{range .}}<option value="{{.Value}}"{{if .Selected}} selected{{end}}>{{.Label}}</option>{{end}}`))
	if err := reference.Execute(&want, list); err != nil {
		t.Fatal(err)
	}
	if got := string(options(list)); got != want.String() {
		t.Errorf("%s, want %s", got, &want)
	}
}
