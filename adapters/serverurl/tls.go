package serverurl

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// TLS is how the two ends of a connection know each other. The zero value is: by the
// authorities of the system, the host's name, and no certificate of the client.
type TLS struct {
	ca, cert, key string // files
	serverName    string
}

// Config reads the files and returns the configuration of one connection to a host. It is
// called for each connection, so that renewed files need no restart.
func (t *TLS) Config(host string) (*tls.Config, error) {
	c := &tls.Config{ServerName: cmp.Or(t.serverName, host), MinVersion: tls.VersionTLS12}
	if t.ca != "" {
		pem, err := os.ReadFile(t.ca)
		if err != nil {
			return nil, fmt.Errorf("ca: %w", err)
		}
		if c.RootCAs = x509.NewCertPool(); !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca: %s has no certificate in PEM", t.ca)
		}
	}
	switch {
	case t.cert == "" && t.key == "":
		return c, nil
	case t.cert == "" || t.key == "":
		return nil, errors.New("cert and key need each other")
	}
	pair, err := tls.LoadX509KeyPair(t.cert, t.key)
	if err != nil {
		return nil, fmt.Errorf("cert %s, key %s: %w", t.cert, t.key, err)
	}
	c.Certificates = []tls.Certificate{pair}
	return c, nil
}
