package app

import (
	"context"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/engine/register"
)

// The desk tells one thing once: what a check sees and what the register or the list of measures tells of it in
// its own words. Who is not told the latter is told by the check. The number beside the desk counts the same.
func TestTheDeskTellsOnce(t *testing.T) {
	s := serve(t)
	ctx := context.Background()
	tokens := map[actor.Role]string{}
	for _, role := range []actor.Role{actor.Lead, actor.Operator, actor.Reader} {
		_, tokens[role] = s.signIn(role)
	}
	person, err := s.dir.PersonByEmail(ctx, actor.NewSystem("test"), "lead@ardoise.example")
	if err != nil {
		t.Fatal(err)
	}
	lead := acting(person)
	day := func(days int) string { return s.now.AddDate(0, 0, days).Format(time.DateOnly) }
	for _, file := range [][2]string{
		{register.Persons, "name,email,kind,arrival,leaving\nPartie (exemple),partie@ardoise.example,employee," + day(-100) + "," + day(-3)},
		{register.Assets, "tag,name,kind,owner\nPC-77,Portable,laptop,partie@ardoise.example"},
	} {
		if report, err := s.g.Registers.Import(ctx, lead, file[0], []byte(file[1]+"\n"), false, s.now); err != nil || report.Bad > 0 {
			t.Fatal(err, report)
		}
	}
	desk := func(role actor.Role) (rows []string) {
		t.Helper()
		code, body := s.ask(http.MethodGet, "/", tokens[role])
		if code != http.StatusOK {
			t.Fatalf("the desk of a %s: %d", role, code)
		}
		tag := regexp.MustCompile(`<[^>]+>`)
		plain := strings.Join(strings.Fields(tag.ReplaceAllString(body, " ")), " ")
		for _, row := range regexp.MustCompile(`(?s)<tr.*?</tr>`).FindAllString(body, -1)[1:] {
			rows = append(rows, strings.Join(strings.Fields(tag.ReplaceAllString(row, " ")), " "))
		}
		if count := regexp.MustCompile(`Desk (\d+)`).FindStringSubmatch(plain); count == nil || count[1] != strconv.Itoa(len(rows)) {
			t.Errorf("the desk of a %s has %d rows, and the navigation says %v", role, len(rows), count)
		}
		return rows
	}
	with := func(rows []string, word string) (n int) {
		for _, row := range rows {
			if strings.Contains(row, word) {
				n++
			}
		}
		return n
	}
	for _, looked := range []bool{false, true} {
		if looked {
			for _, check := range []string{"register.owners", "measure.owners"} {
				s.now = time.Now().UTC() // what was seen long ago on a slow machine would not be stored
				if _, err := s.g.Runner.Run(ctx, lead, check); err != nil {
					t.Fatal(err)
				}
			}
		}
		for role, words := range map[actor.Role][]string{
			actor.Lead: {"AST-1", "without a present owner", "ORG-1", "have no owner"}, actor.Operator: {"AST-1", "without a present owner", "ORG-1"}, actor.Reader: {"AST-1", "ORG-1"},
		} {
			rows := desk(role)
			for _, word := range words {
				if n := with(rows, word); n != 1 {
					t.Errorf("%q is told %d times on the desk of a %s (looked: %v):\n%s", word, n, role, looked, strings.Join(rows, "\n"))
				}
			}
			if n := with(rows, "still answers for something"); n > 0 {
				t.Errorf("who left the asset is told of beside it on the desk of a %s", role)
			}
			if looked && with(rows, "PC-77") != 1 {
				t.Errorf("the asset is named %d times on the desk of a %s", with(rows, "PC-77"), role)
			}
		}
	}
}
