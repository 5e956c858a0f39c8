package bench_test

import (
	"cmp"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"footfall/test/check"
	"footfall/test/integration/service"
)

var profileTo = flag.String("profile", "", "file to which BenchmarkProfile writes a CPU profile of the service")

// BenchmarkProfile takes a CPU profile of the service under each load of
// BenchmarkHTTP with many callers, on both listeners, and joins them. By default.pgo the compiler optimises what
// requests go through (go doc cmd/compile, "Profile-Guided Optimization").
func BenchmarkProfile(b *testing.B) {
	if *profileTo == "" {
		b.Skip("-profile says where to")
	}
	const seconds = "10"
	public, ingest := startListeners(b)
	dir := b.TempDir()
	join := []string{"tool", "pprof", "-proto"}
	for _, p := range []program{public, ingest} {
		for _, l := range []load{
			{kind: "visit", connections: 64},
			{kind: "visit", connections: 256},
			{kind: "accept", connections: 64},
			{kind: "accept", connections: 256},
			{kind: "read", connections: 64},
			{kind: "read", connections: 256},
			{kind: "bulk", connections: 4},
		} {
			one := filepath.Join(dir, fmt.Sprint(p.name, l.kind, l.connections))
			taken := make(chan error, 1)
			go func() {
				got, err := service.Request(http.DefaultClient, http.MethodGet, p.in.Admin+"/debug/pprof/profile?seconds="+seconds, "")
				taken <- cmp.Or(err, os.WriteFile(one, []byte(got.Body), 0o644))
			}()
			l.run(b, p, 11*time.Second)
			check.Must(b, <-taken)
			join = append(join, one)
		}
	}
	joined := check.Value(exec.CommandContext(b.Context(), "go", join...).Output())(b)
	check.Must(b, os.WriteFile(*profileTo, joined, 0o644))
}
