package redisstream

import (
	"errors"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"footfall/adapters/serverurl"
)

// maxKey is the longest name of a stream, in bytes.
const maxKey = 256

// Options have the stream's location and the credentials.
type Options struct {
	Addr string // host:port
	// TLS is on for rediss-stream, and nil for redis-stream.
	TLS            *serverurl.TLS
	User, Password string
	DB             int
	Key            string
	// MaxLen is how many entries the stream keeps; 0 is all of them.
	MaxLen int64
}

// ParseURL reads redis-stream://user:pass@host:6379/key?maxlen=N&db=0, or rediss-stream,
// which may have the parameters of serverurl.Parameters.Parse; that also checks the files.
// Defaults: port 6379, no credentials, database 0, and no bound of the stream. Errors quote
// nothing of the URL but parameters of TLS.
func ParseURL(text string) (Options, error) {
	u, addrs, err := form().Parse(text)
	if err != nil {
		return Options{}, err
	}
	if strings.Contains(u.EscapedPath(), "@") {
		return Options{}, errors.New("an @ of password or key has to be percent-encoded")
	}
	o := Options{Addr: addrs[0]}
	if u.User != nil {
		o.User = u.User.Username()
		if o.Password, _ = u.User.Password(); o.Password == "" {
			return Options{}, errors.New("a user without a password")
		}
	}
	if o.TLS, err = o.parameters().Parse(u.RawQuery, u.Scheme == "rediss-stream"); err != nil {
		return Options{}, err
	}
	o.Key = strings.TrimPrefix(u.Path, "/")
	return o, checkKey(o.Key)
}

func form() serverurl.Form {
	return serverurl.Form{
		Ports:   map[string]string{"redis-stream": "6379", "rediss-stream": "6379"},
		Single:  true,
		Example: "redis-stream://host:6379/key",
	}
}

func checkKey(key string) error {
	if key == "" || len(key) > maxKey || !utf8.ValidString(key) || strings.ContainsFunc(key, unicode.IsControl) {
		return errors.New("want the key of a stream, at most 256 bytes of UTF-8 without control characters: redis-stream://host:6379/key")
	}
	if idsOf(key) == "" {
		return errors.New("a key with a } needs a hash tag, as in {a}b")
	}
	return nil
}

// idsOf returns the key of the set of ids that were added to a stream. In a Redis Cluster
// it is in the slot of the stream, by its hash tag: the part between the first { and the next
// }, unless it is empty. Without one it is the whole key, which then is the tag. The result
// is empty if the key cannot be one.
func idsOf(key string) string {
	_, after, found := strings.Cut(key, "{")
	tag, _, closed := strings.Cut(after, "}")
	switch {
	case found && closed && tag != "":
		return key + ":ids"
	case strings.Contains(key, "}"):
		return ""
	}
	return "{" + key + "}:ids"
}

func (o *Options) parameters() serverurl.Parameters {
	return serverurl.Parameters{
		"maxlen": func(text string) (err error) {
			if o.MaxLen, err = strconv.ParseInt(text, 10, 64); err != nil || o.MaxLen < 1 {
				return errors.New("want a number of entries, from 1")
			}
			return nil
		},
		"db": func(text string) (err error) {
			if o.DB, err = strconv.Atoi(text); err != nil || o.DB < 0 {
				return errors.New("want a number from 0")
			}
			return nil
		},
	}
}
