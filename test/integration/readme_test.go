package integration_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// The README's calls, run by curl as they stand there but for the port, print
// what it says.
func TestTheCallsOfTheREADME(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Fatal("curl is needed to check the README: apt-get install curl")
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```console\n(.*?)```").FindSubmatch(readme)
	if block == nil {
		t.Fatal("the README has no calls")
	}
	in := newDeployment(t).start()
	calls := 0
	for call := range strings.SplitSeq(strings.TrimPrefix(string(block[1]), "$ "), "\n$ ") {
		command, want, _ := strings.Cut(strings.TrimSuffix(call, "\n"), "\n")
		args, ok := strings.CutPrefix(strings.ReplaceAll(command, "localhost:8000", strings.TrimPrefix(in.public, "http://")), "curl ")
		if !ok {
			t.Fatalf("%q is no call of curl", command)
		}
		got, err := exec.Command("sh", "-c", curl+" -sS "+args).CombinedOutput()
		if err != nil || strings.TrimSuffix(string(got), "\n") != want {
			t.Errorf("%s\nprints %q (%v), the README says %q", command, got, err, want)
		}
		calls++
	}
	if calls != 3 {
		t.Errorf("%d calls, want three", calls)
	}
}
