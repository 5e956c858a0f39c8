package groupcommit_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"unsafe"
	"weak"

	"footfall/application/groupcommit"
	"footfall/domain/counting"
	"footfall/test/check"
)

// addPartOf adds a page whose name is a part of a large text, of which it returns the first byte.
func addPartOf(c *groupcommit.Committer) (groupcommit.Ticket, weak.Pointer[byte]) {
	body := strings.Repeat("x", 2<<20)
	return c.AddVisit(1, 0, counting.Page(body[100:110]), 1), weak.Make(unsafe.StringData(body))
}

// A batch can wait for its node for long after the requests of its items have ended.
func TestABatchKeepsNoBodyForTheNamesInIt(t *testing.T) {
	scenario(t, groupcommit.Options{}, func(t *testing.T, n *node, c *groupcommit.Committer) {
		open := hold(t, n, c)
		ticket, body := addPartOf(c)
		for range 10 {
			runtime.GC()
		}
		if body.Value() != nil {
			t.Error("the body is still there")
		}
		open()
		check.OK(t, ticket.Wait())
		wantCount(t, n, "xxxxxxxxxx", 1)
	})
}

func TestNamesOfABatchAreThoseThatWereAdded(t *testing.T) {
	scenario(t, groupcommit.Options{}, func(t *testing.T, n *node, c *groupcommit.Committer) {
		for range 2 { // the second time with the room that the first took
			open := hold(t, n, c)
			for i := range groupcommit.MaxBatch + 100 {
				c.AddVisit(1, 0, counting.Page(strings.Repeat("ä", 1+i%128)+fmt.Sprint(i)), int64(1+i))
			}
			open()
			synctest.Wait()
		}
		for i := range groupcommit.MaxBatch + 100 {
			wantCount(t, n, counting.Page(strings.Repeat("ä", 1+i%128)+fmt.Sprint(i)), int64(2+2*i))
		}
	})
}
