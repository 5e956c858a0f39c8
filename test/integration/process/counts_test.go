package process_test

import (
	"net/http"
	"strings"
	"testing"

	"footfall/test/check"
	"footfall/test/integration/service"
)

// S1: a count that would fill a page is refused, and the page goes on. The admin listener
// sets such a count, and an overflow has a line in the log.
func TestS1ACountFromAnyoneIsBounded(t *testing.T) {
	t.Parallel()
	d := service.NewDeployment(t, "FOOTFALL_COUNT_LIMIT=20")
	in := d.Start()
	const huge = `{"page_id":"shop","count":9223372036854775802}`
	service.MustSend(t, "POST", in.Public+"/visits", `[`+huge+`,{"page_id":"shop","count":21},{"page_id":"shop","count":20}]`).
		Want(t, http.StatusOK, `"error":"count_limit"`)
	service.MustSend(t, "POST", in.Public+"/visits", huge).Want(t, http.StatusOK, `"error":"count_limit"`)
	service.MustSend(t, "POST", in.Public+"/visit/shop", "").Want(t, http.StatusOK, "success")
	in.Get("/visits/shop").Want(t, http.StatusOK, `"visits":21`)
	in.Administer(http.MethodPut, "/pages/shop", `{"count":9223372036854775807}`).Want(t, http.StatusOK, "9223372036854775807")
	service.MustSend(t, "POST", in.Public+"/visit/shop", "").Want(t, http.StatusConflict, "overflow")
	check.Equal(t, in.Stop(), 0, "the exit code") // the log is complete then
	const line = "visit refused, the count of the page would pass 2^63-1"
	if log := in.Logged(); !strings.Contains(log, line) || !strings.Contains(log, `"shop"`) {
		t.Errorf("the log does not say %q and name the page:\n%s", line, log)
	}
}

// S13: with a rate limit, a bulk costs as many requests as it has items.
func TestS13TheRateLimitCountsItems(t *testing.T) {
	t.Parallel()
	in := service.NewDeployment(t, "FOOTFALL_RATE_LIMIT=100/h").Start()
	bulk := "[" + strings.Repeat(`{"page_id":"shop"},`, 199) + `{"page_id":"shop"}]`
	service.MustSend(t, "POST", in.Public+"/visits", bulk).Want(t, http.StatusOK, "success")
	service.MustSend(t, "POST", in.Public+"/visits", bulk).Want(t, http.StatusTooManyRequests, "rate_limited")
	in.Administer(http.MethodGet, "/pages", "").Want(t, http.StatusOK, `"count":200`)
}
