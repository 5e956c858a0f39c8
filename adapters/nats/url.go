package nats

import (
	"errors"
	"net/url"
	"strings"
	"unicode"

	"footfall/adapters/serverurl"
)

// Options have the servers, the subject and the credentials.
type Options struct {
	Addrs []string // host:port of each server, in the order of trial
	// TLS is on for natss, and nil for nats.
	TLS            *serverurl.TLS
	User, Password string
	// Token is in place of user and password.
	Token   string
	Subject string
}

// maxSubject is the longest subject that is accepted, in bytes.
const maxSubject = 255

// ParseURL reads nats://user:pass@host:4222,host:4222/subject, or natss, which may have
// the parameters of serverurl.Parameters.Parse; that also checks the files. A user without
// a password is a token. The default port is 4222. Errors quote nothing of the URL but
// parameters of TLS.
func ParseURL(text string) (Options, error) {
	u, addrs, err := form().Parse(text)
	if err != nil {
		return Options{}, err
	}
	o := Options{Addrs: addrs}
	if u.User != nil {
		if err := o.login(u.User); err != nil {
			return Options{}, err
		}
	}
	if o.TLS, err = (serverurl.Parameters{}).Parse(u.RawQuery, u.Scheme == "natss"); err != nil {
		return Options{}, err
	}
	if o.Subject = strings.TrimPrefix(u.Path, "/"); !isSubject(o.Subject) {
		return Options{}, errSubject
	}
	return o, nil
}

// login reads user:pass or token.
func (o *Options) login(u *url.Userinfo) error {
	password, ok := u.Password()
	switch {
	case u.Username() == "":
		return errors.New("want user:pass@, token@ or nothing before the hosts")
	case ok:
		o.User, o.Password = u.Username(), password
	default:
		o.Token = u.Username()
	}
	return nil
}

var errSubject = errors.New("want a subject after the hosts, at most 255 bytes: words with dots between them, without spaces, " +
	"slashes and wildcards; the first one does not begin with $ or _")

// isSubject reports whether a message can be published to a subject by an application.
// Subjects that begin with $ or _ belong to the server and to clients' inboxes.
func isSubject(text string) bool {
	if len(text) > maxSubject || strings.HasPrefix(text, "$") || strings.HasPrefix(text, "_") {
		return false
	}
	for token := range strings.SplitSeq(text, ".") {
		if token == "" || strings.ContainsFunc(token, func(c rune) bool { return !unicode.IsPrint(c) || strings.ContainsRune(" */>\ufffd", c) }) {
			return false
		}
	}
	return true
}

func form() serverurl.Form {
	return serverurl.Form{
		Ports:   map[string]string{"nats": "4222", "natss": "4222"},
		Example: "nats://user:pass@h1:4222,h2:4222/subject",
	}
}
