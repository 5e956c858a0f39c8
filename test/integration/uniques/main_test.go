// Package uniques_test checks unique ids of the built program: the number of each window, and the
// endpoints that receive it.
package uniques_test

import (
	"os"
	"testing"

	"footfall/test/integration/service"
)

func TestMain(m *testing.M) { os.Exit(service.Main(m)) }
