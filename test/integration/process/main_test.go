// Package process_test checks the process: its settings, its metrics, and how it starts and stops.
package process_test

import (
	"os"
	"testing"

	"footfall/test/integration/service"
)

func TestMain(m *testing.M) { os.Exit(service.Main(m)) }
