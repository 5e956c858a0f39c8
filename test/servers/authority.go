package servers

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Authority signs certificates that no system trusts by itself.
type Authority struct {
	File   string // its certificate, PEM
	cert   *x509.Certificate
	key    *ecdsa.PrivateKey
	client *tls.Config // for clients of the tests' own
}

// NewAuthority makes an authority, with files in a temporary folder.
func NewAuthority(tb testing.TB) *Authority {
	tb.Helper()
	a := &Authority{cert: &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "authority " + rand.Text()},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}}
	a.File = filepath.Join(tempDir(tb), "ca.pem")
	var der []byte
	der, a.key = a.sign(tb, a.cert)
	writePEM(tb, a.File, "CERTIFICATE", der)
	cert, key := a.Issue(tb, "test")
	pair, err := tls.LoadX509KeyPair(cert, key)
	must(tb, err)
	signed, err := x509.ParseCertificate(der)
	must(tb, err)
	a.client = &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: x509.NewCertPool(), ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12}
	a.client.RootCAs.AddCert(signed)
	return a
}

// Issue signs a certificate for servers and clients, and returns the files of it and of
// its key, PEM. The names are hosts and addresses.
func (a *Authority) Issue(tb testing.TB, names ...string) (cert, key string) {
	tb.Helper()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: names[0]},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			c.IPAddresses = append(c.IPAddresses, ip)
		} else {
			c.DNSNames = append(c.DNSNames, name)
		}
	}
	der, private := a.sign(tb, c)
	dir := tempDir(tb)
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writePEM(tb, cert, "CERTIFICATE", der)
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	must(tb, err)
	writePEM(tb, key, "PRIVATE KEY", secret)
	return cert, key
}

// sign makes a key, and signs its certificate: by itself for the authority's own.
func (a *Authority) sign(tb testing.TB, c *x509.Certificate) ([]byte, *ecdsa.PrivateKey) {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(tb, err)
	by := a.key
	if by == nil {
		by = key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, &key.PublicKey, by)
	must(tb, err)
	return der, key
}

func writePEM(tb testing.TB, file, kind string, der []byte) {
	tb.Helper()
	must(tb, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
