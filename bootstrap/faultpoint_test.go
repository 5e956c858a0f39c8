package bootstrap_test

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"footfall/application/cluster"
	"footfall/bootstrap"
	"footfall/test/chaos"
)

// TestMain is the service if FAULTPOINT is set: its process is killed or stopped
// at one step of the close, and its leases last 3 s instead of 15.
// test/integration compiles this package for it.
//
// FAULTPOINT is "kill" (SIGKILL) or "stop" (SIGSTOP), a place such as "after
// seal", and the number of passes before the fault: "kill after seal 2". "none"
// is no fault. If CLOCK_FILE is set, the clock of the machine leaps (machineclock_test.go).
func TestMain(m *testing.M) {
	fault := os.Getenv("FAULTPOINT")
	if fault == "" {
		os.Exit(m.Run())
	}
	var p faultpoint
	if fault != "none" {
		var when, step string
		if _, err := fmt.Sscan(fault, &p.act, &when, &step, &p.passes); err != nil || p.act != "kill" && p.act != "stop" {
			fmt.Fprintf(os.Stderr, "FAULTPOINT=%q: want kill or stop, before or after, a step, and a number\n", fault)
			os.Exit(2)
		}
		p.place = when + " " + step
	}
	around := func(n cluster.Node) *chaos.Link {
		return &chaos.Link{Far: n, Around: p.around, Lease: 3 * time.Second}
	}
	if file := os.Getenv("CLOCK_FILE"); file != "" {
		c := machineClock(file)
		os.Exit(bootstrap.Run(func(n cluster.Node) cluster.Node { return leapingNode{around(n), around(n), c} }, c.now))
	}
	os.Exit(bootstrap.Run(func(n cluster.Node) cluster.Node { return around(n) }, nil))
}

// faultpoint kills or stops the process once, at a place.
type faultpoint struct {
	act, place string
	passes     int64
	passed     atomic.Int64
}

func (p *faultpoint) pass(when, step string) {
	if p.place != when+" "+step || p.passed.Add(1) != p.passes+1 {
		return
	}
	signal := syscall.SIGKILL
	if p.act == "stop" {
		signal = syscall.SIGSTOP
	}
	_ = syscall.Kill(os.Getpid(), signal)
	time.Sleep(100 * time.Millisecond) // the other threads receive the signal as well
}

// around passes the fault point before and after each call of a node.
func (p *faultpoint) around(ctx context.Context, c chaos.Call, do func(context.Context) (any, error)) (any, error) {
	p.pass("before", c.Method)
	v, err := do(ctx)
	if claim, ok := v.(chaos.Claim); err == nil && (!ok || claim.Token != "") {
		p.pass("after", c.Method)
	}
	return v, err
}
