package runbook_test

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"footfall/test/check"
	"footfall/test/integration/service"
	"footfall/test/servers"
)

// snippets are the blocks of a language on a page of the docs.
func snippets(t *testing.T, page, language string) (all []string) {
	t.Helper()
	text := check.Value(os.ReadFile("../../docs/" + page))(t)
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```").FindAllStringSubmatch(string(text), -1) {
		all = append(all, m[1])
	}
	check.Equal(t, len(all), 1, "blocks of %s in %s", language, page)
	return all
}

// N2: behind nginx and Caddy, as the pages configure them, a page keeps its name, also below
// a path, a bulk may be as large as without a proxy, and each visitor is a client.
func TestN2ProxiesOfThePagesKeepNamesAndVisitors(t *testing.T) {
	t.Parallel()
	for program, configure := range map[string]func(t *testing.T, at, to string) (args []string){"nginx": nginx, "caddy": caddy} {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			path, err := exec.LookPath(program)
			if err != nil {
				t.Skip(program + " is not installed")
			}
			in := service.NewDeployment(t, "FOOTFALL_TRUSTED_PROXIES=127.0.0.1", "FOOTFALL_RATE_LIMIT=30/h").Start()
			at := servers.FreeAddr(t)
			cmd := exec.CommandContext(context.Background(), path, configure(t, at, strings.TrimPrefix(in.Public, "http://"))...)
			cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
			check.Must(t, cmd.Start())
			t.Cleanup(func() { _, _ = cmd.Process.Signal(os.Interrupt), cmd.Wait() })
			service.WaitFor(t, program+" listens", func() bool {
				c, err := net.Dial("tcp", at)
				return err == nil && c.Close() == nil
			})
			const name = "/blog//hé %2F?x"
			for i, below := range []string{"", "/stats"} {
				service.MustSend(t, "POST", "http://"+at+below+"/visit/"+url.PathEscape(name), "").Want(t, 200)
				check.Equal(t, in.Visits(name), int64(i+1), "visits of the page at %s/", below)
				service.MustSend(t, "GET", "http://"+at+below+"/visits?page_id="+url.QueryEscape(name)+"&page_id=b", "").Want(t, 200, `"page_id":"b"`)
				large := `[{"page_id":"large"}` + strings.Repeat(" ", 3<<19) + "]"
				service.MustSend(t, "POST", "http://"+at+below+"/visits", large).Want(t, 200, `"success"`)
			}
			busy, other := clientAt("127.0.0.2"), clientAt("127.0.0.3")
			service.WaitFor(t, "one client reaches its limit", func() bool {
				return check.Value(service.Request(busy, "GET", "http://"+at+"/visits/b", ""))(t).Status == 429
			})
			check.Value(service.Request(other, "GET", "http://"+at+"/visits/b", ""))(t).Want(t, 200)
		})
	}
}

// clientAt is a client with an address of its own.
func clientAt(ip string) *http.Client {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	return &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}}
}

// nginx writes what the pages say for nginx into a configuration, without the certificate.
func nginx(t *testing.T, at, to string) []string {
	t.Helper()
	site := snippets(t, "operations/single-server.md", "nginx")[0]
	site = regexp.MustCompile(`(?m)^ *ssl_certificate.*\n`).ReplaceAllString(site, "")
	end := strings.LastIndex(site, "}")
	site = site[:end] + snippets(t, "web-pages.md", "nginx")[0] + "}\n"
	site = strings.NewReplacer("443 ssl", at, "127.0.0.1:8000", to).Replace(site)
	dir := t.TempDir()
	file := filepath.Join(dir, "nginx.conf")
	text := "daemon off;\nmaster_process off;\npid pid;\nerror_log log;\nevents {}\nhttp {\naccess_log off;\n"
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		text += kind + "_temp_path " + kind + ";\n"
	}
	check.Must(t, os.WriteFile(file, []byte(text+site+"}\n"), 0o600))
	return []string{"-p", dir, "-e", "log", "-c", file}
}

// caddy does the same for Caddy.
func caddy(t *testing.T, at, to string) []string {
	t.Helper()
	site := snippets(t, "operations/single-server.md", "caddy")[0]
	end := strings.LastIndex(site, "}")
	site = site[:end] + snippets(t, "web-pages.md", "caddy")[0] + "}\n"
	site = strings.NewReplacer("count.example", "http://"+at, "127.0.0.1:8000", to).Replace(site)
	file := filepath.Join(t.TempDir(), "Caddyfile")
	check.Must(t, os.WriteFile(file, []byte("{\n\tadmin off\n\tauto_https off\n}\n"+site), 0o600))
	return []string{"run", "--config", file, "--adapter", "caddyfile"}
}
