//go:build compose

package compose_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"footfall/test/integration/service"
)

// P4 on the real stack: a fourth node comes to a ring of three while callers
// go on. None of their visits is lost or doubled, nor after all that has
// been started again on its volumes.
func TestAFourthNodeJoinsUnderLoad(t *testing.T) {
	s := newStack(t)
	s.up(t, "--build")
	const still = 2000 // pages that no caller visits or reads meanwhile
	setPages(t, s, still)
	tr := startTraffic(t, s.url(t, "balancer", 1, 8000))
	re := newReports(t, s)
	tr.goesOn(t, 200)

	s.env = append(s.env, "COMPOSE_PROFILES=fourth-node") // from now on it belongs to the stack
	s.run(t, "compose", "up", "--detach", "--no-deps", "--wait", "redis-4")
	before, _, _ := tr.totals()
	s.footfall(t, 1, "ring", "add", "redis://redis-4:7073") // ends when all has moved
	acked, refused, doubt := tr.totals()
	if acked < before+20 {
		t.Errorf("%d visits were acknowledged while the node joined: there was no load", acked-before)
	}
	checkRing(t, s, 1)
	checkRing(t, s, 2)
	if _, body := get(t, s.url(t, "footfall", 2, 8000)+"/visits/still0"); !strings.Contains(body, `"visits":3,`) {
		t.Errorf("a page reads %s", body)
	}
	t.Logf("while it joined %d visits were acknowledged; before and then %d refused, %d in doubt", acked-before, refused, doubt)

	allStartAgain(t, s, tr)
	tr.goesOn(t, 200)
	tr.halt()
	booksBalance(t, s, tr, re)
	checkPages(t, s, still)
	checkRing(t, s, 1)
	checkRing(t, s, 2)
}

// footfall is a command in the container of an instance.
func (s *stack) footfall(t *testing.T, n int, args ...string) string {
	t.Helper()
	return s.run(t, append([]string{"exec", s.container(t, "footfall", n), "/usr/local/bin/footfall"}, args...)...)
}

// checkRing waits until an instance goes by a ring of four nodes, on which
// nothing is left to be moved.
func checkRing(t *testing.T, s *stack, n int) {
	t.Helper()
	var text string
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(text)
		}
	})
	waitFor(t, "an instance goes by a ring of four nodes", func() bool {
		text = s.footfall(t, n, "ring", "status")
		var ring struct {
			Nodes []struct{ ID string }
			Moves struct{ Left, Total int }
		}
		if err := json.Unmarshal([]byte(text), &ring); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		return len(ring.Nodes) == 4 && ring.Nodes[3].ID == "redis_7073" && ring.Moves.Left == 0 && ring.Moves.Total > 0
	})
}

// setPages gives n pages 3 visits each, a thousand at once.
func setPages(t *testing.T, s *stack, n int) {
	t.Helper()
	for from := 0; from < n; from += 1000 {
		var items []string
		for i := from; i < min(from+1000, n); i++ {
			items = append(items, fmt.Sprintf(`{"page_id":"still%d","count":3}`, i))
		}
		body := "[" + strings.Join(items, ",") + "]"
		service.MustSend(t, http.MethodPost, s.url(t, "balancer", 1, 8000)+"/visits", body, "Content-Type", "application/json").Want(t, http.StatusOK)
	}
}

// checkPages reads what setPages has set, and sees some of it on the new node.
func checkPages(t *testing.T, s *stack, n int) {
	t.Helper()
	moved := 0
	for from := 0; from < n; from += 1000 {
		query := make(url.Values)
		for i := from; i < min(from+1000, n); i++ {
			query.Add("page_id", fmt.Sprint("still", i))
		}
		var answer struct {
			Results []struct {
				PageID    string `json:"page_id"`
				Visits    *int64
				ServedVia string `json:"served_via"`
			}
		}
		status, body := get(t, s.url(t, "balancer", 1, 8000)+"/visits?"+query.Encode())
		if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK || len(answer.Results) == 0 {
			t.Fatalf("%d %v: %.300s", status, err, body)
		}
		for _, r := range answer.Results {
			if r.Visits == nil || *r.Visits != 3 {
				t.Errorf("%s: %+v, want 3 visits", r.PageID, r)
			}
			if r.ServedVia == "redis_7073" {
				moved++
			}
		}
	}
	if moved < n/8 {
		t.Errorf("the new node has %d of %d pages", moved, n)
	}
}
