package request_test

import (
	"testing"

	"footfall/adapters/httpapi/problem"
	"footfall/adapters/httpapi/request"
)

// Names that differ only in what encoding/json replaces by U+FFFD are two names,
// and neither is the one that U+FFFD spells.
func TestABadFieldOfABulkFailsItsItemAlone(t *testing.T) {
	for body, code := range map[string]string{
		`{"page_id":"x\udcff"}`:                "bad_page_id",
		`{"page_id":"\ufffd\udcff"}`:           "bad_page_id",
		`{"page_id":"\ufffdx\ud83d"}`:          "bad_page_id",
		`{"page_id":"a","dryrun":true}`:        "bad_item",
		`{"page_id":"a","count":1,"count":1}`:  "bad_item",
		"{\"page_id\":\"\xff\"}":               "bad_item",
		`{"page_id":"a","count":2,"Count":3}`:  "bad_item",
		`{"count":"1","page_id":"a"}`:          "bad_count",
		`{"page_id":{"page_id":"a"}}`:          "bad_page_id",
		`{"page_id":"a","count":{"count":99}}`: "bad_count",
	} {
		for _, bulk := range []string{`[{"page_id":"first"},` + body + `,{"page_id":"last"}]`, "{\"page_id\":\"first\"}\n" + body + "\n{\"page_id\":\"last\"}"} {
			items, err := request.Visits([]byte(bulk))
			if err != nil || len(items) != 3 {
				t.Errorf("%s: %d items, %v", bulk, len(items), err)
				continue
			}
			if items[0].Err != nil || items[0].Page != "first" || items[2].Err != nil || items[2].Page != "last" {
				t.Errorf("%s: its neighbours are %+v and %+v", bulk, items[0], items[2])
			}
			if got := problem.Of(items[1].Err, false); items[1].Err == nil || got.Code != code {
				t.Errorf("%s: %+v, want %s", bulk, items[1], code)
			}
		}
	}
}
