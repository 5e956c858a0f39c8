package localnode_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"footfall/adapters/localnode"
	"footfall/test/check"
)

// crashDir names the environment variable by which the test runs its own
// binary as the process that is killed.
const crashDir = "FOOTFALL_TEST_CRASH_DIR"

func TestKilledProcessLosesNothingThatItAnswered(t *testing.T) {
	if dir := os.Getenv(crashDir); dir != "" {
		applyUntilKilled(t, dir)
		return
	}
	o := localnode.FileOptions{Dir: t.TempDir()}
	n := localnode.NewFile(o)
	check.Must(t, n.Start(t.Context()))
	enter(t, n)
	keepHistory(t, n, hours())
	stop(t, n)
	answered := int64(0)
	for round := range int64(5) {
		answered = max(answered, killAfter(t, o.Dir, answered+20+7*round))
		n := localnode.NewFile(o)
		check.Must(t, n.Start(t.Context()))
		got := visits(t, n)
		if got != answered && got != answered+1 {
			t.Fatalf("round %d: got %d visits, want the %d that were answered, or one more", round, got, answered)
		}
		placed := int64(0)
		for _, n := range buckets(t, n, "home") {
			placed += n
		}
		check.Equal(t, placed, got, "visits in buckets")
		if r, err := n.Apply(t.Context(), batch(got)); err != nil || !r.Duplicate {
			t.Fatalf("round %d: batch %d is no duplicate: %+v, %v", round, got, r, err)
		}
		answered = got
		stop(t, n)
	}
}

// applyUntilKilled goes on with the session and prints what was answered.
func applyUntilKilled(t *testing.T, dir string) {
	n := start(t, localnode.FileOptions{Dir: dir})
	for seq := visits(t, n) + 1; ; seq++ {
		check.Value(n.Apply(t.Context(), batch(seq)))(t)
		fmt.Printf("answered %d\n", seq)
	}
}

// killAfter kills such a process after an answer, and returns the last one
// that it gave.
func killAfter(t *testing.T, dir string, last int64) (answered int64) {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	c.Env = append(os.Environ(), crashDir+"="+dir)
	out := check.Value(c.StdoutPipe())(t)
	check.Must(t, c.Start())
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		number, ok := strings.CutPrefix(lines.Text(), "answered ")
		seq, err := strconv.ParseInt(number, 10, 64)
		if !ok || err != nil {
			continue
		}
		answered = seq
		if seq == last {
			check.Must(t, c.Process.Kill())
		}
	}
	check.Fails(t, c.Wait(), "the process ended by itself")
	if answered < last {
		t.Fatalf("the process ended after answer %d", answered)
	}
	return answered
}
