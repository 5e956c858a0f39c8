package nats_test

import (
	"reflect"
	"strings"
	"testing"

	"footfall/adapters/nats"
	"footfall/adapters/serverurl"
)

func TestParseURLReadsAllOfIt(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]nats.Options{
		"nats://h/counts":                    {Addrs: []string{"h:4222"}, Subject: "counts"},
		"nats://user:pass@host:4223/a.b-c_d": {Addrs: []string{"host:4223"}, User: "user", Password: "pass", Subject: "a.b-c_d"},
		"nats://user:@h/counts":              {Addrs: []string{"h:4222"}, User: "user", Subject: "counts"},
		"nats://t%40ken@h/counts":            {Addrs: []string{"h:4222"}, Token: "t@ken", Subject: "counts"},
		"natss://h/counts":                   {Addrs: []string{"h:4222"}, TLS: &serverurl.TLS{}, Subject: "counts"},
		"nats://a%40b:%3A%2F%3F@[::1]:1/a%3F.%C3%A9": {
			Addrs: []string{"[::1]:1"}, User: "a@b", Password: ":/?", Subject: "a?.é",
		},
		"nats://u:p@h1,H2:1,[::1]/s": {Addrs: []string{"h1:4222", "h2:1", "[::1]:4222"}, User: "u", Password: "p", Subject: "s"},
	} {
		got, err := nats.ParseURL(url)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v\n%+v, want\n%+v", url, err, got, want)
		}
	}
}

func TestParseURLRefuses(t *testing.T) {
	t.Parallel()
	for url, why := range map[string]string{
		"nats://secret:sec/ret@h/s":                "percent-encoded",
		"nats://h:secret/s":                        "percent-encoded",
		"nats://:secret@h/s":                       "want user:pass@, token@ or nothing",
		"nats://@h/s":                              "want user:pass@, token@ or nothing",
		"nats:h/s":                                 "want a host",
		"nats:///s":                                "want a host",
		"nats://h:0/s":                             "want a host",
		"nats://h:65536/s":                         "want a host",
		"nats://h1,,h2/s":                          "want a host",
		"nats://h1,/s":                             "want a host",
		"nats://h1,h2:secret/s":                    "want a host",
		"nats://h1,::1/s":                          "want a host",
		"nats://h1, h2/s":                          "want a host",
		"nats://u:p@h1,nats://u:secret@h2/s":       "want a host",
		"nats://h1,h2,H1:4222/s":                   "in the list twice",
		"nats://h":                                 "want a subject",
		"nats://h/":                                "want a subject",
		"nats://h/.secret":                         "want a subject",
		"nats://h/secret.":                         "want a subject",
		"nats://h/secret..b":                       "want a subject",
		"nats://h/secret.*":                        "want a subject",
		"nats://h/secret.>":                        "want a subject",
		"nats://h/secret%20b":                      "want a subject",
		"nats://h/secret%0d%0a":                    "want a subject",
		"nats://h/secret%FF":                       "want a subject",
		"nats://h/secret/b":                        "want a subject",
		"nats://h/$JS.secret":                      "want a subject",
		"nats://h/_INBOX.secret":                   "want a subject",
		"nats://h/" + strings.Repeat("secret", 50): "want a subject",
		"nats://h/s?stream=secret":                 "unknown parameter stream",
		"nats://h/s?ca=/secret":                    "for TLS",
		"natss://h/s?ca=/no/such/file":             "/no/such/file: no such file",
		"natss://h/s?cert=/no/such/file":           "need each other",
		"nats://h/s#secret":                        "fragment",
	} {
		_, err := nats.ParseURL(url)
		if err == nil || !strings.Contains(err.Error(), why) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: error %v, want one with %q", url, err, why)
		}
	}
}
