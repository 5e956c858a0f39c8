// Package visits_test checks that visits are counted exactly by the built program: under load, over
// restarts, with request keys, and by export and import.
package visits_test

import (
	"os"
	"testing"

	"footfall/test/integration/service"
)

func TestMain(m *testing.M) { os.Exit(service.Main(m)) }
