package publishing_test

import (
	"fmt"
	"testing"
	"time"

	"footfall/domain/publishing"
	"footfall/test/check"
)

// S9: what fails for long is called less and less, once an hour in the end. What has
// failed for a moment only is not paused, and one success ends the memory.
func TestS9WhatFailsForLongIsPausedWithAGrowingDelay(t *testing.T) {
	const name, step = "http://a/", 20 * time.Second
	p := publishing.NewPauses()
	began := time.Unix(1000, 0)
	var calls []time.Duration // since the first
	for now := began; now.Before(began.Add(24 * time.Hour)); now = now.Add(step) {
		if _, paused := p.Until(name, now); paused {
			continue
		}
		calls = append(calls, now.Sub(began))
		p.Failed(name, now, 0.5)
	}
	least := int(publishing.PauseAfter/step) + 1
	if n := len(calls); n < least+24 || n > least+40 {
		t.Errorf("%d calls in a day, want %d in the first two minutes and about one in an hour then", n, least)
	}
	for i := range calls[:least] {
		check.Equal(t, calls[i], time.Duration(i)*step, "call %d, before the first pause", i)
	}
	for i := least; i+1 < len(calls); i++ {
		before, pause := calls[i]-calls[i-1], calls[i+1]-calls[i]
		if pause < before-step || pause > publishing.MaxPause {
			t.Errorf("a pause of %v after one of %v", pause, before)
		}
	}
	p.Succeeded(name)
	now := began.Add(48 * time.Hour)
	for range 100 {
		if until, paused := p.Failed(name, now, 0); paused {
			t.Errorf("after a success, it is paused until %v", until)
		}
	}
}

// S9: pauses of many names that began to fail at one moment do not end at one.
func TestS9PausesHaveJitter(t *testing.T) {
	p := publishing.NewPauses()
	began := time.Unix(1000, 0)
	ends := make(map[time.Time]bool)
	for i := range 10 {
		for n := range 5 {
			until, paused := p.Failed(fmt.Sprint(i), began.Add(time.Duration(n)*time.Minute), float64(i)/10)
			if paused {
				ends[until] = true
			}
		}
	}
	check.Equal(t, len(ends), 10, "ends of pauses")
}

// S9: an endpoint that answered 410 is left alone for a day.
func TestS9AnEndpointThatIsGoneIsLeftAloneForADay(t *testing.T) {
	p := publishing.NewPauses()
	began := time.Unix(1000, 0)
	p.Gone("http://a/", began)
	for after, want := range map[time.Duration]bool{0: true, 24*time.Hour - 1: true, 24 * time.Hour: false} {
		_, paused := p.Until("http://a/", began.Add(after))
		check.Equal(t, paused, want, "paused after %v", after)
	}
}

// S9, P9: names that a client invents fill no memory, and those that are used stay.
func TestS9ThePausesThatAreRememberedAreBounded(t *testing.T) {
	p := publishing.NewPauses()
	now := time.Unix(1000, 0)
	p.Gone("http://used/", now)
	for i := range 3 * publishing.MaxPauses {
		p.Gone(fmt.Sprint("http://", i, "/"), now)
		if i%1000 == 0 {
			if _, paused := p.Until("http://used/", now); !paused {
				t.Fatalf("a name that is used is forgotten after %d others", i)
			}
		}
	}
	if n := p.Paused(now); n > publishing.MaxPauses || n < publishing.MaxPauses/2 {
		t.Errorf("%d names are remembered", n)
	}
}
