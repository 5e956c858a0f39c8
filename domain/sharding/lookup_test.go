package sharding_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/check"
)

func TestLookupsAllocateNothing(t *testing.T) {
	r := newRing(t, equalMembers(100)...)
	for _, length := range []int{1, 16, 100, 240, 241, counting.MaxPageBytes} {
		page := counting.Page(strings.Repeat("x", length))
		check.Equal(t, testing.AllocsPerRun(100, func() { r.Owner(r.Arc(page)) }), 0, "allocations of a page of %d bytes", length)
	}
	check.Equal(t, testing.AllocsPerRun(100, func() { r.IDOwner(-7, r.TableFor(12)) }), 0, "allocations of an id")
}

// V25 of the list of failures: lookups go on while the ring changes.
func TestLookupsRaceWithAThousandChanges(t *testing.T) {
	var current atomic.Pointer[sharding.Ring]
	current.Store(newRing(t, equalMembers(5)...))
	done := make(chan struct{})
	var readers sync.WaitGroup
	for reader := range 2 {
		readers.Go(func() {
			for i := reader; ; i += 2 {
				select {
				case <-done:
					return
				default:
				}
				runtime.Gosched()
				r := current.Load()
				if err := lookUp(r, i); err != nil {
					t.Errorf("epoch %d: %v", r.Epoch(), err)
					return
				}
			}
		})
	}
	for i := range 1000 {
		r := current.Load()
		c := sharding.Change{ID: fmt.Sprint(i), From: counting.Window(i), Oldest: counting.Window(i - 1)}
		var err error
		switch i % 4 {
		case 0:
			r, err = r.Add(c, member(fmt.Sprintf("m%d", i), 1+i%5))
		case 1:
			r, err = r.Reweight(c, counting.NodeID(fmt.Sprintf("m%d", i-1)), 1+i%3)
		case 2:
			r, err = r.Reweight(c, "n0003", 1+i%9)
		case 3:
			r, err = r.Remove(c, counting.NodeID(fmt.Sprintf("m%d", i-3)))
		}
		check.Must(t, err)
		current.Store(r)
	}
	close(done)
	readers.Wait()
}

// lookUp looks up a page, an id and a window, and finds who owns nothing.
func lookUp(r *sharding.Ring, i int) error {
	if to := r.Members()[r.Owner(r.Arc(counting.Page(fmt.Sprint(i))))]; to.State != sharding.Active {
		return fmt.Errorf("page %d belongs to %s, which is %s", i, to.ID, to.State)
	}
	w := counting.Window(i % 1000)
	if to, _ := r.IDOwner(counting.ID(i), r.TableFor(w)); to >= len(r.Members()) {
		return fmt.Errorf("id %d belongs to member %d of %d", i, to, len(r.Members()))
	}
	if to := r.HomeIndex(w); to >= len(r.Members()) {
		return fmt.Errorf("the home of window %d is member %d of %d", w, to, len(r.Members()))
	}
	return nil
}

// BenchmarkLookup finds the owner of a page of 16 bytes.
func BenchmarkLookup(b *testing.B) {
	pages := make([]counting.Page, 1024)
	for i := range pages {
		pages[i] = counting.Page(fmt.Sprintf("/articles/%06d", i))
	}
	for _, nodes := range []int{3, 16, 128, 1000} {
		b.Run(fmt.Sprintf("nodes=%d", nodes), func(b *testing.B) {
			r := newRing(b, equalMembers(nodes)...)
			b.ReportAllocs()
			sum, i := 0, 0
			for b.Loop() {
				sum += r.Owner(r.Arc(pages[i%len(pages)]))
				i++
			}
			if sum < 0 {
				b.Fatal("owners are indexes")
			}
		})
	}
}

// BenchmarkAdd adds one node to a ring.
func BenchmarkAdd(b *testing.B) {
	for _, nodes := range []int{3, 1000} {
		b.Run(fmt.Sprintf("nodes=%d", nodes), func(b *testing.B) {
			r := newRing(b, equalMembers(nodes)...)
			for b.Loop() {
				check.Value(r.Add(sharding.Change{ID: "add"}, member("joining", 1)))(b)
			}
		})
	}
}

// BenchmarkDecode reads a document of two tables.
func BenchmarkDecode(b *testing.B) {
	for _, nodes := range []int{3, 1000} {
		b.Run(fmt.Sprintf("nodes=%d", nodes), func(b *testing.B) {
			r := check.Value(newRing(b, equalMembers(nodes)...).Add(sharding.Change{ID: "add"}, member("joining", 1)))(b)
			doc := r.Encode()
			b.SetBytes(int64(len(doc)))
			for b.Loop() {
				check.Value(sharding.Decode(doc))(b)
			}
		})
	}
}
