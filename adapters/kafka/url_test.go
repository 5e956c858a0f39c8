package kafka_test

import (
	"reflect"
	"strings"
	"testing"

	"footfall/adapters/kafka"
	"footfall/adapters/serverurl"
)

func TestParseURLReadsAllOfIt(t *testing.T) {
	t.Parallel()
	const scram = "SCRAM-SHA-512"
	for url, want := range map[string]kafka.Options{
		"kafka://h/t":                                {Addrs: []string{"h:9092"}, Topic: "t"},
		"kafkas://h/t":                               {Addrs: []string{"h:9093"}, TLS: &serverurl.TLS{}, Topic: "t"},
		"kafka://h1,H2:1,[::1]/a.B_c-9":              {Addrs: []string{"h1:9092", "h2:1", "[::1]:9092"}, Topic: "a.B_c-9"},
		"kafka://u:p@h:9094/t":                       {Addrs: []string{"h:9094"}, Topic: "t", Mechanism: scram, User: "u", Password: "p"},
		"kafka://u:p@h/t?sasl=PLAIN":                 {Addrs: []string{"h:9092"}, Topic: "t", Mechanism: "PLAIN", User: "u", Password: "p"},
		"kafkas://u:p@h/t?sasl=scram-sha-256":        {Addrs: []string{"h:9093"}, TLS: &serverurl.TLS{}, Topic: "t", Mechanism: "SCRAM-SHA-256", User: "u", Password: "p"},
		"kafka://a%40b:%3A%2F%3F@h/t":                {Addrs: []string{"h:9092"}, Topic: "t", Mechanism: scram, User: "a@b", Password: ":/?"},
		"kafka://h/" + strings.Repeat("a", 249):      {Addrs: []string{"h:9092"}, Topic: strings.Repeat("a", 249)},
		"kafka://u:p@h1:1,h2:2/t?sasl=scram-sha-512": {Addrs: []string{"h1:1", "h2:2"}, Topic: "t", Mechanism: scram, User: "u", Password: "p"},
	} {
		got, err := kafka.ParseURL(url)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v\n%+v, want\n%+v", url, err, got, want)
		}
	}
}

func TestParseURLRefuses(t *testing.T) {
	t.Parallel()
	for url, why := range map[string]string{
		"kafka://user:sec/ret@h/secret": "percent-encoded",
		"kafka://h:secret/t":            "want a host",
		"kafka:h/t":                     "want a host",
		"kafka:///t":                    "want a host",
		"kafka://h:0/t":                 "want a host",
		"kafka://h:65536/t":             "want a host",
		"kafka://h1,,h2/t":              "want a host",
		"kafka://h1,::1/t":              "want a host",
		"kafka://h1, h2/t":              "want a host",
		"kafka://h1,h2,H1:9092/t":       "in the list twice",
		"kafka://h":                     "name of a topic",
		"kafka://h/":                    "name of a topic",
		"kafka://h/.":                   "name of a topic",
		"kafka://h/..":                  "name of a topic",
		"kafka://h/secret/secret":       "name of a topic",
		"kafka://h/secret%20":           "name of a topic",
		"kafka://h/" + strings.Repeat("secret", 50): "name of a topic",
		"kafka://h/t#secret":                        "fragment",
		"kafka://h/t?topic=secret":                  "unknown parameter topic",
		"kafka://u:p?secret@h/t":                    "percent-encoded",
		"kafka://h/t?sasl=PLAIN":                    "for a user",
		"kafka://u:secret@h/t?sasl=secret":          "want PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512",
		"kafka://u:secret@h/t?sasl=":                "sasl is empty",
		"kafka://secret@h/t":                        "want user and password",
		"kafka://:secret@h/t":                       "want user and password",
		"kafka://u:@h/t":                            "want user and password",
		"kafka://u:secret@h/t?ca=/secret":           "for TLS",
		"kafkas://u:secret@h/t?ca=/no/such/file":    "/no/such/file: no such file",
		"kafkas://h/t?cert=/no/such/file":           "need each other",
		"kafka://h/t?sasl=PLAIN;secret":             "name=value",
	} {
		_, err := kafka.ParseURL(url)
		if err == nil || !strings.Contains(err.Error(), why) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: error %v, want one with %q", url, err, why)
		}
	}
}
