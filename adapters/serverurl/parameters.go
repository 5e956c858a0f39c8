// Package serverurl has what the URLs of servers have in common: a list of hosts, parameters
// after the question mark, and the files of TLS.
package serverurl

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// Parameters are the parsers of parameters by their names. An adapter has one table of
// its own, beside that of TLS.
type Parameters map[string]func(value string) error

// Parse parses a query, name=value&name=value. Each parameter of the table may be there
// once, and no other. The parameters of TLS, which may be there too, are
//
//	ca=FILE           the authorities that may sign the server's certificate; those of the system without it
//	cert=FILE         the certificate by which the client identifies itself, with its chain
//	key=FILE          the key of cert
//	server_name=NAME  the name in the server's certificate; the host without it
//
// The files are PEM. They are read once, to check them. Parse returns nil unless secure,
// where the parameters of TLS are errors. Errors name parameters and files, and no
// part of what may be a password.
func (p Parameters) Parse(query string, secure bool) (*TLS, error) {
	var t TLS
	all := Parameters{"ca": into(&t.ca), "cert": into(&t.cert), "key": into(&t.key), "server_name": into(&t.serverName)}
	maps.Copy(all, p)
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, errors.New("what follows the question mark is not name=value, percent-encoded")
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		parse, ok := all[name]
		switch {
		case !ok:
			return nil, unknown(query, name, all)
		case len(values[name]) > 1:
			return nil, fmt.Errorf("the parameter %s is there twice", name)
		case values[name][0] == "":
			return nil, fmt.Errorf("the parameter %s is empty", name)
		}
		if err := parse(values[name][0]); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	switch {
	case secure:
		_, err := t.Config("")
		return &t, err
	case t != TLS{}:
		return nil, errors.New("ca, cert, key and server_name are for TLS, which this scheme does not use")
	}
	return nil, nil
}

// unknown quotes no name if a password may have been cut in two by its question mark.
func unknown(query, name string, all Parameters) error {
	quoted := " " + name
	if strings.Contains(query, "@") {
		quoted = ""
	}
	return fmt.Errorf("unknown parameter%s, want one of %s", quoted, strings.Join(slices.Sorted(maps.Keys(all)), ", "))
}

func into(to *string) func(string) error {
	return func(value string) error {
		*to = value
		return nil
	}
}
