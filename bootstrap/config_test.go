package bootstrap_test

import (
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"footfall/adapters/cli"
	"footfall/bootstrap"
	"footfall/test/check"
)

// run executes a command that ends by itself.
func run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	code = bootstrap.Main(args, &out, &errs)
	return code, out.String(), errs.String()
}

func TestABadValueStopsTheStartWithOneLine(t *testing.T) {
	stores, publishers := bootstrap.Schemes()
	tests := []struct{ variable, value, want string }{
		{"FOOTFALL_LISTEN", "8000", "want host:port or :port"},
		{"FOOTFALL_LISTEN", "localhost:http", "want host:port or :port"},
		{"FOOTFALL_LISTEN", ":65536", "want host:port or :port"},
		{"FOOTFALL_ADMIN_LISTEN", "nowhere", "want host:port or :port"},
		{"FOOTFALL_ADMIN_LISTEN", ":8001", "it is not on loopback, so it needs FOOTFALL_ADMIN_TOKEN"},
		{"FOOTFALL_ADMIN_LISTEN", "10.0.0.1:8001", "it is not on loopback, so it needs FOOTFALL_ADMIN_TOKEN"},
		{"FOOTFALL_STORE", "", "want a URL with one of the schemes " + stores},
		{"FOOTFALL_STORE", "etcd://x", `unknown scheme "etcd", want one of ` + stores},
		{"FOOTFALL_STORE", "embedded://", "want a directory: embedded://DIR"},
		{"FOOTFALL_STORE", "redis://n1:6379,n1:6379", "the address n1:6379 is in the list twice"},
		{"FOOTFALL_STORE", "redis://n1:port", `"n1:port" is no host:port`},
		{"FOOTFALL_STORE", "redis://", `"" is no host:port`},
		{"FOOTFALL_STORE", "redis+sentinel://n1:26379", "want the name of a master after the Sentinels: redis+sentinel://host:port/NAME"},
		{"FOOTFALL_STORE", "redis+sentinel://n1/m?db=one", "db: want a number from 0"},
		{"FOOTFALL_STORE", "rediss://n1:1/x", "the database behind the addresses is no number"},
		{"FOOTFALL_STORE", "redis://n1?pool=3", "unknown parameter pool, want one of ca, cert, idle_time, key, pool_size, server_name, wait"},
		{"FOOTFALL_STORE", "embedded://./data?idle_time=3s", "embedded:// has no parameters, and no question mark in the directory's name"},
		{"FOOTFALL_STORE", "memory://?idle_time=3s", "want memory:// and nothing after it"},
		{"FOOTFALL_STORE", "memory://x", "want memory:// and nothing after it"},
		{"FOOTFALL_PUBLISHER", "absent://h", `unknown scheme "absent", want one of ` + publishers},
		{"FOOTFALL_PUBLISHER", "h:5672", "want a URL with one of the schemes " + publishers},
		{"FOOTFALL_PUBLISHER", "amqp://h", "want the name of a queue, at most 255 bytes and not amq.*: ?queue=NAME, or an exchange: ?exchange=NAME&key=KEY"},
		{"FOOTFALL_PUBLISHER", "redis-stream://h", "want the key of a stream, at most 256 bytes of UTF-8 without control characters: redis-stream://host:6379/key"},
		{"FOOTFALL_PUBLISHER", "amqps://h?queue=q&type=stream", "type: want quorum or classic"},
		{"FOOTFALL_PUBLISHER", "kafka://h", "want the name of a topic after the hosts, 1 to 249 letters, digits, dots, underscores and hyphens: kafka://h1:9092/TOPIC"},
		{"FOOTFALL_PUBLISHER", "kafkas://h/t?sasl=GSSAPI", "sasl: want PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"},
		{"FOOTFALL_CAPTURE_LOG", "", "it is empty"},
		{"FOOTFALL_WINDOW", "1", "want a duration such as 1m"},
		{"FOOTFALL_WINDOW", "90ms", "bad window: its length is 90ms, want whole seconds, 1s to 24h"},
		{"FOOTFALL_WINDOW", "-1m", "bad window: its length is -1m0s, want whole seconds, 1s to 24h"},
		{"FOOTFALL_GRACE", "-1s", "want a duration from 0s to 1h"},
		{"FOOTFALL_GRACE", "soon", "want a duration from 0s to 1h"},
		{"FOOTFALL_CALLBACK_LIMIT", "-1", "want a number from 0 to 1000000"},
		{"FOOTFALL_KEY_LIMIT", "-1", "want a number from 0 to 1000000000"},
		{"FOOTFALL_CALLBACK_LIMIT", "many", "want a number from 0 to 1000000"},
		{"FOOTFALL_REQUEST_LIMIT", "-1", "want a number from 0 to 1000000"},
		{"FOOTFALL_CONNECTION_LIMIT", "all", "want a number from 0 to 1000000"},
		{"FOOTFALL_BYTES_LIMIT", "1MiB", "want a size of at least 4 MiB, such as 64MiB or 1GiB"},
		{"FOOTFALL_BYTES_LIMIT", "64MB", "want a size of at least 4 MiB, such as 64MiB or 1GiB"},
		{"FOOTFALL_STREAM_LIMIT", "-5", "want a number from 0 to 1000000"},
		{"FOOTFALL_WATCH_LIMIT", "1k", "want a number from 0 to 1000000"},
		{"FOOTFALL_BULK_LIMIT", "few", "want a number from 0 to 1000000"},
		{"FOOTFALL_CALLBACK_ALLOW", "10.0.0.0/33", `"10.0.0.0/33" is not a CIDR`},
		{"FOOTFALL_CALLBACK_ALLOW", "everybody!", `"everybody!" is not public, none, a CIDR or a host pattern`},
		{"FOOTFALL_CALLBACK_ALLOW", "public,,none", "an item of the list is empty"},
		{"FOOTFALL_LOG_LEVEL", "loud", "want debug, info, warn or error"},
		{"FOOTFALL_LOG_FORMAT", "xml", "want text or json"},
		{"FOOTFALL_PAGES", "none", "want public, admin or off"},
		{"FOOTFALL_HISTORY", "1h", `history "1h": "" is not 2d to 4000d, want off or such as 1h:32d,1d:400d`},
		{"FOOTFALL_HISTORY", "", `history "": the unit is neither 15m nor 1h, want off or such as 1h:32d,1d:400d`},
	}
	for _, test := range tests {
		t.Run(test.variable+"="+test.value, func(t *testing.T) {
			t.Setenv(test.variable, test.value)
			code, _, stderr := run(t)
			want := "footfall: " + test.variable + `="` + test.value + `": ` + test.want + "\n"
			if code != 2 || stderr != want {
				t.Errorf("exit code %d, stderr %q, want 2, %q", code, stderr, want)
			}
		})
	}
}

func TestEveryBadValueHasItsLine(t *testing.T) {
	code, _, stderr := run(t, "--window=0s", "--log-level=loud", "--store=x")
	if code != 2 || strings.Count(stderr, "\n") != 3 {
		t.Errorf("exit code %d, stderr %q, want 2 and three lines", code, stderr)
	}
}

// The values are invalid.
func TestCredentialsAreNotRepeated(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"store", "rediss3://user:secret@n1:6379", "rediss3://***@n1:6379"},
		{"store", "x://secret@@n1", "x://***@n1"},
		{"store", "y://a:se@secret@n1:%zz", "y://***@n1:%zz"},
		{"store", "redis:/user:secret@n1", "redis:/***@n1"},
		{"store", "redis:user:secret@n1", "***@n1"},
		{"store", "user:secret@n1", "***@n1"},
		{"store", "secret@n1", "***@n1"},
		{"store", "//user:secret@n1", "***@n1"},
		{"store", "user:secret@redis://n1", "***@redis://n1"},
		{"store", "redis:///secret@n1/?a=b", "redis:///***@n1/?a=b"},
		{"store", "redis+sentinel://u:secret@n1/m?db=x&sentinel_password=secret", "redis+sentinel://***@n1/m?db=x&sentinel_password=***"},
		{"store", "redis+sentinel://n1/m?sentinel_password=se@secret&db=1", "redis+sentinel://n1/m?sentinel_password=***&db=1"},
		{"store", "redis+sentinel://n1/m?Sentinel_Password=secret", "redis+sentinel://n1/m?Sentinel_Password=***"},
		{"publisher", "amqp://user:secret@h/vhost", "amqp://***@h/vhost"},
		{"publisher", "amqp://user:sec/secret@h?queue=q", "amqp://***@h?queue=q"},
		{"publisher", "amqps://user:secret@h:port?queue=q", "amqps://***@h:port?queue=q"},
		{"callback-proxy", "http://user:secret@proxy:port", "http://***@proxy:port"},
		{"callback-proxy", "socks5://user:secret@proxy:1080", "socks5://***@proxy:1080"},
		{"callback-proxy", "user:secret@proxy:3128", "***@proxy:3128"},
		{"publisher", "rediss-stream://user:se/cret:secret@h/k?db=x", "rediss-stream://***@h/k?db=x"},
		{"publisher", "kafka://user:secret@h", "kafka://***@h"},
	} {
		code, _, stderr := run(t, "--"+c.name+"="+c.value)
		if code != 2 || !strings.HasPrefix(stderr, "footfall: "+cli.Variable(c.name)+`="`+c.want+`": `) || strings.Contains(stderr, "secret") {
			t.Errorf("--%s=%s: exit code %d, %q", c.name, c.value, code, stderr)
		}
	}
}

func TestABadSecretIsNotRepeated(t *testing.T) {
	code, _, stderr := run(t, "--callback-secret=whsec_c2VjcmV0")
	if want := "footfall: FOOTFALL_CALLBACK_SECRET=\"***\": a secret has 24 to 64 bytes, not 6\n"; code != 2 || stderr != want {
		t.Errorf("exit code %d, stderr %q, want 2, %q", code, stderr, want)
	}
}

// S14: a token that can be guessed stops the start with one line, which does not repeat it.
func TestS14AShortTokenStopsTheStart(t *testing.T) {
	for _, listen := range []string{"127.0.0.1:8001", ":8001"} {
		code, _, stderr := run(t, "--admin-token=fifteen letters", "--admin-listen="+listen, "--grace=no")
		want := "footfall: FOOTFALL_ADMIN_TOKEN=\"***\": it has 15 characters, want at least 16: openssl rand -hex 24 prints one\n" +
			"footfall: FOOTFALL_GRACE=\"no\": want a duration from 0s to 1h\n"
		if code != 2 || stderr != want {
			t.Errorf("exit code %d, stderr %q, want 2, %q", code, stderr, want)
		}
	}
	if code, _, stderr := run(t, "--admin-token=sixteen letters.", "--admin-listen=:8001", "--grace=no"); code != 2 || strings.Contains(stderr, "TOKEN") {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
}

// F15: a secret that was read from a file ends with a line break. Services and commands see a
// setting without it, wherever it was given.
func TestF15WhiteSpaceAroundASettingIsIgnored(t *testing.T) {
	t.Setenv("FOOTFALL_STORE", " nothing://here \n")
	if code, _, stderr := run(t); code != 2 || !strings.Contains(stderr, `FOOTFALL_STORE="nothing://here"`) {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
	file := filepath.Join(t.TempDir(), "store")
	check.Must(t, os.WriteFile(file, []byte("\telse://where\r\n"), 0o600))
	t.Setenv("FOOTFALL_STORE", "")
	t.Setenv("FOOTFALL_STORE_FILE", file)
	if code, _, stderr := run(t); code != 2 || !strings.Contains(stderr, `FOOTFALL_STORE="else://where"`) {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
	t.Setenv("FOOTFALL_ADMIN_LISTEN", " 127.0.0.1:1\n")
	for _, args := range [][]string{{"healthcheck"}, {"ring", "status"}, {"ring", "status", "--admin-listen= 127.0.0.1:1 "}} {
		if code, _, stderr := run(t, args...); code != 1 || !strings.Contains(stderr, "at 127.0.0.1:1 ") {
			t.Errorf("%q: exit code %d, stderr %q", args, code, stderr)
		}
	}
}

// An operator sees which setting has the address that is in use.
func TestAListenerThatCannotBeOpenedIsNamed(t *testing.T) {
	taken := check.Value(new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0"))(t)
	defer taken.Close()
	free := []string{"--store=memory://", "--capture-log=" + filepath.Join(t.TempDir(), "capture.log"), "--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0"}
	for at, variable := range map[int]string{2: "FOOTFALL_LISTEN", 3: "FOOTFALL_ADMIN_LISTEN"} {
		args := slices.Clone(free)
		args[at] = strings.TrimSuffix(args[at], "127.0.0.1:0") + taken.Addr().String()
		code, _, stderr := run(t, args...)
		if code != 1 || !strings.Contains(stderr, fmt.Sprintf("footfall: %s=%q: ", variable, taken.Addr())) || !strings.HasSuffix(stderr, "address already in use\n") {
			t.Errorf("exit code %d, stderr %q, want %s", code, stderr, variable)
		}
	}
}

func TestVersionIsPrinted(t *testing.T) {
	if code, stdout, _ := run(t, "--version"); code != 0 || stdout != "footfall version "+bootstrap.Build().Version+"\n" {
		t.Errorf("exit code %d, %q", code, stdout)
	}
	if code, stdout, _ := run(t, "version"); code != 0 || stdout != bootstrap.Build().String()+"\n" || !strings.Contains(stdout, runtime.Version()) {
		t.Errorf("exit code %d, %q", code, stdout)
	}
}

var update = flag.Bool("update", false, "write the table of settings to docs/configuration.md")

// The page has the table between two marks; make generate writes it.
func TestTheTableOfSettingsIsThatOfTheFlags(t *testing.T) {
	const page, begin, end = "../docs/configuration.md", "<!-- settings: generated from the flags by make generate -->\n", "<!-- end of settings -->\n"
	text := check.Value(os.ReadFile(page))(t)
	before, rest, found := strings.Cut(string(text), begin)
	table, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s lacks %s%s", page, begin, end)
	}
	want := bootstrap.SettingsTable()
	if *update {
		check.Must(t, os.WriteFile(page, []byte(before+begin+want+end+after), 0o600))
	} else if diff := cmp.Diff(want, table); diff != "" {
		t.Errorf("%s is not that of the flags, run make generate (-flags +page):\n%s", page, diff)
	}
}

func TestTheREADMEHasTheDefaultsOfTheSettings(t *testing.T) {
	readme := check.Value(os.ReadFile("../README.md"))(t)
	rows := regexp.MustCompile("(?m)^\\| `(FOOTFALL_[A-Z_]+)` \\| (?:`([^`]*)`)? *\\|").FindAllStringSubmatch(string(readme), -1)
	if len(rows) == 0 {
		t.Error("the README has no table of settings")
	}
	defaults := bootstrap.Defaults()
	for _, row := range rows {
		if want, known := defaults[row[1]]; !known || row[2] != want {
			t.Errorf("%s: the README has the default %q, the flags %q", row[1], row[2], want)
		}
	}
}

// The table has the arguments of each command, and its own flags.
func TestTheConfigurationPageHasEveryCommand(t *testing.T) {
	page := check.Value(os.ReadFile("../docs/configuration.md"))(t)
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| `footfall ([^`]*)` \\|").FindAllStringSubmatch(string(page), -1) {
		documented = append(documented, regexp.MustCompile(`=[^] ]*`).ReplaceAllString(row[1], ""))
	}
	there := bootstrap.Commands()
	slices.Sort(documented)
	slices.Sort(there)
	if diff := cmp.Diff(there, documented); diff != "" {
		t.Errorf("the commands and docs/configuration.md differ (-program +page):\n%s", diff)
	}
}
