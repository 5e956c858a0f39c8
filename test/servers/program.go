package servers

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// redisProgram is the program of servers and Sentinels.
func redisProgram() (string, error) {
	path, err := exec.LookPath(cmp.Or(os.Getenv("FOOTFALL_TEST_REDIS"), "redis-server"))
	if err != nil {
		return "", fmt.Errorf("find the server that FOOTFALL_TEST_REDIS names, or else redis-server (apt-get install redis-server, or scripts/install-test-servers as root): %w", err)
	}
	return path, nil
}

// Python is a python3 that has pika, for programs in Python.
func Python(tb testing.TB) string {
	tb.Helper()
	var tried []string
	for _, python := range []string{"/usr/bin/python3", "python3"} { // the first in the PATH may not be that of the system
		out, err := exec.CommandContext(tb.Context(), python, "-c", "import pika").CombinedOutput()
		if err == nil {
			return python
		}
		tried = append(tried, fmt.Sprintf("%s: %v %s", python, err, out))
	}
	tb.Fatalf("pika is needed (apt-get install python3-pika, or scripts/install-test-servers as root): %s", strings.Join(tried, "; "))
	return ""
}

// HasWaitAOF tells whether the servers know WAITAOF, as Redis since 7.2 and Valkey do.
func HasWaitAOF(tb testing.TB) bool {
	tb.Helper()
	path, err := redisProgram()
	if err != nil {
		tb.Fatal(err)
	}
	says, err := exec.CommandContext(tb.Context(), path, "--version").Output()
	if err != nil {
		tb.Fatalf("ask %s for its version: %v", path, err)
	}
	var major, minor int
	_, version, _ := strings.Cut(string(says), " v=")
	if _, err := fmt.Sscanf(version, "%d.%d", &major, &minor); err != nil {
		tb.Fatalf("%s has no version in %q", path, says)
	}
	return major > 7 || major == 7 && minor >= 2
}
