// Package faults_test runs the built program while instances, nodes, brokers, endpoints and disks fail.
package faults_test

import (
	"os"
	"testing"

	"footfall/test/integration/service"
)

func TestMain(m *testing.M) { os.Exit(service.Main(m)) }
