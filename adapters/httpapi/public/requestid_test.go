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
