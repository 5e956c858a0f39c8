package runbook_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"footfall/test/check"
	"footfall/test/integration/service"
	"footfall/test/servers"
)

// scripts are the shell blocks of a page below a heading, in order.
func scripts(t *testing.T, page, heading string) (blocks []string) {
	t.Helper()
	text := string(check.Value(os.ReadFile("../../docs/" + page))(t))
	_, section, found := strings.Cut(text, "\n## "+heading+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for _, m := range regexp.MustCompile("(?ms)^ *```sh\n(.*?)^ *```").FindAllStringSubmatch(section, -1) {
		blocks = append(blocks, m[1])
	}
	if !found || len(blocks) == 0 {
		t.Fatalf("%s has no commands below %q", page, heading)
	}
	return blocks
}

// reader does what a page says, in one folder.
type reader struct {
	t   *testing.T
	dir string
	env []string
}

// newReader is a reader of the documentation who has the program in the PATH, and beside
// the instance, if there is one.
func newReader(t *testing.T, dir string, in *service.Instance) *reader {
	t.Helper()
	bin := t.TempDir()
	check.Must(t, os.Symlink(service.Program(), filepath.Join(bin, "footfall")))
	r := &reader{t: t, dir: dir, env: append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))}
	if in != nil {
		r.env = append(r.env, "FOOTFALL_ADMIN_LISTEN="+strings.TrimPrefix(in.Admin, "http://"))
	}
	return r
}

// run runs a script and returns what it prints to stdout.
func (r *reader) run(script string) string {
	r.t.Helper()
	out, err := r.shell("-euc", script)
	if err != nil {
		r.t.Fatalf("%s\n%v\n%s", script, err, out)
	}
	return out
}

// pasteFails runs a script whose commands fail. As in a terminal, the commands after one
// that fails run, unless the script prevents it.
func (r *reader) pasteFails(script string) {
	r.t.Helper()
	if out, err := r.shell("-uc", script); err == nil {
		r.t.Errorf("%s\nsucceeds: %s", script, out)
	}
}

func (r *reader) shell(options, script string) (string, error) {
	cmd := exec.CommandContext(r.t.Context(), "sh", options, script)
	cmd.Dir, cmd.Env = r.dir, r.env
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, errs.String())
	}
	return string(out), err
}

// terminal runs a script that goes on until Ctrl-C, which end presses, and returns when a
// service that it starts is ready.
func (r *reader) terminal(script string, env ...string) (end func()) {
	r.t.Helper()
	log := check.Value(os.CreateTemp(r.t.TempDir(), "log"))(r.t)
	cmd := exec.CommandContext(context.Background(), "sh", "-ec", script)
	cmd.Dir, cmd.Env, cmd.Stderr = r.dir, append(slices.Clone(r.env), env...), log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	check.Must(r.t, cmd.Start())
	end = sync.OnceFunc(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGINT)
		_, _ = cmd.Wait(), log.Close()
	})
	r.t.Cleanup(end)
	service.WaitFor(r.t, "the service of the terminal is ready", func() bool {
		return strings.Contains(string(check.Value(os.ReadFile(log.Name()))(r.t)), `"msg":"ready"`)
	})
	return end
}

// N15: the visits of a day, the most visited pages and sums come by the commands of the page.
func TestN15TodayAndTopAreAsThePageSays(t *testing.T) {
	t.Parallel()
	const page = "today-and-top.md"
	asOf := regexp.MustCompile(`"(as_of|since)":"[^"]*",`) // its history has begun now
	var ask func(section string, i int) string
	today := func() string { return time.Now().UTC().Format(time.DateOnly) }
	for day := ""; day != today(); { // once more if it ends meanwhile
		day = today()
		in := service.NewDeployment(t).Start()
		for name, times := range map[string]int{"home": 13, "blog/a": 12, "quiet": 1, `a ","count":7`: 1} {
			for range times {
				in.Record(name).Want(t, 200)
			}
		}
		r := newReader(t, t.TempDir(), in)
		ask = func(section string, i int) string {
			at := strings.ReplaceAll(scripts(t, page, section)[i], "localhost:8000", strings.TrimPrefix(in.Public, "http://"))
			return strings.ReplaceAll(asOf.ReplaceAllString(r.run(at), ""), "\n", "")
		}
		service.WaitFor(t, "the visits of today are those of the page", func() bool {
			return strings.Contains(ask("Today", 0), `"sum":13,"total":13,"before_history":0,`) || day != today()
		})
	}
	if got := ask("Today", 1); !strings.Contains(got, `"period":{"visits":13,`) || !strings.Contains(got, `"period":{"visits":12,`) {
		t.Errorf("the visits of the last 24 hours are %s", got)
	}
	blog := `{"page_id":"blog/a","visits":12}`
	all := `{"page_id":"home","visits":13},` + blog + `,{"page_id":"a \",\"count\":7","visits":1},{"page_id":"quiet","visits":1}`
	check.Equal(t, ask("Top", 0), `{"pages":[`+all+`]}{"pages":[`+blog+`]}{"pages":[`+all+`]}`, "the top")
	check.Equal(t, ask("Totals", 0), `{"pages":4,"visits":27}{"pages":1,"visits":12}`, "the sums")
}

// N15: a copy of the embedded store is a backup, and so is an export.
func TestN15TheEmbeddedStoreIsRestoredAsThePageSays(t *testing.T) {
	t.Parallel()
	const page = "operations/backup.md"
	d := service.NewDeployment(t)
	in := d.Start()
	in.Record("home").Want(t, 200)
	newReader(t, d.Dir, in).run(`footfall export - | gzip >counts.ndjson.gz`)
	in.Stop()
	r := newReader(t, d.Dir, nil)
	backup := scripts(t, page, "Backup of the embedded store")[0]
	r.run(backup)
	in = d.Start()
	in.Record("home").Want(t, 200)
	in.Stop()
	r.run(backup) // again, in place of the first
	check.Must(t, os.Rename(filepath.Join(r.dir, "data"), filepath.Join(r.dir, "away")))
	r.pasteFails(backup)
	check.Value(os.Stat(filepath.Join(r.dir, "data.backup/footfall.db")))(t) // the copy stays
	check.Must(t, os.Rename(filepath.Join(r.dir, "away"), filepath.Join(r.dir, "data")))
	in = d.Start()
	in.Record("home").Want(t, 200)
	check.Equal(t, in.Visits("home"), 3, "visits before the restore")
	for i := range 2 { // the copy stays as it is, and a trial that was left makes way
		tried := servers.FreeAddr(t)
		trial := scripts(t, page, "Try a restore")
		at := strings.NewReplacer("127.0.0.1:8010", tried, "127.0.0.1:8011", "127.0.0.1:0")
		end := r.terminal(at.Replace(trial[0]), "FOOTFALL_PUBLISHER=amqp://127.0.0.1:1/?queue=counts_queue")
		service.MustSend(t, "POST", "http://"+tried+"/visit/home", "").Want(t, 200)
		if got := r.run(at.Replace(trial[1])); !strings.Contains(got, `"visits":3,`) {
			t.Errorf("the copy answers %s", got)
		}
		service.MustSend(t, "GET", "http://"+tried+"/readyz", "").Want(t, 200, "!rabbitmq")
		end()
		if i == 1 {
			r.run(trial[2])
			check.Equal(t, len(r.files("*trial*")), 0, "files of the trial")
		}
	}
	in.Stop()
	restores(r, d, scripts(t, page, "Restore of the embedded store"))
	in = d.Start()
	in.Record("home").Want(t, 200)
	in.Record("other").Want(t, 200)
	newReader(t, d.Dir, in).run(scripts(t, page, "An export as a backup")[0])
	check.Equal(t, in.Visits("home"), 3, "visits after an export that was imported")
	in.Stop()
}

// restores puts the copy, in which a page has two visits, into the place of stores that are
// sound, restored already, damaged and deleted.
func restores(r *reader, d *service.Deployment, blocks []string) {
	r.t.Helper()
	store := filepath.Join(r.dir, "data")
	for _, c := range []struct {
		name    string
		before  func()
		damaged int // stores that made way
	}{
		{"after more visits", func() {}, 1},
		{"once more", func() {}, 2},
		{"after damage", func() { check.Must(r.t, os.WriteFile(filepath.Join(store, "footfall.db"), []byte("damaged"), 0o600)) }, 3},
		{"after a loss", func() { check.Must(r.t, os.RemoveAll(store)) }, 3},
	} {
		c.before()
		for seconds := time.Now().Unix(); time.Now().Unix() == seconds; { // a name has the second
			time.Sleep(10 * time.Millisecond)
		}
		r.run(blocks[0])
		in := d.Start()
		at := strings.NewReplacer("localhost:8000", strings.TrimPrefix(in.Public, "http://"))
		if got := r.run(at.Replace(blocks[1])); !strings.Contains(got, `"visits":2,`) {
			r.t.Errorf("%s a restore answers %s", c.name, got)
		}
		if strings.Contains(in.Logged(), "first start") {
			r.t.Errorf("%s a restore makes a store", c.name)
		}
		in.Record("home").Want(r.t, 200)
		in.Stop()
		check.Equal(r.t, len(r.files("data.damaged.*/footfall.db")), c.damaged, "stores that made way, %s", c.name)
		check.Equal(r.t, len(r.files("data*/*")), c.damaged+2, "files of all stores, %s", c.name)
	}
	check.Must(r.t, os.Rename(filepath.Join(r.dir, "data.backup"), filepath.Join(r.dir, "away")))
	r.pasteFails(blocks[0])
	check.Equal(r.t, len(r.files("data/footfall.db")), 1, "the store after a restore without a copy")
	check.Must(r.t, os.Rename(filepath.Join(r.dir, "away"), filepath.Join(r.dir, "data.backup")))
	r.run(blocks[0])
}

// files are those in the folder of the reader that match a pattern.
func (r *reader) files(pattern string) []string {
	r.t.Helper()
	return check.Value(filepath.Glob(filepath.Join(r.dir, pattern)))(r.t)
}

// N15: copies of all Redis servers are a backup. A server that is started from one has an
// append-only file again.
func TestN15RedisIsRestoredAsThePageSays(t *testing.T) {
	t.Parallel()
	const page = "operations/backup.md"
	r := service.NewRing(t, 2)
	in := r.Start()
	pages := service.PageNames(40)
	r.Bulk(in, pages)
	shell := newReader(t, t.TempDir(), in)
	at := func(s *servers.Redis, script string) string {
		port := fmt.Sprint(s.Port())
		return strings.NewReplacer("redis-cli ", "redis-cli -p "+port+" ", "--port 6379", "--port "+port, "--dir r1", "--dir "+s.Dir(), "footfall.rdb", port+".rdb").Replace(script)
	}
	for _, s := range r.Servers {
		shell.run(at(s, scripts(t, page, "Backup of Redis")[0]))
	}
	r.Bulk(in, pages) // lost with what came after the copies
	in.Stop()
	for _, s := range r.Servers {
		s.Kill()
		check.Must(t, os.RemoveAll(filepath.Join(s.Dir(), "appendonlydir")))
		check.Must(t, os.Rename(filepath.Join(shell.dir, fmt.Sprint(s.Port(), ".rdb")), filepath.Join(s.Dir(), "dump.rdb")))
		end := at(s, "redis-cli SHUTDOWN NOSAVE")
		t.Cleanup(func() { _ = exec.CommandContext(context.Background(), "sh", "-c", end).Run() }) // it is no child of the test
		shell.run(at(s, strings.Split(scripts(t, page, "Restore of Redis")[0], "\n")[0]))
		service.WaitFor(t, s.Addr+" has loaded", func() bool {
			c := s.Client()
			defer func() { _ = c.Close() }()
			return c.Ping(t.Context()).Err() == nil
		})
		_, rest, _ := strings.Cut(scripts(t, page, "Restore of Redis")[0], "\n")
		service.WaitFor(t, s.Addr+" has written its append-only file", func() bool {
			state := shell.run(at(s, rest))
			return strings.Contains(state, "aof_rewrite_in_progress:0") && strings.Contains(state, "aof_rewrite_scheduled:0") && strings.Contains(state, "aof_last_bgrewrite_status:ok")
		})
		shell.run(end)
		check.Must(t, s.Start())
	}
	in = r.Start()
	for _, name := range pages {
		check.Equal(t, in.Visits(name), 1, "visits of %s", name)
	}
}
