package outgoing

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestAllowed(t *testing.T) {
	for address, want := range map[string][2]bool{ // public only, private too
		"93.184.216.34:443":           {true, true},
		"[2606:2800:220:1::1]:443":    {true, true},
		"127.0.0.1:80":                {false, true},
		"[::1]:80":                    {false, true},
		"10.1.2.3:80":                 {false, true},
		"172.16.0.1:80":               {false, true},
		"192.168.1.1:80":              {false, true},
		"100.64.0.1:80":               {false, true},
		"[fd12:3456::1]:80":           {false, true},
		"[::ffff:10.0.0.1]:80":        {false, true},
		"169.254.169.254:80":          {false, false},
		"[::ffff:169.254.169.254]:80": {false, false},
		"[fe80::1%eth0]:80":           {false, false},
		"[fd00:ec2::254]:80":          {false, false},
		"100.100.100.200:80":          {false, false},
		"168.63.129.16:80":            {false, false},
		"[::ffff:168.63.129.16]:80":   {false, false},
		"192.0.0.192:80":              {false, false},
		"0.0.0.0:80":                  {false, false},
		"[::]:80":                     {false, false},
		"224.0.0.1:80":                {false, false},
		"255.255.255.255:80":          {false, false},
		"[64:ff9b::a9fe:a9fe]:80":     {false, false},
		"[2002:a9fe:a9fe::1]:80":      {false, false},
		"host.example:80":             {false, false},
		"":                            {false, false},
	} {
		if got := [2]bool{Allowed(address, false), Allowed(address, true)}; got != want {
			t.Errorf("%s: %v, want %v", address, got, want)
		}
	}
}

func TestBounds(t *testing.T) {
	inner := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("inner")) }))
	defer inner.Close()
	hops := 0
	outer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/elsewhere":
			http.Redirect(w, r, inner.URL, http.StatusFound)
		case "/cloud":
			http.Redirect(w, r, "http://169.254.169.254/", http.StatusFound)
		case "/file":
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		case "/loop":
			hops++
			http.Redirect(w, r, "/loop", http.StatusFound)
		case "/large":
			_, _ = w.Write([]byte(strings.Repeat("x", 2000)))
		case "/slow":
			<-r.Context().Done()
		case "/header":
			w.Header().Set("X", strings.Repeat("x", 1<<20))
		default:
			_, _ = w.Write([]byte("outer " + r.Header.Get("X-Secret")))
		}
	}))
	defer outer.Close()
	ctx := context.Background()
	c := Client{Private: true, Redirects: 3, MaxBody: 1000, Timeout: time.Second}
	r, err := c.Do(ctx, Request{URL: outer.URL, Secrets: http.Header{"X-Secret": {"s"}}})
	if err != nil || string(r.Body) != "outer s" {
		t.Fatalf("%v %+v", err, r)
	}
	for path, want := range map[string]error{
		"/elsewhere": ErrAddress, "/cloud": ErrAddress, "/file": ErrRedirect, "/loop": ErrRedirect, "/large": ErrTooLarge,
		"/slow": context.DeadlineExceeded, "/header": nil,
	} {
		r, err := c.Do(ctx, Request{URL: outer.URL + path})
		if err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("%s: %v %+v, want %v", path, err, r, want)
		}
		if err != nil && Reason(err) == "" {
			t.Errorf("%s: no reason for %v", path, err)
		}
	}
	if hops != 4 {
		t.Errorf("%d calls for 3 redirects", hops)
	}
	if _, err := (&Client{}).Do(ctx, Request{URL: outer.URL}); !errors.Is(err, ErrAddress) {
		t.Errorf("loopback without leave: %v", err)
	}
	for _, bad := range []string{"", "file:///etc/passwd", "http://u:p@127.0.0.1/", "://"} {
		if _, err := c.Do(ctx, Request{URL: bad}); !errors.Is(err, ErrAddress) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	stays := Client{Private: true}
	if r, err := stays.Do(ctx, Request{URL: outer.URL + "/elsewhere"}); err != nil || r.Status != http.StatusFound {
		t.Errorf("a redirect that is not to be followed: %v %+v", err, r)
	}
	if _, err := stays.Do(ctx, Request{URL: "http://127.0.0.1:1/"}); Reason(err) != "connection refused" {
		t.Errorf("%v", err)
	}
}
