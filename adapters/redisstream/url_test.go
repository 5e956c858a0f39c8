package redisstream_test

import (
	"reflect"
	"strings"
	"testing"

	"footfall/adapters/redisstream"
	"footfall/adapters/serverurl"
)

func TestParseURLReadsAllOfIt(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]redisstream.Options{
		"redis-stream://h/k":                              {Addr: "h:6379", Key: "k"},
		"redis-stream://H:1/k?maxlen=100000&db=2":         {Addr: "h:1", Key: "k", MaxLen: 100000, DB: 2},
		"redis-stream://:p@[::1]/a:b":                     {Addr: "[::1]:6379", Password: "p", Key: "a:b"},
		"redis-stream://u:p@h/a/b":                        {Addr: "h:6379", User: "u", Password: "p", Key: "a/b"},
		"redis-stream://a%40b:%3A%2F%3F%23@h/a%3Fb%40%7B": {Addr: "h:6379", User: "a@b", Password: ":/?#", Key: "a?b@{"},
		"redis-stream://h/%7Ba%7Db":                       {Addr: "h:6379", Key: "{a}b"},
		"rediss-stream://h/k":                             {Addr: "h:6379", TLS: &serverurl.TLS{}, Key: "k"},
	} {
		got, err := redisstream.ParseURL(url)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v\n%+v, want\n%+v", url, err, got, want)
		}
	}
}

func TestParseURLRefuses(t *testing.T) {
	t.Parallel()
	for url, why := range map[string]string{
		"redis-stream://h":                                 "want the key of a stream",
		"redis-stream://h/":                                "want the key of a stream",
		"redis-stream://h?maxlen=1":                        "want the key of a stream",
		"redis-stream://h/a%0Asecret":                      "want the key of a stream",
		"redis-stream://h/a%FFsecret":                      "want the key of a stream",
		"redis-stream://h/" + strings.Repeat("secret", 50): "want the key of a stream",
		"redis-stream://h/secret%7D":                       "needs a hash tag",
		"redis-stream://h/%7B%7D%7Bsecret%7D":              "needs a hash tag",
		"redis-stream:///k":                                "want a host",
		"redis-stream:h/k":                                 "want a host",
		"redis-stream://h:0/k":                             "want a host",
		"redis-stream://h:65536/k":                         "want a host",
		"redis-stream://h1,h2:secret/k":                    "want one host",
		"redis-stream://secret:sec,ret@h1:1,h2:1/k":        "want one host",
		"redis-stream://h:secret/k":                        "percent-encoded",
		"redis-stream://secret:sec/ret@h/k":                "percent-encoded",
		"redis-stream://secret:1/secret@h/k":               "percent-encoded",
		"redis-stream://secret:1?secret@h/k":               "unknown parameter, want one of ca, cert, db, key, maxlen, server_name",
		"redis-stream://u:1#secret@h/k":                    "percent-encoded",
		"redis-stream://secret@h/k":                        "without a password",
		"redis-stream://h/k#secret":                        "percent-encoded",
		"redis-stream://h/k?maxlen=0":                      "maxlen: want a number of entries",
		"redis-stream://h/k?maxlen=secret":                 "maxlen: want a number of entries",
		"redis-stream://h/k?maxlen=99999999999999999999":   "maxlen: want a number of entries",
		"redis-stream://h/k?maxlen=":                       "maxlen is empty",
		"redis-stream://h/k?maxlen=1&maxlen=2":             "there twice",
		"redis-stream://h/k?db=-1":                         "db: want a number",
		"redis-stream://h/k?db=secret":                     "db: want a number",
		"redis-stream://h/k?other=secret":                  "unknown parameter other",
		"redis-stream://h/k?ca=/secret":                    "for TLS",
		"rediss-stream://h/k?ca=/no/such/file":             "/no/such/file: no such file",
		"redis-stream://h/k?maxlen=%zzsecret":              "name=value",
	} {
		_, err := redisstream.ParseURL(url)
		if err == nil || !strings.Contains(err.Error(), why) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: error %v, want one with %q", url, err, why)
		}
	}
}
