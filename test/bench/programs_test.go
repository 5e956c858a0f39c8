package bench_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/mux"
	"github.com/redis/go-redis/v9"
	"github.com/valyala/fasthttp"

	"footfall/test/check"
	"footfall/test/integration/service"
	"footfall/test/servers"
)

// program is one that wrk sends requests to.
type program struct {
	name    string
	addr    string
	kind    string            // of testdata/load.lua, of Webdis alone
	in      *service.Instance // of footfall alone
	service int               // its process
	redis   []int             // the processes of the servers that it uses
}

// baseline is the variable that makes this test binary one of the baselines:
// its name. baselineRedis is the server that it counts in.
const (
	baseline      = "FOOTFALL_BENCH_BASELINE"
	baselineRedis = "FOOTFALL_BENCH_REDIS"
)

func TestMain(m *testing.M) {
	if name := os.Getenv(baseline); name != "" {
		serveBaseline(name)
		return
	}
	os.Exit(service.Main(m))
}

// okBody is as long as an answer of the service.
const okBody = `{"status":"success","message":"Visit recorded for page page-50000"}`

// ok is the answer of the baselines that count nothing.
func ok(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, okBody)
}

// okFast is ok for fasthttp.
func okFast(ctx *fasthttp.RequestCtx) {
	ctx.SetContentType("application/json")
	ctx.SetBodyString(okBody)
}

// serveBaseline prints its address and serves until it is killed.
func serveBaseline(name string) {
	var handler http.Handler
	switch name {
	case "fasthttp":
	case "net/http":
		handler = http.HandlerFunc(ok)
	case "mux visit":
		handler = muxWith(http.MethodPost, "/visit/{page_id}", ok)
	case "mux read":
		handler = muxWith(http.MethodGet, "/visits/{page_id}", ok)
	case "mux accept":
		handler = muxWith(http.MethodGet, "/api/verve/accept", ok)
	case "incr":
		client := redis.NewClient(&redis.Options{Addr: os.Getenv(baselineRedis)})
		handler = muxWith(http.MethodPost, "/visit/{page_id}", func(w http.ResponseWriter, r *http.Request) {
			if err := client.Incr(r.Context(), "visits:"+mux.Vars(r)["page_id"]).Err(); err != nil {
				http.Error(w, err.Error(), http.StatusServiceUnavailable)
				return
			}
			ok(w, r)
		})
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err == nil {
		fmt.Println(l.Addr())
		if handler == nil {
			err = fasthttp.Serve(l, okFast)
		} else {
			err = http.Serve(l, handler)
		}
	}
	panic(err)
}

// muxWith is mux as its manual shows it, with one route.
func muxWith(method, path string, handler http.HandlerFunc) http.Handler {
	r := mux.NewRouter()
	r.HandleFunc(path, handler).Methods(method)
	return r
}

// startBaseline starts this test binary as a baseline, with a server or none.
func startBaseline(b *testing.B, name string, server ...*servers.Redis) program {
	b.Helper()
	cmd := exec.CommandContext(context.Background(), os.Args[0])
	cmd.Env = append(os.Environ(), baseline+"="+name)
	for _, s := range server {
		cmd.Env = append(cmd.Env, baselineRedis+"="+s.Addr)
	}
	out := check.Value(cmd.StdoutPipe())(b)
	start(b, cmd)
	p := program{name: name, service: cmd.Process.Pid}
	check.Value(fmt.Fscanln(out, &p.addr))(b)
	for _, s := range server {
		p.redis = append(p.redis, s.PID())
	}
	return p
}

// startWebdis starts Webdis as Debian configures it, before a server.
func startWebdis(b *testing.B, server *servers.Redis) program {
	b.Helper()
	_, redisPort, _ := net.SplitHostPort(server.Addr)
	p := program{name: "webdis", kind: "webdis", addr: servers.FreeAddr(b), redis: []int{server.PID()}}
	_, port, _ := net.SplitHostPort(p.addr)
	config, log := filepath.Join(b.TempDir(), "webdis.json"), filepath.Join(b.TempDir(), "log")
	check.Must(b, os.WriteFile(config, fmt.Appendf(nil, `{"redis_host":"127.0.0.1","redis_port":%s,"http_host":"127.0.0.1",`+
		`"http_port":%s,"threads":2,"daemonize":false,"verbosity":0,"logfile":%q}`, redisPort, port, log), 0o600))
	cmd := exec.CommandContext(context.Background(), "webdis", config)
	start(b, cmd)
	p.service = cmd.Process.Pid
	for until := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		answer, err := service.Request(http.DefaultClient, http.MethodGet, "http://"+p.addr+"/INCR/begun", "")
		if err == nil && strings.HasPrefix(answer.Body, `{"INCR":`) {
			return p
		}
		if time.Now().After(until) {
			b.Fatalf("webdis does not answer: %v, %s", err, answer.Body)
		}
	}
}

// unlimited are settings for a load that comes from one address.
func unlimited() []string {
	return []string{"FOOTFALL_CLIENT_SHARE=100", "FOOTFALL_CONNECTION_LIMIT=0", "FOOTFALL_STREAM_LIMIT=0"}
}

// startFootfall starts the service on some Redis servers, with all that it does in
// production, and further settings.
func startFootfall(b *testing.B, nodes []*servers.Redis, env ...string) program {
	b.Helper()
	r := &service.Ring{T: b, Env: append(env, unlimited()...)}
	p := program{name: "footfall"}
	for _, n := range nodes {
		r.Seeds = append(r.Seeds, n.Addr)
		p.redis = append(p.redis, n.PID())
	}
	p.in = r.Start()
	p.addr, p.service = strings.TrimPrefix(p.in.Public, "http://"), p.in.Cmd.Process.Pid
	return p
}

// start starts a process that ends with the benchmark.
func start(b *testing.B, cmd *exec.Cmd) {
	b.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	check.Must(b, cmd.Start())
	b.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}
