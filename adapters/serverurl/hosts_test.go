package serverurl_test

import (
	"strings"
	"testing"

	"footfall/adapters/serverurl"
)

func list() serverurl.Form {
	return serverurl.Form{Ports: map[string]string{"s": "1", "ss": "2"}, Example: "s://h1:1,h2:1/PATH"}
}

func TestAListOfHostsIsRead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, addrs, user, path, query string }{
		{"s://h", "h:1", "", "", ""},
		{"ss://h/", "h:2", "", "/", ""},
		{"s://h1,H2:3,[::1],[::1]:4/a%2Fb?c=d", "h1:1 h2:3 [::1]:1 [::1]:4", "", "/a/b", "c=d"},
		{"s://u:p@h1,h2?c=%23", "h1:1 h2:1", "u:p", "", "c=%23"},
		{"s://a%40b:%3A%2F%3F%2C@h/p", "h:1", "a%40b:%3A%2F%3F,", "/p", ""},
		{"s://u:p,q@h/p", "h:1", "u:p,q", "/p", ""},
	} {
		rest, addrs, err := list().Parse(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if got := strings.Join(addrs, " "); got != c.addrs || rest.User.String() != c.user || rest.Path != c.path || rest.RawQuery != c.query {
			t.Errorf("%s: %s and %+v, want %+v", c.text, got, rest, c)
		}
	}
}

func TestAURLThatIsNoListOfHostsIsRefused(t *testing.T) {
	t.Parallel()
	single := list()
	single.Single = true
	for _, c := range []struct {
		form      serverurl.Form
		text, why string
	}{
		{list(), "s:h", "want a host or several"},
		{list(), "s:///p", "want a host or several"},
		{list(), "other://h", "want a host or several"},
		{list(), "s://h:/p", "want a host or several"},
		{list(), "s://h:0", "from 1 to 65535 if any: s://h1:1,h2:1/PATH; "},
		{list(), "s://h:65536", "want a host or several"},
		{list(), "s://h:secret", "want a host or several"},
		{list(), "s://h1,", "want a host or several"},
		{list(), "s://,h1", "want a host or several"},
		{list(), "s://h1,,h2", "want a host or several"},
		{list(), "s://h1, h2", "want a host or several"},
		{list(), "s://::1", "want a host or several"},
		{list(), "s://[::1", "want a host or several"},
		{list(), "s://h1,s://u:secret@h2", "want a host or several"},
		{list(), "s://h1,h2,H1:1", "in the list twice"},
		{list(), "s://h#secret", "a # has to be percent-encoded"},
		{list(), "s://u:1#secret@h", "a # has to be percent-encoded"},
		{list(), "s://u:secret/secret@h", "password and path have to be percent-encoded"},
		{list(), "s://u:%zzsecret@h", "it is not a URL"},
		{list(), "s://h/%zzsecret", "it is not a URL"},
		{single, "s://h1,h2:secret", "want one host: s://h1:1,h2:1/PATH"},
		{single, "s://h:secret", "want a host, with a port"},
	} {
		_, _, err := c.form.Parse(c.text)
		if err == nil || !strings.Contains(err.Error(), c.why) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: error %v, want one with %q", c.text, err, c.why)
		}
	}
}
