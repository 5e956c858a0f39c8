package integration_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
)

// residentKB is the memory that the process holds.
func (in *instance) residentKB() int {
	in.t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", in.cmd.Process.Pid))
	if err != nil {
		in.t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), "VmRSS:"); ok {
			kb, err := strconv.Atoi(strings.Fields(text)[0])
			if err != nil {
				in.t.Fatal(err)
			}
			return kb
		}
	}
	in.t.Fatal("no VmRSS")
	return 0
}

// V21 of the list of failures: reading a million pages that were never
// visited fills no memory.
func TestReadingUnknownPagesKeepsNothing(t *testing.T) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("this system has no /proc")
	}
	in := newDeployment(t).start()
	c := newClient()
	defer c.CloseIdleConnections()
	read := func(from, to int) {
		for first := from; first < to; first += 1000 {
			query := make(url.Values)
			for i := range 1000 {
				query.Add("page_id", fmt.Sprintf("unknown%d", first+i))
			}
			resp, err := c.Get(in.public + "/visits?" + query.Encode())
			if err != nil {
				t.Fatal(err)
			}
			if n, _ := io.Copy(io.Discard, resp.Body); resp.StatusCode != http.StatusOK || n < 1000 {
				t.Fatalf("%s, %d bytes", resp.Status, n)
			}
			_ = resp.Body.Close()
		}
	}
	read(0, 200_000) // buffers and pools reach their size
	before := in.residentKB()
	read(200_000, 1_200_000)
	if after := in.residentKB(); after > before+20_000 {
		t.Errorf("a million reads left %d kB, before there were %d kB", after, before)
	}
}

// An instance that has nothing to do holds less than 40 MB.
func TestAnIdleInstanceIsSmall(t *testing.T) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("this system has no /proc")
	}
	t.Parallel()
	r := newRing(t, 3, "--appendfsync", "everysec")
	in := r.start()
	for i := range 64 { // it has spoken with every node
		if got := r.visit(in, fmt.Sprint("page", i)); got.status != http.StatusOK {
			t.Fatalf("%d %s", got.status, got.body)
		}
	}
	kb := in.residentKB()
	t.Logf("%.1f MB", float64(kb)/1024)
	if kb >= 40*1000 {
		t.Errorf("it holds %d KB", kb)
	}
}
