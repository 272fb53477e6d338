package ui

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
)

//go:embed static
var staticFiles embed.FS

// asset is one file as it is served.
type asset struct {
	path        string // "/static/garant.3fa9c1d2e4b5.css"
	contentType string
	plain       []byte
	gzip        []byte // nil where packing does not pay
}

// library is every file, by name and by the path that it is served under.
type library struct {
	byName map[string]*asset
	byPath map[string]*asset
	icons  map[string]template.HTML
}

// assets reads and packs the embedded files when they are first asked for; what it returns
// follows from the program alone and never changes.
var assets = sync.OnceValues(loadAssets)

// loadAssets names each file after its content. The style sheets of static/css become one,
// garant.css, in the order of their names, with url(…) pointing at the served paths.
func loadAssets() (*library, error) {
	l := &library{byName: map[string]*asset{}, byPath: map[string]*asset{}, icons: map[string]template.HTML{}}
	var css bytes.Buffer
	err := fs.WalkDir(staticFiles, "static", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := staticFiles.ReadFile(name)
		if err != nil {
			return err
		}
		base := path.Base(name)
		switch dir := path.Base(path.Dir(name)); {
		case path.Ext(base) == ".txt": // licences lie beside what they license, unserved
		case dir == "css":
			css.Write(content)
		case dir == "icons":
			l.icons[strings.TrimSuffix(base, ".svg")] = inlineIcon(content)
		default:
			return l.add(base, content)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	sheet := css.String()
	for name, a := range l.byName {
		sheet = strings.ReplaceAll(sheet, "url("+name+")", "url("+a.path+")")
	}
	return l, l.add("garant.css", []byte(sheet))
}

// inlineIcon makes an icon part of a page: decoration beside its word, never alone.
func inlineIcon(svg []byte) template.HTML {
	s := strings.Replace(strings.TrimSpace(string(svg)), `<svg xmlns="http://www.w3.org/2000/svg"`, `<svg class="icon" aria-hidden="true" focusable="false"`, 1)
	return template.HTML(s) //nolint:gosec // a file of this package
}

func (l *library) add(name string, content []byte) error {
	types := map[string]string{
		".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
		".svg": "image/svg+xml", ".woff2": "font/woff2",
	}
	ext := path.Ext(name)
	if types[ext] == "" || l.byName[name] != nil {
		return fmt.Errorf("ui: static file %s is of no known type or comes twice", name)
	}
	sum := sha256.Sum256(content)
	a := &asset{
		path:        "/static/" + strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:6]) + ext,
		contentType: types[ext], plain: content,
	}
	if ext != ".woff2" { // packed already
		var b bytes.Buffer
		z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
		if err != nil {
			return err
		}
		_, err = z.Write(content)
		if err = errors.Join(err, z.Close()); err != nil {
			return err
		}
		a.gzip = b.Bytes()
	}
	l.byName[name], l.byPath[a.path] = a, a
	return nil
}

// Asset returns the path of a static file by its plain name: "garant.css", "garant.js",
// "htmx.min.js", "favicon.svg" or a font. It is empty for a name that there is not; templates
// that ask for one fail.
func Asset(name string) string {
	p, err := assetPath(name)
	if err != nil {
		return ""
	}
	return p
}

func assetPath(name string) (string, error) {
	l, err := assets()
	if err != nil {
		return "", err
	}
	a := l.byName[name]
	if a == nil {
		return "", fmt.Errorf("ui: there is no static file %q", name)
	}
	return a.path, nil
}

func icon(name string) (template.HTML, error) {
	l, err := assets()
	if err != nil {
		return "", err
	}
	svg, ok := l.icons[name]
	if !ok {
		return "", fmt.Errorf("ui: there is no icon %q", name)
	}
	return svg, nil
}

// Static serves the files below /static/. Names hold a hash of the content, so that browsers
// may keep them for a year.
func Static() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "This file can only be read.", http.StatusMethodNotAllowed)
			return
		}
		l, err := assets()
		if err != nil {
			http.Error(w, "The files of this page cannot be read.", http.StatusInternalServerError)
			return
		}
		a := l.byPath[r.URL.Path]
		if a == nil {
			http.NotFound(w, r)
			return
		}
		h := w.Header()
		h.Set("Content-Type", a.contentType)
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
		h.Set("X-Content-Type-Options", "nosniff")
		body := a.plain
		if a.gzip != nil {
			h.Set("Vary", "Accept-Encoding")
			if AcceptsGzip(r.Header.Get("Accept-Encoding")) {
				h.Set("Content-Encoding", "gzip")
				body = a.gzip
			}
		}
		h.Set("Content-Length", strconv.Itoa(len(body)))
		if r.Method != http.MethodHead {
			_, _ = w.Write(body) // a reader who went away is nobody to tell
		}
	})
}

// AcceptsGzip reads an Accept-Encoding header (RFC 9110 §12.5.3) as far as gzip is concerned.
func AcceptsGzip(header string) bool {
	return slices.ContainsFunc(strings.Split(header, ","), func(part string) bool {
		coding, q, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.TrimSpace(coding) != "gzip" {
			return false
		}
		_, weight, found := strings.Cut(strings.ReplaceAll(q, " ", ""), "q=")
		v, err := strconv.ParseFloat(weight, 64)
		return !found || err == nil && v > 0
	})
}
