package public_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"footfall/domain/counting"
	"footfall/test/check"
	"footfall/test/httpcheck"
)

// answered is a result as an encoder writes it.
type answered struct {
	PageID string `json:"page_id"`
	Status string `json:"status,omitempty"`
	Visits *int64 `json:"visits,omitempty"`
	Via    string `json:"served_via,omitempty"`
	Error  string `json:"error,omitempty"`
	Detail string `json:"detail,omitempty"`
}

// Answers are written by hand. They have the bytes that encoding/json makes of the same results.
func TestAnswersHaveTheBytesOfAnEncoder(t *testing.T) {
	names := []string{"home", "ä😀", `a"b\c/d`, "<a>&'b'", "\u2028\u2029", "\ufffd", "\u00a0", strings.Repeat("ä", 128), strings.Repeat("<", 256), "refused"}
	for c := ' '; c <= '~'; c++ {
		names = append(names, string(c))
	}
	f := newTallies()
	f.errs["refused"] = httpcheck.Inner(counting.Overflow)
	handler := newRig(t, withTallies(f)).handler
	one := int64(1)
	var sent, writes, reads []answered
	for _, name := range names {
		write, read := answered{PageID: name, Status: "success"}, answered{PageID: name, Visits: &one, Via: "redis_7070"}
		if name == "refused" {
			const code, detail = "overflow", "The count would pass 2^63-1; it was left as it is."
			write, read = answered{PageID: name, Status: "failed", Error: code, Detail: detail}, answered{PageID: name, Error: code, Detail: detail}
		}
		sent, writes, reads = append(sent, answered{PageID: name}), append(writes, write), append(reads, read)
	}
	encoded := func(results []answered) string {
		return string(check.Value(json.Marshal(map[string]any{"results": results}))(t))
	}
	body := check.Value(json.Marshal(sent))(t)
	check.Equal(t, httpcheck.Send(t, handler, "POST", "/visits", string(body)).Body.String(), encoded(writes), "the answer to a bulk")
	query := url.Values{"page_id": names}.Encode()
	check.Equal(t, httpcheck.Send(t, handler, "GET", "/visits?"+query, "").Body.String(), encoded(reads), "the answer to a read")
}
