package document_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"

	"github.com/garant-project/garant/internal/document"
	"github.com/garant-project/garant/internal/errs"
)

const aPDF = "%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\nstartxref\n9\n%%EOF\n"

func aPNG(t testing.TB) string {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 3, 3))); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func aJPEG(t testing.TB) string {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, 3, 3)), nil); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func aWebP() string {
	b := []byte("RIFF\x00\x00\x00\x00WEBPVP8L\x04\x00\x00\x00\x2f\x00\x00\x00")
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)-8)) //nolint:gosec // short
	return string(b)
}

// zipped makes an archive; a part called mimetype is stored as it is, as ODF asks.
func zipped(t testing.TB, parts ...string) string {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i+1 < len(parts); i += 2 {
		method := zip.Deflate
		if parts[i] == "mimetype" {
			method = zip.Store
		}
		f, err := w.CreateHeader(&zip.FileHeader{Name: parts[i], Method: method})
		if err == nil {
			_, err = f.Write([]byte(parts[i+1]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func docx(t testing.TB, more ...string) string {
	return zipped(t, append([]string{"[Content_Types].xml", "<Types/>", "word/document.xml", "<w:document/>"}, more...)...)
}

func odf(t testing.TB, kind string, more ...string) string {
	return zipped(t, append([]string{"mimetype", "application/vnd.oasis.opendocument." + kind, "content.xml", "<x/>"}, more...)...)
}

func TestWhatIsKept(t *testing.T) {
	for _, c := range []struct{ name, content, as, media string }{
		{"policy.pdf", aPDF, "policy.pdf", "application/pdf"},
		{"SCAN.PDF", aPDF, "SCAN.PDF", "application/pdf"},
		{"no extension", aPDF, "no extension.pdf", "application/pdf"},
		{"a.png", aPNG(t), "a.png", "image/png"},
		{"a.jpeg", aJPEG(t), "a.jpeg", "image/jpeg"},
		{"a.webp", aWebP(), "a.webp", "image/webp"},
		{"a.txt", "Visite du 3 mars : portes fermées, extincteurs vérifiés.\n", "a.txt", "text/plain"},
		{"a.md", "# Visit\n", "a.md", "text/plain"},
		{"latin.csv", "nom;ville\nRen\xe9e;Li\xe8ge\n", "latin.csv", "text/csv"},
		{"utf16.csv", "\xff\xfen\x00o\x00m\x00;\x00", "utf16.csv", "text/csv"},
		{"a.docx", docx(t), "a.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
		{"a.xlsx", zipped(t, "[Content_Types].xml", "<Types/>", "xl/workbook.xml", "<w/>"), "a.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
		{"a.pptx", zipped(t, "[Content_Types].xml", "<Types/>", "ppt/presentation.xml", "<w/>"), "a.pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"},
		{"a.odt", odf(t, "text"), "a.odt", "application/vnd.oasis.opendocument.text"},
		{"a.ods", odf(t, "spreadsheet"), "a.ods", "application/vnd.oasis.opendocument.spreadsheet"},
		{"a.odp", odf(t, "presentation"), "a.odp", "application/vnd.oasis.opendocument.presentation"},
		// names that need care
		{`C:\Users\x\audit 2026.pdf`, aPDF, "audit 2026.pdf", "application/pdf"},
		{"../../etc/passwd", "root:x:0:0\n", "passwd.txt", "text/plain"},
		{"  rapport\u202efdp\x00\n.pdf ", aPDF, "rapportfdp.pdf", "application/pdf"},
		{"a<b>\"c|d.pdf", aPDF, "a_b__c_d.pdf", "application/pdf"},
		{"con.pdf", aPDF, "_con.pdf", "application/pdf"},
		{"..pdf", aPDF, "pdf.pdf", "application/pdf"},
		{"", aPDF, "document.pdf", "application/pdf"},
		{strings.Repeat("é", 300) + ".pdf", aPDF, strings.Repeat("é", 120) + ".pdf", "application/pdf"},
	} {
		u, err := document.Receive(c.name, strings.NewReader(c.content))
		if err != nil {
			t.Errorf("%q: %v", c.name, err)
			continue
		}
		if u.Name != c.as || u.Type != c.media || u.Size() != int64(len(c.content)) {
			t.Errorf("%q: kept as %q, %s, %d bytes; want %q, %s", c.name, u.Name, u.Type, u.Size(), c.as, c.media)
		}
	}
}

// A document that lies about its type, or that something would run, is refused, and the reader
// is told why.
func TestWhatIsRefused(t *testing.T) {
	markup, program, script := "document.refused.markup", "document.refused.program", "document.refused.script"
	for _, c := range []struct{ name, content, id string }{
		{"page.html", "<!doctype html><script>alert(1)</script>", markup},
		{"notes.txt", "\xef\xbb\xbf \n <html><body>", markup},
		{"notes.txt", "\xff\xfe<\x00s\x00c\x00r\x00i\x00p\x00t\x00>\x00", markup},
		{"drawing.png", `<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" onload="x()"/>`, markup},
		{"drawing.svg", "<svg/>", markup},
		{"run.txt", "#!/bin/sh\nrm -rf /\n", script},
		{"setup.pdf", "MZ\x90\x00\x03", program},
		{"tool", "\x7fELF\x02\x01\x01", program},
		{"a.pdf", "\xca\xfe\xba\xbe\x00\x00", program},
		{"a.zip", zipped(t, "readme.txt", "x"), "document.refused.archive"},
		{"a.docx", zipped(t, "readme.txt", "x"), "document.refused.archive"},
		{"a.gz", "\x1f\x8b\x08\x00", "document.refused.archive"},
		{"a.docm", docx(t, "word/vbaProject.bin", "x"), "document.refused.macros"},
		{"a.docx", docx(t, "word/vbaProject.bin", "x"), "document.refused.macros"},
		{"a.xlsx", zipped(t, "[Content_Types].xml", "<Types/>", "xl/workbook.xml", "<w/>", "xl/macrosheets/sheet1.xml", "x"), "document.refused.macros"},
		{"a.odt", odf(t, "text", "Basic/script-lc.xml", "x"), "document.refused.macros"},
		{"a.doc", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1rest", "document.refused.old_office"},
		{"a.rtf", `{\rtf1 x}`, "document.refused.unknown"},
		{"a.bin", "\x00\x01\x02\x03", "document.refused.unknown"},
		{"a.gif", "GIF89a\x01\x00\x01\x00\x00", "document.refused.unknown"},
		{"half.pdf", aPDF[:30], "document.refused.incomplete"},
		{"half.png", aPNG(t)[:20], "document.refused.incomplete"},
		{"half.jpg", aJPEG(t)[:30], "document.refused.incomplete"},
		{"half.webp", aWebP()[:16], "document.refused.incomplete"},
		{"half.docx", docx(t)[:60], "document.refused.incomplete"},
		{"photo.jpg", aPNG(t), "document.contradicts"},
		{"report.pdf", "just words", "document.contradicts"},
		{"report.pdf", docx(t), "document.contradicts"},
		{"a.docx", odf(t, "text"), "document.contradicts"},
		{"invoice.pdf.exe", aPDF, "document.contradicts"},
		{"macro.js", "alert(1)", "document.contradicts"},
		{"facture\u202efdp.exe", aPDF, "document.contradicts"},
		{"a.csv", aPDF, "document.contradicts"},
		{"a.txt", "", "document.empty"},
		{"a.txt", " \n\t ", "document.empty"},
	} {
		_, err := document.Receive(c.name, strings.NewReader(c.content))
		var known *errs.Error
		if !errors.As(err, &known) || known.ID != c.id || known.Kind != errs.Invalid || known.Fix == "" {
			t.Errorf("%q: %v, want %s", c.name, err, c.id)
		}
	}
}

func TestSizes(t *testing.T) {
	body := func(n int) *bytes.Reader { return bytes.NewReader(bytes.Repeat([]byte("a"), n)) }
	if u, err := document.Receive("a.txt", body(document.MaxSize)); err != nil || u.Size() != document.MaxSize {
		t.Errorf("at the limit: %v", err)
	}
	var known *errs.Error
	if _, err := document.Receive("a.txt", body(document.MaxSize+1)); !errors.As(err, &known) || known.ID != "document.too_large" {
		t.Errorf("over the limit: %v", err)
	}
}

// FuzzReceive sends anything under any name: what is kept has a name that is one name, of the
// type that its content has.
func FuzzReceive(f *testing.F) {
	f.Add("a.pdf", []byte(aPDF))
	f.Add("a.docx", []byte(docx(f)))
	f.Add("..\\x/\u202e.txt", []byte("x"))
	f.Add("a.webp", []byte(aWebP()))
	f.Fuzz(func(t *testing.T, name string, content []byte) {
		u, err := document.Receive(name, bytes.NewReader(content))
		if err != nil {
			if !errs.Is(err, errs.Invalid) {
				t.Errorf("%v", err)
			}
			return
		}
		if u.Name == "" || len(u.Name) > 255 || strings.ContainsAny(u.Name, "/\\\x00\n\r\"<>") || strings.HasPrefix(u.Name, ".") {
			t.Errorf("kept as %q", u.Name)
		}
		if again, err := document.Receive(u.Name, bytes.NewReader(content)); err != nil || again.Type != u.Type || again.Name != u.Name {
			t.Errorf("%q is received otherwise the second time: %v", u.Name, err)
		}
	})
}
