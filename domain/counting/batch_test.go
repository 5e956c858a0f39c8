package counting_test

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"footfall/domain/counting"
	"footfall/test/check"
)

// The node has applied batches up to 5, is fenced at epoch 3 and has opened
// epoch 3, or 2 while a change is under way. The rows are in the order of the
// protocol: what an earlier row says goes before what a later one would.
func TestAdmitDecidesInTheOrderOfTheProtocol(t *testing.T) {
	refused := []counting.Refusal{{Item: 2, Reason: counting.Overflow}}
	last := counting.Applied{Seq: 5, Refused: refused}
	same, older := &counting.Receipt{Duplicate: true, Refused: refused}, &counting.Receipt{Duplicate: true}
	gap := &counting.GapError{Last: 5}
	for name, c := range map[string]struct {
		seq         int64
		epoch       counting.Epoch
		fence, open counting.Epoch
		receipt     *counting.Receipt
		err         error
	}{
		"the last batch again":               {seq: 5, epoch: 3, fence: 3, open: 3, receipt: same},
		"the last batch, of an old epoch":    {seq: 5, epoch: 1, fence: 3, open: 3, receipt: same},
		"the last batch, of a later epoch":   {seq: 5, epoch: 9, fence: 3, open: 3, receipt: same},
		"an older batch":                     {seq: 4, epoch: 3, fence: 3, open: 3, receipt: older},
		"the first batch":                    {seq: 1, epoch: 3, fence: 3, open: 3, receipt: older},
		"an older batch, of an old epoch":    {seq: 4, epoch: 1, fence: 3, open: 3, receipt: older},
		"an older batch, of a later epoch":   {seq: 4, epoch: 9, fence: 3, open: 3, receipt: older},
		"the next batch, of an old epoch":    {seq: 6, epoch: 2, fence: 3, open: 3, err: counting.ErrStale},
		"a batch too far, of an old epoch":   {seq: 8, epoch: 2, fence: 3, open: 3, err: counting.ErrStale},
		"the next batch, of a later epoch":   {seq: 6, epoch: 4, fence: 3, open: 3, err: counting.ErrAhead},
		"a batch too far, of a later epoch":  {seq: 8, epoch: 4, fence: 3, open: 3, err: counting.ErrAhead},
		"the open epoch, behind a fence":     {seq: 6, epoch: 2, fence: 3, open: 2, err: counting.ErrStale},
		"the fenced epoch, not open yet":     {seq: 6, epoch: 3, fence: 3, open: 2, err: counting.ErrAhead},
		"a batch too far, not open yet":      {seq: 7, epoch: 3, fence: 3, open: 2, err: counting.ErrAhead},
		"a batch that leaves one out":        {seq: 7, epoch: 3, fence: 3, open: 3, err: gap},
		"a batch that leaves many out":       {seq: math.MaxInt64, epoch: 3, fence: 3, open: 3, err: gap},
		"the next batch":                     {seq: 6, epoch: 3, fence: 3, open: 3},
		"the next batch, nothing opened yet": {seq: 6, epoch: 1, fence: 1, open: 0, err: counting.ErrAhead},
	} {
		t.Run(name, func(t *testing.T) {
			receipt, err := last.Admit(&counting.Batch{Seq: c.seq, Epoch: c.epoch}, c.fence, c.open)
			if !reflect.DeepEqual(receipt, c.receipt) || fmt.Sprint(err) != fmt.Sprint(c.err) {
				t.Errorf("got (%+v, %v), want (%+v, %v)", receipt, err, c.receipt, c.err)
			}
		})
	}
}

func TestAdmitOfASessionThatTheNodeDoesNotKnow(t *testing.T) {
	var none counting.Applied
	if receipt, err := none.Admit(&counting.Batch{Seq: 1, Epoch: 3}, 3, 3); receipt != nil || err != nil {
		t.Errorf("its first batch: got (%v, %v), want it applied", receipt, err)
	}
	var gap *counting.GapError
	if receipt, err := none.Admit(&counting.Batch{Seq: 2, Epoch: 3}, 3, 3); receipt != nil || !errors.As(err, &gap) || gap.Last != 0 {
		t.Errorf("its second batch: got (%v, %v), want a gap after 0", receipt, err)
	}
}

func TestSumNeverPassesTheLargestCount(t *testing.T) {
	for _, c := range []struct {
		count, n, want int64
		ok             bool
	}{
		{0, 1, 1, true},
		{2, 3, 5, true},
		{0, math.MaxInt64, math.MaxInt64, true},
		{math.MaxInt64 - 1, 1, math.MaxInt64, true},
		{math.MaxInt64 - 1, 2, math.MaxInt64 - 1, false},
		{math.MaxInt64, 1, math.MaxInt64, false},
		{1, math.MaxInt64, 1, false},
		{math.MaxInt64, math.MaxInt64, math.MaxInt64, false},
		{-5, 7, 2, true},
		{math.MinInt64, math.MaxInt64, -1, true},
	} {
		if sum, ok := counting.AddChecked(c.count, c.n); sum != c.want || ok != c.ok {
			t.Errorf("%d + %d: got (%d, %v), want (%d, %v)", c.count, c.n, sum, ok, c.want, c.ok)
		}
	}
}

func TestLenCountsVisitsAndArrivals(t *testing.T) {
	b := counting.Batch{Visits: make([]counting.Visit, 3), IDEvents: make([]counting.IDEvent, 2)}
	if b.Len() != 5 || new(counting.Batch).Len() != 0 {
		t.Errorf("got %d and %d, want 5 and 0", b.Len(), new(counting.Batch).Len())
	}
}

func TestEveryReasonHasWordsOfItsOwn(t *testing.T) {
	seen := make(map[string]bool)
	for r := counting.Overflow; r <= counting.Moving; r++ {
		if words := r.Error(); seen[words] || strings.Contains(words, "the reason") {
			t.Errorf("reason %d says %q", r, words)
		} else {
			seen[words] = true
		}
	}
	check.Equal(t, counting.Reason(99).Error(), "refused for the reason 99", "the text of an unknown reason")
}

// A caller that asks only whether a call had no effect may ask for
// ErrNotApplied.
func TestAClosedNodeAppliesNothing(t *testing.T) {
	if !errors.Is(counting.ErrClosed, counting.ErrNotApplied) {
		t.Error("ErrClosed doesn't wrap ErrNotApplied")
	}
}

func TestDeliveredIsAnyStatusFrom200To299(t *testing.T) {
	for status, want := range map[int]bool{0: false, 199: false, 200: true, 204: true, 299: true, 300: false, 410: false, 500: false} {
		check.Equal(t, (counting.Delivery{Status: status}).Delivered(), want, "is status %d delivered", status)
	}
}
