package bootstrap_test

import (
	"bytes"
	"testing"

	"footfall/bootstrap"
	"footfall/test/check"
)

// What outlives a stop may log when the log is closed: that ends nothing, and what came
// before is written.
func TestALineAfterTheEndOfTheLogHarmsNothing(t *testing.T) {
	var log bytes.Buffer
	bootstrap.LogBesideTheEnd(&log)
	check.Equal(t, log.String(), "before\n", "the log")
}
