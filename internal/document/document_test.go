package document_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/document"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

var (
	owner = document.Owner{Kind: "attestation", ID: "01890000-0000-7000-8000-000000000001"}
	other = document.Owner{Kind: "attestation", ID: "01890000-0000-7000-8000-000000000002"}
	lead  = actor.Actor{Kind: actor.Person, ID: "01890000-0000-7000-8000-00000000000a", Name: "Responsable sécurité (exemple)"}
)

type house struct {
	*document.Store
	t  testing.TB
	db *pg.DB
}

func open(t testing.TB) *house {
	t.Helper()
	db := pgtest.New(t)
	return &house{document.New(db, boxOf(t, db)), t, db}
}

func boxOf(t testing.TB, db *pg.DB) *crypt.Box {
	t.Helper()
	provider, err := crypt.OpenKeyfile(context.Background(), db.Pool(pg.Staff), filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	box, err := crypt.NewBox(context.Background(), db.Pool(pg.Staff), provider)
	if err != nil {
		t.Fatal(err)
	}
	return box
}

func (h *house) put(owner document.Owner, name, content string) document.Info {
	h.t.Helper()
	u, err := document.Receive(name, strings.NewReader(content))
	if err != nil {
		h.t.Fatal(err)
	}
	var info document.Info
	err = pg.InTx(context.Background(), h.db.Pool(pg.Staff), func(tx pgx.Tx) error {
		info, err = h.Put(context.Background(), tx, lead, owner, u)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return info
}

func (h *house) fails(id document.Info, owner document.Owner, want string) {
	h.t.Helper()
	_, content, err := h.Open(context.Background(), lead, owner, id.ID)
	var known *errs.Error
	if !errors.As(err, &known) || known.ID != want || content != nil {
		h.t.Errorf("%v, want %s", err, want)
	}
}

func TestKeptAndGivenBack(t *testing.T) {
	h := open(t)
	ctx := context.Background()
	// Three pieces, the last of them short.
	content := strings.Repeat("Porte 12 fermée ; badge contrôlé.\n", 70_000)
	put := h.put(owner, "visite.txt", content)
	h.put(owner, "plan.pdf", aPDF)
	h.put(other, "autre.pdf", aPDF)

	list, err := h.List(ctx, h.db.Pool(pg.Staff), owner)
	if err != nil || len(list) != 2 || list[0].Name != "visite.txt" || list[1].Name != "plan.pdf" || list[0].AddedBy != lead.ID || list[0].SHA256 != put.SHA256 {
		t.Fatalf("%+v, %v", list, err)
	}
	info, got, err := h.Open(ctx, lead, owner, put.ID)
	if err != nil || string(got) != content || info.Name != "visite.txt" || info.Size != int64(len(content)) {
		t.Fatalf("%+v, %d bytes, %v", info, len(got), err)
	}
	entries, err := audit.List(ctx, h.db.Pool(pg.Staff), audit.Filter{Object: audit.Object{Kind: "document", ID: put.ID.String()}})
	if err != nil || len(entries) != 2 || entries[0].Action != "document.read" || entries[1].Action != "document.added" {
		t.Errorf("%+v, %v", entries, err)
	}

	// Nothing of it is readable in the database.
	super := pgtest.Superuser(t, h.db.Pool(pg.Staff).Config().ConnConfig.Database)
	var leaks int
	if err := super.QueryRow(ctx, `SELECT count(*) FROM document.piece WHERE position('badge'::bytea IN value) > 0`).Scan(&leaks); err != nil || leaks != 0 {
		t.Errorf("%d pieces can be read, %v", leaks, err)
	}
	if err := super.QueryRow(ctx, `SELECT count(*) FROM document.document WHERE position('visite'::bytea IN name) > 0`).Scan(&leaks); err != nil || leaks != 0 {
		t.Errorf("%d names can be read, %v", leaks, err)
	}
}

func TestBelongsToItsOwner(t *testing.T) {
	h := open(t)
	put := h.put(owner, "plan.pdf", aPDF)
	h.fails(put, other, "document.none")
	h.fails(put, document.Owner{Kind: "supplier", ID: owner.ID}, "document.none")
	h.fails(document.Info{ID: uuid.Must(uuid.NewV7())}, owner, "document.none")
}

func TestErased(t *testing.T) {
	h := open(t)
	ctx := context.Background()
	put, kept := h.put(owner, "nda.pdf", aPDF), h.put(owner, "other.pdf", aPDF)
	erase := func(o document.Owner) error {
		return pg.InTx(ctx, h.db.Pool(pg.Staff), func(tx pgx.Tx) error { return h.Forget(ctx, tx, lead, o, put.ID) })
	}
	if err := erase(other); !errs.Is(err, errs.NotFound) {
		t.Errorf("erased for another owner: %v", err)
	}
	if err := erase(owner); err != nil {
		t.Fatal(err)
	}
	if err := erase(owner); err != nil {
		t.Errorf("the second time: %v", err)
	}
	h.fails(put, owner, "document.erased")
	list, err := h.List(ctx, h.db.Pool(pg.Staff), owner)
	if err != nil || len(list) != 2 || !list[0].Erased || list[0].Name != "" || list[1].Erased || list[1].ID != kept.ID {
		t.Errorf("%+v, %v", list, err)
	}
	entries, err := audit.List(ctx, h.db.Pool(pg.Staff), audit.Filter{Action: "document.erased"})
	if err != nil || len(entries) != 1 {
		t.Errorf("%+v, %v", entries, err)
	}
}

// What somebody changes in the database does not pass for what was kept.
func TestTamperedWith(t *testing.T) {
	h := open(t)
	ctx := context.Background()
	super := pgtest.Superuser(t, h.db.Pool(pg.Staff).Config().ConnConfig.Database)
	long := strings.Repeat("x", 3<<20)
	for name, sql := range map[string]string{
		"swapped":   "UPDATE document.piece SET n = CASE n WHEN 0 THEN 1 WHEN 1 THEN 0 ELSE n END WHERE document_id = $1",
		"dropped":   "DELETE FROM document.piece WHERE document_id = $1 AND n = 2",
		"shortened": "WITH d AS (DELETE FROM document.piece WHERE document_id = $1 AND n = 2) UPDATE document.document SET pieces = 2 WHERE id = $1",
		"bit":       "UPDATE document.piece SET value = set_byte(value, 40, get_byte(value, 40) # 1) WHERE document_id = $1 AND n = 1",
		"sum":       "UPDATE document.document SET sha256 = repeat('0', 64) WHERE id = $1",
	} {
		put := h.put(owner, name+".txt", long)
		if _, err := super.Exec(ctx, "ALTER TABLE document.piece DROP CONSTRAINT IF EXISTS piece_pkey"); err != nil {
			t.Fatal(err)
		}
		if _, err := super.Exec(ctx, sql, put.ID); err != nil {
			t.Fatal(name, err)
		}
		h.fails(put, owner, "document.damaged")
	}
	// Another document's pieces, of the same number.
	a, b := h.put(owner, "a.txt", "a text"), h.put(owner, "b.txt", "b text")
	if _, err := super.Exec(ctx, "UPDATE document.piece p SET value = q.value FROM document.piece q WHERE p.document_id = $1 AND q.document_id = $2", a.ID, b.ID); err != nil {
		t.Fatal(err)
	}
	h.fails(a, owner, "document.damaged")
}

// The database of one installation under the key of another opens nothing.
func TestWrongKey(t *testing.T) {
	h := open(t)
	ctx := context.Background()
	put := h.put(owner, "a.pdf", aPDF)
	elsewhere := pgtest.New(t)
	stranger := document.New(h.db, boxOf(t, elsewhere))
	_, _, err := stranger.Open(ctx, lead, owner, put.ID)
	if err == nil || errs.Is(err, errs.NotFound) {
		t.Errorf("opened by another key: %v", err)
	}
	list, err := stranger.List(ctx, h.db.Pool(pg.Staff), owner)
	if err != nil || len(list) != 1 || !list[0].Unreadable || list[0].Erased {
		t.Errorf("%+v, %v", list, err)
	}
}

// A disk that is full leaves nothing behind and says so.
func TestDiskFull(t *testing.T) {
	h := open(t)
	ctx := context.Background()
	super := pgtest.Superuser(t, h.db.Pool(pg.Staff).Config().ConnConfig.Database)
	for _, sql := range []string{
		`CREATE FUNCTION document.full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.n = 1 THEN RAISE EXCEPTION 'full' USING ERRCODE = '53100'; END IF; RETURN NEW; END $$`,
		`GRANT EXECUTE ON FUNCTION document.full() TO garant_staff`,
		`CREATE TRIGGER full_disk BEFORE INSERT ON document.piece FOR EACH ROW EXECUTE FUNCTION document.full()`,
	} {
		if _, err := super.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	u, err := document.Receive("a.txt", strings.NewReader(strings.Repeat("x", 2<<20)))
	if err != nil {
		t.Fatal(err)
	}
	err = pg.InTx(ctx, h.db.Pool(pg.Staff), func(tx pgx.Tx) error {
		_, err := h.Put(ctx, tx, lead, owner, u)
		return err
	})
	var known *errs.Error
	if !errors.As(err, &known) || known.ID != "pg.disk_full" {
		t.Fatalf("%v", err)
	}
	if list, err := h.List(ctx, h.db.Pool(pg.Staff), owner); err != nil || len(list) != 0 {
		t.Errorf("left behind: %+v, %v", list, err)
	}
}

// The serving roles can neither change nor delete a document, and only staff reads one.
func TestRights(t *testing.T) {
	h := open(t)
	h.put(owner, "a.pdf", aPDF)
	for role, statements := range map[pg.Role][]string{
		pg.Staff: {
			"UPDATE document.document SET type = 'text/plain'", "DELETE FROM document.document", "DELETE FROM document.piece", "UPDATE document.piece SET n = 9", "TRUNCATE document.piece",
			"INSERT INTO document.document (id, owner_kind, owner_id, name, type, size, sha256, pieces, added_at, added_by) SELECT gen_random_uuid(), owner_kind, owner_id, name, type, size, sha256, pieces, 'epoch', added_by FROM document.document",
		},
		pg.Login: {"SELECT id FROM document.document"}, pg.Public: {"SELECT id FROM document.document"}, pg.Worker: {"SELECT value FROM document.piece"}, pg.Checker: {"SELECT value FROM document.piece"},
	} {
		for _, sql := range statements {
			_, err := h.db.Pool(role).Exec(context.Background(), sql)
			var refused *pgconn.PgError
			if !errors.As(err, &refused) || refused.Code != "42501" {
				t.Errorf("%s: %s: %v", role, sql, err)
			}
		}
	}
}

// sent makes a form as a browser sends it.
func sent(t *testing.T, fill func(*multipart.Writer)) *http.Request {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	fill(w)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/", &b)
	r.Header.Set("Content-Type", w.FormDataContentType())
	return r
}

func file(t *testing.T, w *multipart.Writer, field, name, content string) {
	t.Helper()
	f, err := w.CreateFormFile(field, name)
	if err == nil {
		_, err = f.Write([]byte(content))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestForm(t *testing.T) {
	values, files, err := document.ParseForm(httptest.NewRecorder(), sent(t, func(w *multipart.Writer) {
		_ = w.WriteField("note", "vu sur place")
		file(t, w, "proof", "a.pdf", aPDF)
		file(t, w, "proof", "", "") // left empty
		_ = w.WriteField("site", "paris")
		_ = w.WriteField("site", "lyon")
	}))
	if err != nil || values.Get("note") != "vu sur place" || len(values["site"]) != 2 || len(files["proof"]) != 1 || files["proof"][0].Name != "a.pdf" {
		t.Errorf("%v %v %v", values, files, err)
	}

	// One bad document: the form is there to be shown again.
	values, _, err = document.ParseForm(httptest.NewRecorder(), sent(t, func(w *multipart.Writer) {
		file(t, w, "proof", "a.pdf", "MZ")
		_ = w.WriteField("note", "vu sur place")
	}))
	var known *errs.Error
	if !errors.As(err, &known) || known.ID != "document.refused.program" || values.Get("note") != "vu sur place" {
		t.Errorf("%v %v", values, err)
	}

	// Too much: the site says so.
	r := sent(t, func(w *multipart.Writer) { file(t, w, "proof", "a.txt", strings.Repeat("x", 5000)) })
	r.Body = http.MaxBytesReader(httptest.NewRecorder(), r.Body, 1000)
	var tooLarge *http.MaxBytesError
	if _, _, err := document.ParseForm(httptest.NewRecorder(), r); !errors.As(err, &tooLarge) {
		t.Errorf("%v", err)
	}
	// Cut off in the middle.
	r = sent(t, func(w *multipart.Writer) { file(t, w, "proof", "a.txt", strings.Repeat("x", 5000)) })
	r.Body = http.NoBody
	if _, _, err := document.ParseForm(httptest.NewRecorder(), r); !errs.Is(err, errs.Invalid) {
		t.Errorf("%v", err)
	}
	_, _, err = document.ParseForm(httptest.NewRecorder(), sent(t, func(w *multipart.Writer) {
		for i := range 11 {
			file(t, w, "proof", fmt.Sprintf("%d.pdf", i), aPDF)
		}
	}))
	if !errors.As(err, &known) || known.ID != "document.too_many" {
		t.Errorf("%v", err)
	}
	// A form without documents.
	r = httptest.NewRequest(http.MethodPost, "/", strings.NewReader("note=x"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if values, _, err := document.ParseForm(httptest.NewRecorder(), r); err != nil || values.Get("note") != "x" {
		t.Errorf("%v %v", values, err)
	}
}

func TestServed(t *testing.T) {
	w := httptest.NewRecorder()
	document.Serve(w, document.Info{Name: "procès-verbal \"1\".pdf", Type: "application/pdf"}, []byte(aPDF))
	kind, parameters, err := mime.ParseMediaType(w.Header().Get("Content-Disposition"))
	if err != nil || kind != "attachment" || parameters["filename"] != "procès-verbal \"1\".pdf" {
		t.Errorf("%s %v %v", kind, parameters, err)
	}
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Content-Type": "application/pdf", "Cache-Control": "no-store"} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	if csp := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(csp, "sandbox;") || strings.Contains(csp, "allow-") {
		t.Errorf("CSP %q", csp)
	}
	if w.Body.String() != aPDF {
		t.Error("not as it was kept")
	}
}
