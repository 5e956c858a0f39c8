package chaos

import (
	"math/rand/v2"
	"sync"
	"time"
)

// Dice is a source of randomness for one part of a run, so that what one part
// rolls doesn't depend on what the others do. It is safe for concurrent use.
type Dice struct {
	mu sync.Mutex
	r  *rand.Rand
}

// NewDice makes the dice of a part of the run with a seed.
func NewDice(seed uint64, part string) *Dice {
	h := uint64(14695981039346656037) // FNV-1a
	for _, c := range []byte(part) {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return &Dice{r: rand.New(rand.NewPCG(seed, h))}
}

// Chance is true with the probability p.
func (d *Dice) Chance(p float64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.r.Float64() < p
}

// UpTo is a number from 0 to n-1.
func (d *Dice) UpTo(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.r.IntN(n)
}

// Between is a time from least to most.
func (d *Dice) Between(least, most time.Duration) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return least + time.Duration(d.r.Int64N(int64(most-least)+1))
}

// About is a time with an exponential distribution, so that events come as
// if they knew nothing of each other.
func (d *Dice) About(mean time.Duration) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return time.Duration(d.r.ExpFloat64() * float64(mean))
}
