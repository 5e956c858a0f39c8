package nats_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"footfall/test/check"
	"footfall/test/servers"
	"footfall/test/sinktest"
)

// A stream with replicas has an id in process until most of them have it. A report that is
// sent again meanwhile is stored once, and confirmed when they have it.
func TestAReplicatedStreamStoresAReportInProcessOnce(t *testing.T) {
	t.Parallel()
	all := servers.StartNATSCluster(t, 3)
	const subject = "counts.minutes"
	all[0].AddStream(t, subject, jetstream.StreamConfig{Replicas: 3})
	lead, followers := leader(t, all)
	p, _ := started(t, lead.URL(lead.Addr, subject))
	sinktest.MustPublish(t, p, 1)
	_, js := lead.Connect(t)
	inProcess, last := false, 1
	for !inProcess { // a leader that is alone for 10 s is none any more
		last++
		for _, s := range followers {
			freeze(t, s)
		}
		mustDoubtWithin(t, p, last, time.Second)
		m := &natsgo.Msg{Subject: subject, Data: sinktest.Report(last).Body()}
		_, err := js.PublishMsg(t.Context(), m, jetstream.WithMsgID(sinktest.Report(last).ID))
		var said *jetstream.APIError
		inProcess = errors.As(err, &said) && said.ErrorCode == 10158
		ended := make(chan error, 1)
		go func() { ended <- sinktest.Publish(t, p, last) }() // while it is in process
		for _, s := range followers {
			s.Thaw()
		}
		if err := <-ended; err != nil {
			t.Log(err) // the leader changed
		}
		sinktest.Recovers(t, p, last)
	}
	var want []int
	for i := range last {
		want = append(want, i+1)
	}
	wantReports(t, lead, subject, want...)
}

// leader returns the server that leads the only stream, and the others.
func leader(t *testing.T, all []*servers.NATS) (lead *servers.NATS, followers []*servers.NATS) {
	t.Helper()
	_, js := all[0].Connect(t)
	name := check.Value(js.Stream(t.Context(), "counts_minutes"))(t).CachedInfo().Cluster.Leader
	for i, s := range all {
		if name == fmt.Sprint("s", i) {
			lead = s
		} else {
			followers = append(followers, s)
		}
	}
	if lead == nil {
		t.Fatalf("the stream has the leader %q", name)
	}
	return lead, followers
}
