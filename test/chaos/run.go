package chaos

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// Instance is one start of the service.
type Instance interface {
	comparable
	IsFrozen() bool
	Crash()
}

// Run is one run of a model: instances in their slots, what goes wrong until the run
// is calm, and the books.
type Run[I Instance] struct {
	Books
	Seed    uint64
	Counted *Tally
	Begun   time.Time
	// Start starts an instance.
	Start func(slot int, name string) (I, error)
	// Wary callers nearly always turn to another instance than one that is frozen.
	Wary bool
	// Calmed is closed when nothing goes wrong any more.
	Calmed chan struct{}
	// Faults is what goes wrong, Load are the callers, Travels the calls on their way.
	Faults, Load, Travels sync.WaitGroup

	calming   sync.Mutex
	slots     sync.Mutex
	instances []I // zero where none is alive
	lives     []int
}

// NewRun is one with slots for n instances, which are all empty.
func NewRun[I Instance](seed uint64, n int) *Run[I] {
	return &Run[I]{
		Seed: seed, Counted: NewTally(), Begun: time.Now(), Calmed: make(chan struct{}),
		instances: make([]I, n), lives: make([]int, n),
	}
}

// IsCalm tells whether nothing goes wrong any more.
func (r *Run[I]) IsCalm() bool {
	select {
	case <-r.Calmed:
		return true
	default:
		return false
	}
}

// Calm ends what goes wrong.
func (r *Run[I]) Calm() {
	r.calming.Lock()
	defer r.calming.Unlock()
	close(r.Calmed)
}

// BeforeCalm does something unless the run is calm: Faults that it begins are waited
// for after Calm.
func (r *Run[I]) BeforeCalm(do func()) {
	r.calming.Lock()
	defer r.calming.Unlock()
	if !r.IsCalm() {
		do()
	}
}

// Rest waits, and tells whether the run isn't calm yet.
func (r *Run[I]) Rest(d time.Duration) bool {
	select {
	case <-time.After(d):
		return !r.IsCalm()
	case <-r.Calmed:
		return false
	}
}

// Every lets something happen after each of some pauses until the run is calm.
func (r *Run[I]) Every(part string, pause func(*Dice) time.Duration, happen func(*Dice)) {
	d := NewDice(r.Seed, part)
	r.Faults.Go(func() {
		for r.Rest(pause(d)) {
			happen(d)
		}
	})
}

// Instances are those of all slots, zero where none is alive.
func (r *Run[I]) Instances() []I {
	r.slots.Lock()
	defer r.slots.Unlock()
	return slices.Clone(r.instances)
}

// Pick is any instance that is alive, zero when none is.
func (r *Run[I]) Pick(d *Dice) I {
	var none I
	alive := slices.DeleteFunc(r.Instances(), func(i I) bool { return i == none })
	if len(alive) == 0 {
		return none
	}
	i := alive[d.UpTo(len(alive))]
	if r.Wary && i.IsFrozen() && d.Chance(0.99) {
		i = alive[d.UpTo(len(alive))] // or all callers would soon wait for it
	}
	return i
}

// Kill crashes an instance and returns its slot, unless it is dead.
func (r *Run[I]) Kill(i I) (slot int, alive bool) {
	var none I
	r.slots.Lock()
	slot = slices.Index(r.instances, i)
	if i == none || slot < 0 {
		r.slots.Unlock()
		return 0, false
	}
	r.instances[slot] = none
	r.slots.Unlock()
	r.Counted.Add(InstanceCrashed)
	i.Crash()
	return slot, true
}

// Revive starts an instance in a slot that has none, as often as it takes, unless the run
// is calm and a promise is broken.
func (r *Run[I]) Revive(slot int) {
	var none I
	for {
		r.slots.Lock()
		r.lives[slot]++
		name, taken := fmt.Sprintf("i%d-%d", slot, r.lives[slot]), r.instances[slot] != none
		r.slots.Unlock()
		if taken {
			return
		}
		i, err := r.Start(slot, name)
		if err != nil {
			if r.IsCalm() && len(r.Violations()) > 0 {
				r.Violate("%s does not start: %v", name, err)
				return
			}
			time.Sleep(time.Millisecond)
			continue // as a supervisor does
		}
		r.slots.Lock()
		if taken = r.instances[slot] != none; !taken {
			r.instances[slot] = i
		}
		r.slots.Unlock()
		if taken {
			i.Crash()
		}
		return
	}
}
