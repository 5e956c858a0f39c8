package public_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"footfall/test/check"
	"footfall/test/httpcheck"
)

func TestALoggedRequestHasTheIDOfItsAnswer(t *testing.T) {
	f := newTallies()
	f.errs["strange"] = httpcheck.Inner(errors.New("anything else"))
	logged := regexp.MustCompile(`request_id=(\S+)`)
	for given, kept := range map[string]bool{
		"": false, "abc-1.2_X": true, strings.Repeat("x", 64): true,
		strings.Repeat("x", 65): false, "two words": false, "x\ny": false, `"`: false,
	} {
		for _, target := range []string{"/visits/strange", "/visits?page_id=strange&page_id=home"} {
			r := newRig(t, withTallies(f))
			id := httpcheck.Send(t, r.handler, "GET", target, "", "X-Request-Id", given).Header().Get("X-Request-Id")
			if match := logged.FindStringSubmatch(r.log.String()); match == nil || match[1] != id || id == "" || (id == given) != kept {
				t.Errorf("%s with %q: the answer has %q, the log %s", target, given, id, r.log)
			}
		}
	}
	r := newRig(t, withTallies(f))
	check.Equal(t, httpcheck.Send(t, r.handler, "GET", "/visits/home", "").Header().Get("X-Request-Id"), "", "the id of a request that is not logged")
}

func TestALoggedRequestHasTheTraceOfItsCaller(t *testing.T) {
	f := newTallies()
	f.errs["strange"] = httpcheck.Inner(errors.New("anything else"))
	const trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	for given, want := range map[string]bool{
		"00-" + trace + "-" + parent + "-01":      true,
		"cc-" + trace + "-" + parent + "-00-more": true,
		"": false,
		"00-" + trace + "-" + parent + "-01-more":              false,
		"ff-" + trace + "-" + parent + "-01":                   false,
		"00-" + strings.ToUpper(trace) + "-" + parent + "-01":  false,
		"00-" + strings.Repeat("0", 32) + "-" + parent + "-01": false,
		"00-" + trace + "-" + strings.Repeat("0", 16) + "-01":  false,
		"00-" + trace[1:] + "-" + parent + "-01":               false,
		"00-" + strings.Repeat("x", 32) + "-" + parent + "-01": false,
		"00-" + trace + "-" + parent:                           false,
		"00-" + trace + "\" admin=true-" + parent + "-01":      false,
	} {
		r := newRig(t, withTallies(f))
		httpcheck.Send(t, r.handler, "GET", "/visits/strange", "", "traceparent", given)
		check.Equal(t, strings.Contains(r.log.String(), " trace_id="+trace+" "), want, "the log has the trace of %q: %s", given, r.log)
		check.Equal(t, strings.Contains(r.log.String(), "trace_id"), want, "any trace of %q", given)
	}
}
