package bootstrap_test

import (
	"testing"

	"footfall/bootstrap"
	"footfall/test/check"
)

func TestTheProgramIsCompleteWithEveryAdapter(t *testing.T) {
	urls := map[string]string{
		"embedded": "embedded://" + t.TempDir(), "memory": "memory://", "redis": "redis://n1,n2:6380/1",
		"amqp": "amqp://user:pass@broker/vhost?queue=counts",
	}
	stores, publishers := bootstrap.Schemes()
	for _, store := range stores {
		for _, publisher := range append(publishers, "") {
			if urls[store] == "" || publisher != "" && urls[publisher] == "" {
				t.Fatalf("no example of %s or %s here", store, publisher)
			}
			check.OK(t, bootstrap.Validate(urls[store], urls[publisher]), "%s with publisher %q", store, publisher)
		}
	}
}
