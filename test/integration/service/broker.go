package service

import (
	"sync"
	"testing"

	"footfall/test/check"
	"footfall/test/servers"
)

//nolint:gochecknoglobals // one broker for all tests of a folder
var shared struct {
	once   sync.Once
	broker *servers.RabbitMQ
	err    error
}

// SharedBroker is a running broker for all tests of a folder that don't disturb
// it. Each uses a queue of its own.
func SharedBroker(t testing.TB) *servers.RabbitMQ {
	t.Helper()
	shared.once.Do(func() { shared.broker, shared.err = servers.RunRabbitMQ() })
	check.Must(t, shared.err)
	return shared.broker
}

func endSharedBroker() {
	if shared.broker != nil {
		shared.broker.Close()
	}
}
