package serverurl

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Form is what the URLs of a server look like.
type Form struct {
	// Ports are the default ports, by scheme.
	Ports map[string]string
	// Single is true where a list of hosts is an error.
	Single bool
	// Example is for errors.
	Example string
}

// Parse reads scheme://user:pass@host:port,host:port/path?query. It returns the addresses,
// host:port in lower case and in the order of the URL, and the rest as a URL without a host.
// A fragment is an error: it is a password or path with a # that is not percent-encoded.
// Errors quote nothing of the text.
func (f Form) Parse(text string) (rest *url.URL, addrs []string, err error) {
	scheme, after, _ := strings.Cut(text, "://")
	authority := after[:strings.IndexFunc(after+"/", func(c rune) bool { return strings.ContainsRune("/?#", c) })]
	hosts := authority[strings.LastIndex(authority, "@")+1:]
	// The library of URLs knows one host, whose place stays empty.
	u, err := url.Parse(scheme + "://" + strings.TrimSuffix(authority, hosts) + after[len(authority):])
	if err != nil {
		return nil, nil, errors.New("it is not a URL: user, password and path have to be percent-encoded")
	}
	if f.Single && strings.Contains(hosts, ",") {
		return nil, nil, errors.New("want one host: " + f.Example)
	}
	if addrs, err = f.addresses(hosts, f.Ports[scheme]); err != nil {
		return nil, nil, err
	}
	if u.Fragment != "" {
		return nil, nil, errors.New("it has a fragment: a # has to be percent-encoded")
	}
	return u, addrs, nil
}

// addresses reads hosts, separated by commas, each with a port or the given one.
func (f Form) addresses(hosts, port string) (all []string, err error) {
	for text := range strings.SplitSeq(hosts, ",") {
		u, err := url.Parse("//" + text)
		// A colon without a port is that of a second URL.
		if err != nil || u.Host != text || u.Hostname() == "" || strings.HasSuffix(text, ":") || text[0] != '[' && strings.Contains(u.Hostname(), ":") {
			return nil, f.badHost()
		}
		port := cmp.Or(u.Port(), port)
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return nil, f.badHost()
		}
		addr := net.JoinHostPort(strings.ToLower(u.Hostname()), port)
		if slices.Contains(all, addr) {
			return nil, errors.New("a host is in the list twice")
		}
		all = append(all, addr)
	}
	return all, nil
}

func (f Form) badHost() error {
	want := "a host or several, separated by commas, each"
	if f.Single {
		want = "a host,"
	}
	return fmt.Errorf("want %s with a port from 1 to 65535 if any: %s; user, password and path have to be percent-encoded", want, f.Example)
}
