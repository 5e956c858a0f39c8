package runbook_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"footfall/test/check"
	"footfall/test/integration/service"
	"footfall/test/servers"
)

// server is a reader of docs/operations/single-server.md, who runs its blocks in order. The
// paths and ports of the page are replaced by those of a server in a folder, and systemctl,
// sudo and journalctl are scripts.
type server struct {
	*reader
	root   string
	ports  map[string]string // by those of the page
	names  *strings.Replacer
	blocks []block
}

// block is one of commands, below a heading.
type block struct{ heading, text string }

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{reader: newReader(t, t.TempDir(), nil), root: t.TempDir(), ports: make(map[string]string)}
	replaced := []string{"/usr/local/", s.root + "/usr/local/", "/etc/", s.root + "/etc/", "/var/", s.root + "/var/"}
	for _, port := range []string{"8000", "8001", "8010", "8011"} {
		_, free, _ := net.SplitHostPort(servers.FreeAddr(t))
		s.ports[port] = free
		replaced = append(replaced, port, free)
	}
	s.names = strings.NewReplacer(replaced...)
	page := string(check.Value(os.ReadFile("../../docs/operations/single-server.md"))(t))
	heading := ""
	for _, m := range regexp.MustCompile("(?ms)^## ([^\n]*)$|^```([a-z]*)\n(.*?)^```").FindAllStringSubmatch(page, -1) {
		if m[1] != "" {
			heading = m[1]
		} else if m[2] == "sh" || m[2] == "crontab" {
			s.blocks = append(s.blocks, block{heading, m[3]})
		}
	}
	tools := filepath.Join(s.root, "tools")
	for _, dir := range []string{"tools", "etc/systemd/system", "etc/logrotate.d", "usr/local/bin", "var/lib", "var/backups/footfall"} {
		check.Must(t, os.MkdirAll(filepath.Join(s.root, dir), 0o700))
	}
	check.Must(t, os.WriteFile(filepath.Join(tools, "sudo"), []byte("#!/bin/sh\nexec \"$@\"\n"), 0o700))
	check.Must(t, os.WriteFile(filepath.Join(tools, "journalctl"), []byte("#!/bin/sh\ncat \"$SERVER/journal\"\n"), 0o700))
	check.Must(t, os.Symlink(check.Value(filepath.Abs("testdata/systemctl"))(t), filepath.Join(tools, "systemctl")))
	check.Must(t, os.Mkdir(filepath.Join(s.dir, "bin"), 0o700))
	check.Must(t, os.Symlink(service.Program(), filepath.Join(s.dir, "bin/footfall")))
	check.Must(t, os.Symlink(check.Value(filepath.Abs("../../deploy"))(t), filepath.Join(s.dir, "deploy")))
	// What the page installs comes first in the PATH. The default of the admin listener is
	// the one thing that the page does not write down.
	s.env = append(os.Environ(), "SERVER="+s.root, "FOOTFALL_ADMIN_LISTEN=127.0.0.1:"+s.ports["8001"],
		"PATH="+tools+":"+s.root+"/usr/local/bin:"+os.Getenv("PATH"))
	return s
}

// next returns the next block of the page, which is below the heading.
func (s *server) next(heading string) string {
	s.t.Helper()
	if len(s.blocks) == 0 || s.blocks[0].heading != heading {
		s.t.Fatalf("the next block is not below %q, of %q", heading, s.blocks)
	}
	text := s.names.Replace(s.blocks[0].text)
	s.blocks = s.blocks[1:]
	return text
}

// do runs the next block and checks what it prints.
func (s *server) do(heading string, prints ...string) {
	s.t.Helper()
	script := s.next(heading)
	out := s.run(script)
	for _, want := range prints {
		if !strings.Contains(out, want) {
			s.t.Fatalf("%s\nprints %s\nwant %s", script, out, want)
		}
	}
}

func (s *server) get(port, path string) service.Reply {
	s.t.Helper()
	return service.MustSend(s.t, "GET", "http://127.0.0.1:"+s.ports[port]+path, "")
}

func (s *server) visits(port, page string, want int) {
	s.t.Helper()
	s.get(port, "/visits/"+page).Want(s.t, 200, fmt.Sprintf(`"visits":%d,`, want))
}

// backups are the files of a folder of this server with backups; nothing else is in it.
func (s *server) backups(dir string) []string {
	s.t.Helper()
	all := check.Value(filepath.Glob(filepath.Join(s.root, dir, "*")))(s.t)
	for _, name := range all {
		if !regexp.MustCompile(`/counts-\d{8}T\d{6}Z\.ndjson\.gz$`).MatchString(name) {
			s.t.Errorf("%s is among the backups", name)
		}
	}
	return all
}

// N15: an operator of one server finds each step on one page, and each works as it says.
func TestN15OneServerIsRunAsThePageSays(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.do("Install")

	end := s.terminal(s.next("The first visit"), "FOOTFALL_LISTEN=127.0.0.1:"+s.ports["8000"])
	s.do("The first visit", `"visits":1,`)
	end()

	s.do("A service of systemd")
	t.Cleanup(func() {
		cmd := exec.CommandContext(context.Background(), "testdata/systemctl", "stop", "footfall")
		cmd.Env = s.env
		_ = cmd.Run()
	})
	s.do("A service of systemd", `{"status":"ready"}`)
	check.Equal(t, check.Value(os.Stat(s.root+"/etc/footfall.env"))(t).Mode().Perm(), 0o600, "the mode of the settings")
	s.do("Old numbers", `"pages":2,`)
	s.do("Count your pages, and see the numbers", `"visits":88,`)
	s.do("The log", "first start", `"msg":"ready"`)
	s.do("The log")
	check.Value(os.Stat(filepath.Join(s.root, "etc/logrotate.d/footfall")))(t)
	check.Value(os.Stat(filepath.Join(s.root, "var/lib/footfall/unique_id_capture.log")))(t)
	s.do("Backup", "counts-")
	check.Equal(t, len(s.backups("var/lib/footfall-backup")), 1, "backups")
	s.backsUpByCron(s.next("Backup"))

	end = s.terminal(s.next("Try a restore"))
	s.do("Try a restore", `"visits":88,`)
	s.visits("8010", "%2F", 1204)
	s.get("8010", service.AcceptPath("1", "http://example.org/")).Want(t, 400)
	end()
	s.visits("8000", "%2Fblog%2Fhello", 88)
	s.do("Try a restore")
	check.Equal(t, len(s.files("newest*"))+len(s.files("trial*")), 0, "files of the trial")

	s.restores()
	s.upgrades()
	s.do("When the disk is full", `{"status":"ready"}`)
	if len(s.blocks) > 0 {
		t.Errorf("blocks that were not run: %q", s.blocks)
	}
}

// backsUpByCron runs the line of a crontab. The newest backups stay, and all of them when
// one fails.
func (s *server) backsUpByCron(line string) {
	s.t.Helper()
	const folder = "var/backups/footfall"
	fields := strings.Fields(line)
	check.Equal(s.t, fields[len(fields)-1], "30", "backups that are kept")
	command := strings.Join(fields[5:len(fields)-1], " ")
	s.run("PATH=/usr/bin:/bin " + command + " 30")
	check.Equal(s.t, len(s.backups(folder)), 1, "backups of cron")
	for _, day := range []string{"20250101", "20250102", "20250103"} {
		s.run("touch " + filepath.Join(s.root, folder, "counts-"+day+"T031000Z.ndjson.gz"))
	}
	if err := exec.CommandContext(s.t.Context(), "sh", "-c", "FOOTFALL_ADMIN_LISTEN=127.0.0.1:1 "+command+" 1").Run(); err == nil {
		s.t.Error("a backup without a service succeeds")
	}
	check.Equal(s.t, len(s.backups(folder)), 4, "backups after one that failed")
	time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second))) // names are seconds
	s.run(command + " 3 --history")
	left := s.backups(folder)
	if newest := s.run("zcat " + left[len(left)-1]); strings.Count(newest, `"history":{"since":`) != strings.Count(newest, "\n") {
		s.t.Errorf("the backup with histories is %s", newest)
	}
	check.Equal(s.t, len(left), 3, "backups of which three are kept")
	check.Equal(s.t, filepath.Base(left[0]), "counts-20250103T031000Z.ndjson.gz", "the oldest")
}

// restores replaces a store that is damaged, and then one that was deleted, by the newest
// backup, and does that once more.
func (s *server) restores() {
	s.t.Helper()
	const section = "Restore"
	choose, restore := s.next(section), s.next(section)
	store := s.root + "/var/lib/footfall/data"
	for i, lose := range []func(){
		func() {
			s.run("systemctl stop footfall")
			check.Must(s.t, os.WriteFile(store+"/footfall.db", []byte("damaged"), 0o600))
			s.run("systemctl start footfall")
			service.WaitFor(s.t, "the log names the damage", func() bool { return strings.Contains(s.run("journalctl"), "no sound database") })
		},
		func() { check.Must(s.t, os.RemoveAll(store)) },
		func() {},
	} {
		lose()
		if out := s.run(choose); !strings.Contains(out, "counts-") {
			s.t.Errorf("%s\nprints %s", choose, out)
		}
		if out := s.run(restore); !strings.Contains(out, `{"status":"ready"}`) || !strings.Contains(out, `"visits":88,`) {
			s.t.Errorf("restore %d: %s\nprints %s", i+1, restore, out)
		}
		s.visits("8000", "%2F", 1204)
	}
	check.Equal(s.t, len(check.Value(filepath.Glob(store+".damaged.*/footfall.db"))(s.t)), 2, "stores that made way")
	check.Equal(s.t, len(check.Value(filepath.Glob(store+"*/*"))(s.t)), 3, "files of all stores")
}

// upgrades installs a version, and goes back from it, with the store and without.
func (s *server) upgrades() {
	s.t.Helper()
	const section = "Upgrade, and back"
	upgrade := s.next(section)
	for range 2 { // the copy of the one before makes way
		s.run(upgrade)
		s.visits("8000", "%2Fblog%2Fhello", 88)
	}
	if copies := check.Value(filepath.Glob(s.root + "/var/lib/footfall/data.before/*"))(s.t); len(copies) != 1 || filepath.Base(copies[0]) != "footfall.db" {
		s.t.Errorf("the copy of the store has %q", copies)
	}
	s.do(section, `{"status":"ready"}`)
	service.MustSend(s.t, "POST", "http://127.0.0.1:"+s.ports["8000"]+"/visit/%2Fblog%2Fhello", "").Want(s.t, 200)
	s.visits("8000", "%2Fblog%2Fhello", 89)
	back := s.next(section)
	for i, lose := range []func(){func() {}, func() { check.Must(s.t, os.RemoveAll(s.root+"/var/lib/footfall/data")) }} {
		lose()
		s.run(back)
		service.WaitFor(s.t, "the service is ready on the copy", func() bool {
			got, err := service.Request(service.NewClient(), "GET", "http://127.0.0.1:"+s.ports["8000"]+"/readyz", "")
			return err == nil && got.Status == 200
		})
		s.visits("8000", "%2Fblog%2Fhello", 88)
		service.MustSend(s.t, "POST", "http://127.0.0.1:"+s.ports["8000"]+"/visit/%2Fblog%2Fhello", "").Want(s.t, 200)
		newer := check.Value(filepath.Glob(s.root + "/var/lib/footfall/data.newer.*/footfall.db"))(s.t)
		check.Equal(s.t, len(newer), 1, "newer stores that made way, at the way back %d", i+1)
	}
}

// unit is the text of a unit.
func (s *server) unit(name string) string {
	s.t.Helper()
	return string(check.Value(os.ReadFile("../../deploy/systemd/" + name))(s.t))
}

// N15: systemd finds no fault in the units, and the service is well confined.
func TestN15SystemdFindsNoFaultInTheUnits(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	s := newServer(t)
	args := []string{"verify"}
	for _, name := range []string{"footfall.service", "footfall-backup.service", "footfall-backup.timer"} {
		unit := strings.ReplaceAll(s.unit(name), "/usr/local/", s.root+"/usr/local/")
		path := filepath.Join(s.root, "etc/systemd/system", name)
		check.Must(t, os.WriteFile(path, []byte(unit), 0o600))
		args = append(args, path)
	}
	// The lines for secrets that the page has, and those that the units have as comments.
	page := string(check.Value(os.ReadFile("../../docs/configuration.md"))(t))
	secrets := regexp.MustCompile("(?s)```ini\n(.*?)```").FindStringSubmatch(page)
	if secrets == nil || !strings.Contains(secrets[1], "\nLoadCredential=") {
		t.Fatal("docs/configuration.md has no lines for secrets")
	}
	for i, unit := range []string{"footfall.service", "footfall-backup.service"} {
		lines := "[Service]\n" + strings.ReplaceAll(strings.Join(regexp.MustCompile("(?m)^#[A-Z][A-Za-z]*=.*\n").FindAllString(s.unit(unit), -1), ""), "#", "")
		if i == 0 {
			check.Equal(t, lines, secrets[1], "the lines for secrets of the unit, and of the page")
		}
		check.Equal(t, strings.Count(lines, "LoadCredential="), 1, "credentials of %s", unit)
		dir := filepath.Join(s.root, "etc/systemd/system", unit+".d")
		check.Must(t, os.Mkdir(dir, 0o700))
		check.Must(t, os.WriteFile(filepath.Join(dir, "override.conf"), []byte(lines), 0o600))
	}
	s.run("cp -L bin/footfall " + s.root + "/usr/local/bin/footfall && cp deploy/systemd/footfall-backup " + s.root + "/usr/local/bin/")
	analyze := func(args ...string) {
		if out, err := exec.CommandContext(t.Context(), "systemd-analyze", args...).CombinedOutput(); err != nil || args[0] == "verify" && len(out) > 0 {
			t.Errorf("systemd-analyze %q: %v\n%s", args, err, out)
		}
	}
	analyze(args...)
	analyze("security", "--offline=true", "--threshold=20", args[1]) // of 100, which is no confinement at all
}
