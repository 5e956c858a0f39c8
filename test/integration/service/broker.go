package service

import (
	"sync"

	"footfall/test/servers"
)

// shared is a broker for the tests that leave it alone, with a queue for each.
var Shared struct {
	Once   sync.Once
	Broker *servers.RabbitMQ
	Err    error
}

func endSharedBroker() {
	if Shared.Broker != nil {
		Shared.Broker.Close()
	}
}
