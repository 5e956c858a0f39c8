package publishing_test

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"unicode"

	"footfall/domain/publishing"
	"footfall/test/check"
)

func TestParseEndpointNormalisesURLs(t *testing.T) {
	for in, want := range map[string]string{
		"http://h":                              "http://h",
		"http://h/":                             "http://h/",
		"https://Example.COM/Path?Q=1":          "https://example.com/Path?Q=1",
		"HTTP://h:80/":                          "http://h:80/",
		"https://h:443/":                        "https://h:443/",
		"http://h:1024/p":                       "http://h:1024/p",
		"http://h:65535/p":                      "http://h:65535/p",
		"http://a_b-c.d1/":                      "http://a_b-c.d1/",
		"http://xn--bcher-kva.example/":         "http://xn--bcher-kva.example/",
		"http://h?a=1&b=2;c":                    "http://h?a=1&b=2;c",
		"http://h/p?":                           "http://h/p?",
		"http://h/p?u=http://x/?y":              "http://h/p?u=http://x/?y",
		"http://h/a%2Fb%20c":                    "http://h/a%2Fb%20c",
		"http://h/p%0Aq?x=%0A":                  "http://h/p%0Aq?x=%0A",
		"http://h/é|x?q=é\u2028":                "http://h/%C3%A9%7Cx?q=%C3%A9%E2%80%A8",
		`http://h/a%2Fb{c}?f={id}&g="<>^` + "`": "http://h/a%2Fb%7Bc%7D?f=%7Bid%7D&g=%22%3C%3E%5E%60",
		"http://h/?f=%7Bid%7D&g=%7bid%7d":       "http://h/?f=%7Bid%7D&g=%7bid%7d",
		"http://h?a[]=1&off=50%&x=%4":           "http://h?a%5B%5D=1&off=50%25&x=%254",
		"http://h//double":                      "http://h//double",
		"http://h/a/../b":                       "http://h/a/../b",
		"http://h/@user:pass@":                  "http://h/@user:pass@",
		"http://[2001:DB8::1]:8080/":            "http://[2001:db8::1]:8080/",
		"http://[::ffff:127.0.0.1]/":            "http://[::ffff:127.0.0.1]/",
		"http://127.0.0.1:8080/":                "http://127.0.0.1:8080/",
		"http://127.1/":                         "http://127.1/",
		"http://0X7F000001/":                    "http://0x7f000001/",
		"http://" + label(63) + ".com/":         "http://" + label(63) + ".com/",
		"http://h/" + strings.Repeat("x", 2039): "http://h/" + strings.Repeat("x", 2039),
	} {
		got, err := publishing.ParseEndpoint(in)
		if err != nil || string(got) != want {
			t.Errorf("%q: got (%q, %v), want %q", in, got, err, want)
		}
	}
}

func label(n int) string { return strings.Repeat("l", n) }

// U10 and U11 of the list of failures: odd spellings, and lines that forge
// others in a log.
func TestParseEndpointRefuses(t *testing.T) {
	for name, in := range map[string]string{
		"nothing":                     "",
		"a line feed":                 "http://x\nUnique ID count: 7",
		"a line feed at the end":      "http://x/\n",
		"CR and LF":                   "http://x/\r\nX-Header: 1",
		"a tab":                       "http://x/\ta",
		"NUL":                         "http://x/\x00",
		"DEL":                         "http://x/\x7f",
		"a next-line character":       "http://x/?q=\u0085",
		"a space":                     "http://x/a b",
		"a space in front":            " http://x/",
		"a backslash":                 `http://x\@y/`,
		"backslashes for slashes":     `http:\\x\`,
		"not UTF-8":                   "http://x/\xff",
		"a user":                      "http://user@x/",
		"a user and a password":       "http://user:pass@x/",
		"an empty user":               "http://@x/",
		"a user that looks like host": "http://example.com@127.0.0.1/",
		"no slashes":                  "http:host",
		"one slash":                   "http:/host",
		"three slashes":               "http:///host",
		"no scheme":                   "//host/",
		"a path only":                 "/path",
		"a name only":                 "example.com",
		"a name and a port":           "example.com:8080/x",
		"ftp":                         "ftp://h/",
		"javascript":                  "javascript:alert(1)",
		"file":                        "file:///etc/passwd",
		"gopher":                      "gopher://h:6379/_SET",
		"a data URL":                  "data:text/plain,x",
		"a fragment":                  "http://h/#f",
		"an empty fragment":           "http://h/#",
		"a fragment after a query":    "http://h/?a#b",
		"a zone":                      "http://[::1%25eth0]/",
		"a zone not escaped":          "http://[::1%eth0]/",
		"an open bracket":             "http://[::1/",
		"IPv6 without brackets":       "http://::1/",
		"IPv6 and a port, no bracket": "http://::1:8080/",
		"IPv4 in brackets":            "http://[127.0.0.1]/",
		"a name in brackets":          "http://[example.com]/",
		"empty brackets":              "http://[]/",
		"port 22":                     "http://h:22/",
		"port 0":                      "http://h:0/",
		"port 1023":                   "http://h:1023/",
		"port 65536":                  "http://h:65536/",
		"port 65616, which is 80":     "http://h:65616/",
		"a hexadecimal port":          "http://h:0x50/",
		"a port with a zero in front": "http://h:080/",
		"a port with a sign":          "http://h:+80/",
		"an empty port":               "http://h:/",
		"a port without a host":       "http://:80/",
		"two ports":                   "http://h:80:80/",
		"a host beyond ASCII":         "http://bücher.example/",
		"full-width digits":           "http://１２７.0.0.1/",
		"circled digits":              "http://①②⑦.0.0.1/",
		"an ideographic full stop":    "http://127。0。0。1/",
		"a Kelvin sign for a k":       "http://\u212aafka/",
		"a long s":                    "http://ho\u017ft/",
		"a soft hyphen":               "http://local\u00adhost/",
		"an escaped letter":           "http://%6cocalhost/",
		"escaped bytes":               "http://%E2%91%A0.0.0.1/",
		"an escaped slash":            "http://a%2Fb/",
		"an escaped NUL":              "http://a%00/",
		"a dot at the end":            "http://localhost./",
		"an address with such a dot":  "http://127.0.0.1./",
		"a dot in front":              "http://.example.com/",
		"two dots":                    "http://a..b/",
		"a dot":                       "http://./",
		"a star":                      "http://*.example.com/",
		"a comma":                     "http://a,b/",
		"a label of 64 letters":       "http://" + label(64) + ".com/",
		"a host of 254 letters":       "http://" + strings.Repeat("a.", 126) + "aa/",
		"a broken escape":             "http://h/%zz",
		"one byte too many":           "http://h/" + strings.Repeat("x", 2040),
		"too many when escaped":       "http://h/" + strings.Repeat("é", 700),
		"too many in the query":       "http://h/?" + strings.Repeat("é", 700),
		"too many braces":             "http://h/?" + strings.Repeat("{", 700),
	} {
		t.Run(name, func(t *testing.T) {
			if e, err := publishing.ParseEndpoint(in); !errors.Is(err, publishing.ErrBadEndpoint) || e != "" {
				t.Errorf("%q: got (%q, %v), want ErrBadEndpoint", in, e, err)
			}
		})
	}
}

// The error goes to the caller and into the log.
func TestTheErrorRepeatsNothingOfTheURL(t *testing.T) {
	for _, in := range []string{"http://user:secret@h/", "http://h/secret\n", "http://[secret/", "secret://h/", "http://secret:22/"} {
		if _, err := publishing.ParseEndpoint(in); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func TestRedactedLeavesTheQueryOut(t *testing.T) {
	for in, want := range map[publishing.Endpoint]string{
		"http://h/p":                "http://h/p",
		"http://h/p?token=secret":   "http://h/p",
		"http://h?token=secret?x=1": "http://h",
		"http://h/p%3Fx":            "http://h/p%3Fx",
		"http://h/?":                "http://h/",
		"":                          "",
	} {
		check.Equal(t, in.Redacted(), want, "%q", in)
	}
}

func FuzzParseEndpoint(f *testing.F) {
	for _, s := range []string{
		"http://h", "https://Example.COM:443/a%2Fb?c=d&é", "http://[2001:DB8::1]:8080/|", "http://[::1%25eth0]/", "http://h:22/", "http://h/{a}%2F?{b}%zz%7b%",
		"http://x\nUnique ID count: 7", "http://u:p@h/", "http:h", "http://%6cocalhost/", "http://\u212a/", "http://h/?#", "http://a..b./", "",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		e, err := publishing.ParseEndpoint(s)
		if err != nil {
			if e != "" || !errors.Is(err, publishing.ErrBadEndpoint) {
				t.Fatalf("got (%q, %v)", e, err)
			}
			return
		}
		again, err := publishing.ParseEndpoint(string(e))
		if err != nil || again != e {
			t.Fatalf("%q makes %q, which makes (%q, %v)", s, e, again, err)
		}
		if len(e) > publishing.MaxEndpointBytes {
			t.Fatalf("%q has %d bytes", e, len(e))
		}
		for _, r := range string(e) {
			if r > unicode.MaxASCII || unicode.IsControl(r) || strings.ContainsRune(" #\\{}|^`\"<>", r) {
				t.Fatalf("%q has %q", e, r)
			}
		}
		u, err := url.Parse(string(e))
		check.Must(t, err, "%q", e)
		checkHost(t, string(e), u)
		if r := e.Redacted(); strings.Contains(r, "?") || !strings.HasPrefix(string(e), r) {
			t.Fatalf("%q is redacted to %q", e, r)
		}
	})
}

// checkHost compares the host that net/url finds with the one that stands
// between the slashes.
func checkHost(t *testing.T, e string, u *url.URL) {
	_, rest, _ := strings.Cut(e, "://")
	host := rest
	if end := strings.IndexAny(rest, "/?"); end >= 0 {
		host = rest[:end]
	}
	if u.Host != host || u.User != nil || u.Opaque != "" || u.Scheme != "http" && u.Scheme != "https" {
		t.Fatalf("%q is read as %#v", e, u)
	}
	if host != strings.ToLower(host) || strings.ContainsAny(host, "%@") {
		t.Fatalf("%q has the host %q", e, host)
	}
	if _, err := netip.ParseAddr(u.Hostname()); strings.HasPrefix(host, "[") && err != nil {
		t.Fatalf("%q has the host %q: %v", e, host, err)
	}
}
