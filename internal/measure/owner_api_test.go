package measure_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/web"
)

type signedIn struct{ who *actor.Actor }

func (s signedIn) Authenticate(*http.Request) (actor.Actor, error) { return *s.who, nil }

func TestOwnersAPI(t *testing.T) {
	o := openOffice(t)
	api := web.NewAPI("test", "1")
	o.AddAPI(api)
	who := o.lead
	site, err := web.NewSite(web.Config{
		Name: "console", Hosts: []string{"admin.localhost"}, Routes: api.Routes(), Auth: signedIn{&who}, Languages: []string{"fr", "en"},
		Log: slog.New(slog.DiscardHandler), Metrics: web.NewMetrics(), Now: o.Runner.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	call := func(by actor.Actor, method, path, body string, status int, into any) string {
		t.Helper()
		who = by
		r := httptest.NewRequest(method, "/api/v1"+path, strings.NewReader(body))
		r.Host = "admin.localhost"
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		site.ServeHTTP(w, r)
		if w.Code != status {
			t.Fatalf("%s %s: %d, want %d\n%s", method, path, w.Code, status, w.Body)
		}
		if into != nil {
			if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
				t.Fatal(err)
			}
		}
		return w.Body.String()
	}
	owner := "/measures/" + whole + "/owner"
	var has measure.APIOwner
	call(o.lead, "GET", owner, "", 200, &has)
	if has.Version != 0 || has.Responsible != "" {
		t.Errorf("%+v", has)
	}
	call(o.lead, "PUT", owner, `{"version":0,"responsible":"`+o.anna.ID+`","deputy":"`+o.ben.ID+`","deputy_until":"`+o.today().AddDays(3).String()+`"}`, 200, &has)
	if has.Responsible != o.anna.ID || has.Deputy != o.ben.ID || has.Version == 0 {
		t.Errorf("%+v", has)
	}
	call(o.lead, "PUT", owner, `{"version":0,"responsible":"`+o.ben.ID+`"}`, 409, nil)
	call(o.lead, "PUT", owner, `{"version":1,"responsible":"`+o.anna.ID+`","deputy":"`+o.ben.ID+`","deputy_until":"soon"}`, 422, nil)
	call(o.anna, "PUT", owner, `{"version":1,"responsible":"`+o.anna.ID+`"}`, 403, nil)
	call(o.lead, "GET", "/measures/XYZ-1/owner", "", 404, nil)

	var mine struct{ Tasks []measure.APITask }
	call(o.anna, "GET", "/tasks", "", 200, &mine)
	if len(mine.Tasks) != 1 || mine.Tasks[0].Measure != whole || !mine.Tasks[0].Pending || mine.Tasks[0].Sentence != o.words(whole) {
		t.Fatalf("%+v", mine)
	}
	statement := func(sentence, day string) string {
		return `{"statement":"confirmed","observed_on":"` + day + `","sentence":"` + sentence + `","note":"Vu."}`
	}
	path := "/measures/" + whole + "/attestations"
	call(o.lead, "POST", path, statement(mine.Tasks[0].Sentence, o.today().String()), 403, nil)
	call(o.anna, "POST", path, statement("x", o.today().String()), 409, nil)
	call(o.anna, "POST", path, statement(mine.Tasks[0].Sentence, "2026-02-30"), 422, nil)
	call(o.anna, "POST", path, strings.Replace(statement(mine.Tasks[0].Sentence, o.today().String()), "confirmed", "maybe", 1), 422, nil)
	var a measure.APIAttestation
	call(o.anna, "POST", path, statement(mine.Tasks[0].Sentence, o.today().String()), 201, &a)
	if !a.Intact || a.Person != o.anna.ID || a.Measure != whole || a.ObservedOn != o.today().String() {
		t.Errorf("%+v", a)
	}
	call(o.anna, "GET", path, "", 403, nil) // a member does not read what others say
	var list struct{ Attestations []measure.APIAttestation }
	if body := call(o.lead, "GET", path, "", 200, &list); len(list.Attestations) != 1 || list.Attestations[0].Digest != a.Digest || strings.Contains(body, "Vu.") {
		t.Errorf("%s", body)
	}
	call(o.lead, "GET", path+"?before="+a.ID, "", 200, &list)
	if len(list.Attestations) != 0 {
		t.Errorf("%+v", list)
	}
	call(o.lead, "GET", path+"?before=x", "", 404, nil)
	call(o.anna, "GET", "/tasks", "", 200, &mine)
	if len(mine.Tasks) != 1 || mine.Tasks[0].Pending || mine.Tasks[0].ExpiresAt == nil {
		t.Errorf("%+v", mine)
	}
}
