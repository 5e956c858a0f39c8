package kafka

import (
	"cmp"
	"errors"
	"net/url"
	"regexp"
	"strings"

	"footfall/adapters/serverurl"
)

// Options have the topic's location and the credentials.
type Options struct {
	Addrs []string // host:port of the brokers that are asked for the others
	// TLS is on for kafkas, and nil for kafka.
	TLS *serverurl.TLS
	// Mechanism is that of SASL: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512; empty without a
	// user.
	Mechanism, User, Password string
	Topic                     string
}

// ParseURL reads kafka://user:pass@host:9092,host:9092/topic?sasl=SCRAM-SHA-512, or kafkas,
// which may have the parameters of serverurl.Parameters.Parse; that also checks the files.
// Defaults: port 9092 (9093 for kafkas), no user, SCRAM-SHA-512 with a user. Errors quote
// nothing of the URL but parameters of TLS.
func ParseURL(text string) (Options, error) {
	u, addrs, err := form().Parse(text)
	if err != nil {
		return Options{}, err
	}
	o := Options{Addrs: addrs}
	if o.TLS, err = o.parameters().Parse(u.RawQuery, u.Scheme == "kafkas"); err != nil {
		return Options{}, err
	}
	if o.Topic = strings.TrimPrefix(u.Path, "/"); !legalTopic.MatchString(o.Topic) || strings.Trim(o.Topic, ".") == "" {
		return Options{}, errors.New("want the name of a topic after the hosts, 1 to 249 letters, digits, dots, underscores and hyphens: kafka://h1:9092/TOPIC")
	}
	return o, o.credentials(u.User)
}

// legalTopic is what Kafka takes for the name of a topic, except dots alone.
var legalTopic = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

func (o *Options) credentials(user *url.Userinfo) error {
	if user == nil {
		if o.Mechanism != "" {
			return errors.New("sasl: it is for a user, and there is none: kafka://user:pass@h1:9092/TOPIC")
		}
		return nil
	}
	o.User = user.Username()
	o.Password, _ = user.Password()
	if o.User == "" || o.Password == "" {
		return errors.New("want user and password, or neither: kafka://user:pass@h1:9092/TOPIC")
	}
	o.Mechanism = cmp.Or(o.Mechanism, "SCRAM-SHA-512")
	return nil
}

func form() serverurl.Form {
	return serverurl.Form{
		Ports:   map[string]string{"kafka": "9092", "kafkas": "9093"},
		Example: "kafka://user:pass@h1:9092,h2:9092/TOPIC",
	}
}

func (o *Options) parameters() serverurl.Parameters {
	return serverurl.Parameters{
		"sasl": func(text string) error {
			if o.Mechanism = strings.ToUpper(text); mechanisms(Options{})[o.Mechanism] == nil {
				return errors.New("want PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512")
			}
			return nil
		},
	}
}
