package runbook_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"footfall/test/check"
	"footfall/test/integration/service"
)

// The calls of README and docs/api.md, run by curl with another port, print what
// the pages say.
func TestTheCallsOfTheREADME(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Fatal("curl is needed to check the README: apt-get install curl")
	}
	readme := check.Value(os.ReadFile("../../README.md"))(t)
	block := regexp.MustCompile("(?s)```console\n(.*?)```").FindSubmatch(readme)
	if block == nil {
		t.Fatal("the README has no calls")
	}
	in := service.NewDeployment(t).Start()
	page := check.Value(os.ReadFile("../../docs/api.md"))(t)
	examples := regexp.MustCompile("(?s)```sh\ncurl (.*?)\n```(?:\n\n```json\n(.*?)\n```)?").FindAllSubmatch(page, -1)
	check.Equal(t, len(examples), 2, "calls in docs/api.md")
	local := strings.NewReplacer("localhost:8000", strings.TrimPrefix(in.Public, "http://"), "visit/home", "visit/other",
		`"home"`, `"other"`)
	for _, example := range examples {
		got, err := exec.Command("sh", "-c", curl+" -sSf "+local.Replace(string(example[1]))).CombinedOutput()
		if want := local.Replace(string(example[2])); err != nil || want != "" && strings.TrimSuffix(string(got), "\n") != want {
			t.Errorf("curl %s\nprints %q (%v), docs/api.md says %q", example[1], got, err, want)
		}
	}
	calls := 0
	for call := range strings.SplitSeq(strings.TrimPrefix(string(block[1]), "$ "), "\n$ ") {
		command, want, _ := strings.Cut(strings.TrimSuffix(call, "\n"), "\n")
		args, ok := strings.CutPrefix(strings.ReplaceAll(command, "localhost:8000", strings.TrimPrefix(in.Public, "http://")), "curl ")
		if !ok {
			t.Fatalf("%q is no call of curl", command)
		}
		got, err := exec.Command("sh", "-c", curl+" -sS "+args).CombinedOutput()
		if err != nil || strings.TrimSuffix(string(got), "\n") != want {
			t.Errorf("%s\nprints %q (%v), the README says %q", command, got, err, want)
		}
		calls++
	}
	check.Equal(t, calls, 3, "calls")
}
