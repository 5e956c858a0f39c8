package bench_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"footfall/test/check"
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
				taken <- download(b.Context(), "http://"+footfall.admin+"/debug/pprof/profile?seconds="+seconds, one)
			}()
			load{kind: kind, connections: connections}.run(b, footfall, 11*time.Second)
			check.Must(b, <-taken)
			join = append(join, one)
		}
	}
	joined, err := exec.CommandContext(b.Context(), "go", join...).Output()
	if err == nil {
		err = os.WriteFile(*profileTo, joined, 0o644)
	}
	check.Must(b, err)
}

func download(ctx context.Context, url, to string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	return os.WriteFile(to, body, 0o644)
}
