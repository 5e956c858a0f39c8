package sharding_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/check"
)

// fingerprint sums up where pages, ids and windows are after a few changes.
func fingerprint(t *testing.T, members []sharding.Member) string {
	r := newRing(t, members...)
	r = must(t)(r.Add(sharding.Change{ID: "2", From: 10}, member("nnnn", 3)))
	r = must(t)(r.Remove(sharding.Change{ID: "3", From: 20}, "n0002"))
	h := sha256.New()
	h.Write(r.Encode())
	for i := range 10_000 {
		page := counting.Page(fmt.Sprint("page ", i))
		id, epoch := r.IDOwner(counting.ID(i), i%r.Tables())
		_, _ = fmt.Fprintln(h, r.Arc(page), r.Owner(r.Arc(page)), id, epoch, r.HomeIndex(counting.Window(i)))
	}
	return fmt.Sprintf("fingerprint %x", h.Sum(nil))
}

// V15 of the list of failures: two processes that were given the members in
// different orders agree on every page, id and window.
func TestTwoProcessesAgree(t *testing.T) {
	const child = "FOOTFALL_TEST_CHILD"
	members := equalMembers(9)
	if os.Getenv(child) != "" {
		slices.Reverse(members)
		fmt.Println(fingerprint(t, members))
		return
	}
	program := check.Value(os.Executable())(t)
	cmd := exec.CommandContext(t.Context(), program, "-test.run=^TestTwoProcessesAgree$")
	cmd.Env = append(os.Environ(), child+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if want := fingerprint(t, members); !strings.Contains(string(out), want) {
		t.Errorf("this process has the %s, the other says\n%s", want, out)
	}
}
