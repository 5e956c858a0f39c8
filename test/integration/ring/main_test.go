// Package ring_test changes the ring of the built program while callers use it: nodes come, go, are
// lost, and get other weights.
package ring_test

import (
	"os"
	"testing"

	"footfall/test/integration/service"
)

func TestMain(m *testing.M) { os.Exit(service.Main(m)) }
