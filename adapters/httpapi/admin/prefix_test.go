package admin_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/golang/mock/gomock"

	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/mock"
)

// S5: a step deletes the listed pages whose names begin with the prefix, at most 1,000
// together. A dry run deletes none. A refusal of one page refuses the step.
func TestS5AStepDeletesPagesByTheirPrefix(t *testing.T) {
	var many []counting.Visit
	for i := range 1001 {
		many = append(many, counting.Visit{Page: counting.Page(fmt.Sprint("spam/", i)), Count: 1})
	}
	some := []counting.Visit{{Page: "home", Count: 1}, {Page: "spam/1", Count: 2}, {Page: "a/spam/", Count: 3}, {Page: "spam/2", Count: -1}, {Page: "spam", Count: 1}}
	deletes := func(m *mock.MockPages, pages int, err error) {
		m.EXPECT().SetAll(gomock.Any(), gomock.Len(pages)).DoAndReturn(func(_ any, settings []counting.SetCount) []error {
			for _, s := range settings {
				if !s.Delete || !strings.HasPrefix(string(s.Page), "spam/") {
					t.Errorf("%+v", s)
				}
			}
			errs := make([]error, pages)
			errs[0] = err
			return errs
		})
	}
	for _, c := range []struct {
		name, body string
		expect     func(*mock.MockPages)
		status     int
		want       string
	}{
		{"a step", `{"prefix":"spam/","cursor":"here"}`, func(m *mock.MockPages) {
			m.EXPECT().List(gomock.Any(), "here").Return(some, "there", nil)
			deletes(m, 2, nil)
		}, 200, `{"pages":2,"deleted":2,"next":"there"}`},
		{"a dry run", `{"prefix":"spam/","dry_run":true}`, func(m *mock.MockPages) {
			m.EXPECT().List(gomock.Any(), "").Return(some, "", nil)
		}, 200, `{"pages":2,"deleted":0,"next":""}`},
		{"many pages", `{"prefix":"spam/"}`, func(m *mock.MockPages) {
			m.EXPECT().List(gomock.Any(), "").Return(many, "", nil)
			deletes(m, 1000, nil)
			deletes(m, 1, nil)
		}, 200, `{"pages":1001,"deleted":1001,"next":""}`},
		{"a page that moves", `{"prefix":"spam/"}`, func(m *mock.MockPages) {
			m.EXPECT().List(gomock.Any(), "").Return(some, "", nil)
			deletes(m, 2, counting.Moving)
		}, 503, `"code":"moving"`},
		{"a change of the ring", `{"prefix":"spam/"}`, func(m *mock.MockPages) {
			m.EXPECT().List(gomock.Any(), "").Return(nil, "", sharding.ErrBusy)
		}, 409, `"code":"ring_busy"`},
		{"no prefix", `{"cursor":""}`, nil, 400, `"code":"bad_prefix"`},
		{"a long prefix", `{"prefix":"` + strings.Repeat("x", 257) + `"}`, nil, 400, `"code":"bad_prefix"`},
		{"another field", `{"prefix":"spam/","dryrun":true}`, nil, 400, `"code":"bad_body"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, m := newAdmin(t, "", true)
			if c.expect != nil {
				c.expect(m.pages)
			}
			if w := administer(t, h, "POST", "/pages/delete", asJSON, c.body); w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
				t.Errorf("%d %s, want %d %s", w.Code, w.Body, c.status, c.want)
			}
		})
	}
}
