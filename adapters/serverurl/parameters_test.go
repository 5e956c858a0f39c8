package serverurl_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"footfall/adapters/serverurl"
	"footfall/test/check"
	"footfall/test/servers"
)

// parse parses a query with one parameter besides those of TLS.
func parse(query string, secure bool) (more string, t *serverurl.TLS, err error) {
	t, err = serverurl.Parameters{"more": func(text string) error { more = text; return nil }}.Parse(query, secure)
	return more, t, err
}

func TestAParameterThatHasNoEffectIsRefused(t *testing.T) {
	t.Parallel()
	a := servers.NewAuthority(t)
	cert, key := a.Issue(t, "client")
	_, otherKey := a.Issue(t, "other")
	empty := filepath.Join(t.TempDir(), "empty")
	check.Must(t, os.WriteFile(empty, nil, 0o600))
	for _, c := range []struct {
		query  string
		secure bool
		want   string
	}{
		{"less=1", false, "unknown parameter less, want one of ca, cert, key, more, server_name"},
		{"MORE=1", false, "unknown parameter MORE"},
		{"=1", false, "unknown parameter "},
		{"secret@host", false, "unknown parameter, want one of"},
		{"more=1&more=2", false, "more is there twice"},
		{"more=", true, "more is empty"},
		{"more", true, "more is empty"},
		{"more=%zz", true, "percent-encoded"},
		{"more=1;ca=x", true, "percent-encoded"},
		{"ca=" + a.File, false, "for TLS"},
		{"server_name=x", false, "for TLS"},
		{"cert=" + cert, true, "need each other"},
		{"key=" + key, true, "need each other"},
		{"ca=/no/such/file", true, "/no/such/file: no such file"},
		{"ca=" + empty, true, "no certificate"},
		{"ca=" + filepath.Dir(empty), true, "is a directory"},
		{"cert=/no/such/file&key=" + key, true, "/no/such/file: no such file"},
		{"cert=" + cert + "&key=/no/such/file", true, "/no/such/file: no such file"},
		{"cert=" + cert + "&key=" + otherKey, true, "does not match"},
	} {
		_, tls, err := parse(c.query, c.secure)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, %v, want an error with %q", c.query, tls, err, c.want)
		}
	}
}

func TestParametersOfTLSAndOthersMayBeMixed(t *testing.T) {
	t.Parallel()
	a := servers.NewAuthority(t)
	cert, key := a.Issue(t, "client")
	more, tls, err := parse("ca="+a.File+"&more=a%20b&cert="+cert+"&key="+key+"&server_name=name", true)
	check.Must(t, err)
	config := check.Value(tls.Config("host"))(t)
	if more != "a b" || config.ServerName != "name" || config.RootCAs == nil || len(config.Certificates) != 1 {
		t.Errorf("%q, %+v", more, config)
	}
	_, tls, err = parse("", true)
	check.Must(t, err)
	config = check.Value(tls.Config("host"))(t)
	if config.ServerName != "host" || config.RootCAs != nil || len(config.Certificates) != 0 {
		t.Errorf("%+v", config)
	}
	if _, tls, err = parse("", false); tls != nil || err != nil {
		t.Errorf("%v, %v without TLS", tls, err)
	}
}
