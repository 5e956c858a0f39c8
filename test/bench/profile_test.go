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
// BenchmarkHTTP, and joins them. By default.pgo the compiler optimises what
// requests go through (go doc cmd/compile, "Profile-Guided Optimization").
func BenchmarkProfile(b *testing.B) {
	if *profileTo == "" {
		b.Skip("-profile says where to")
	}
	const seconds = "10"
	footfall := startFootfall(b, redisServers(b, 3))
	dir := b.TempDir()
	join := []string{"tool", "pprof", "-proto"}
	for _, kind := range []string{"visit", "accept", "read"} {
		for _, connections := range []int{64, 256} {
			one := filepath.Join(dir, fmt.Sprint(kind, connections))
			taken := make(chan error, 1)
			go func() {
				got, err := service.Request(http.DefaultClient, http.MethodGet, footfall.in.Admin+"/debug/pprof/profile?seconds="+seconds, "")
				taken <- cmp.Or(err, os.WriteFile(one, []byte(got.Body), 0o644))
			}()
			load{kind: kind, connections: connections}.run(b, footfall, 11*time.Second)
			check.Must(b, <-taken)
			join = append(join, one)
		}
	}
	joined := check.Value(exec.CommandContext(b.Context(), "go", join...).Output())(b)
	check.Must(b, os.WriteFile(*profileTo, joined, 0o644))
}
