// Package docs_test runs what the documentation says with the built program.
package docs_test

import (
	"os"
	"testing"

	"footfall/test/integration/service"
)

func TestMain(m *testing.M) { os.Exit(service.Main(m)) }
