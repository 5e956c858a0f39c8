package uniques_test

import (
	"testing"
	"time"

	"footfall/test/check"
)

// Windows are closed over partitions of a Redis Cluster as over other nodes, also when the
// instance that began to close one has died.
func TestWindowsOfPartitionsAreClosed(t *testing.T) {
	scenario(t, func(t *testing.T, o *outside, d *deployment) {
		d.partitions = true
		d.addNode()
		dies := d.run(t, "a", o)
		dies.mustAccept(t, "", ids(0, 200)...)
		dies.fail(failing("record", errDead))
		until(minute + 5*time.Second)
		dies.crash()
		i := d.run(t, "b", o)
		i.mustAccept(t, "", ids(100, 30)...)
		until(3*minute + 10*time.Second)
		o.wantReports(t, "rabbitmq", 200, 30, 0)
		list, err := i.Windows(t.Context(), 10)
		check.OK(t, err, "the windows")
		check.Equal(t, len(list), 4, "windows, with the open one")
		d.wantNothingWaiting(t)
	})
}
