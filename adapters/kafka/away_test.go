package kafka_test

import (
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"footfall/test/check"
	"footfall/test/kafkatest"
	"footfall/test/servers"
	"footfall/test/sinktest"
)

// A cluster that falls silent between two reports is noticed without a report.
func TestAClusterThatFallsSilentIsNoticedWithoutAReport(t *testing.T) {
	t.Parallel()
	b := broker(t, kafkatest.Options{})
	p, _ := started(t, b.URL(topic))
	check.Must(t, sinktest.Publish(t, p, 1))
	b.Stall()
	sinktest.WaitFor(t, "it is away", func() bool { return p.Away() != nil })
	b.Resume()
	sinktest.WaitFor(t, "it is there", func() bool { return p.Away() == nil })
	sinktest.Recovers(t, p, 2)
}

// All brokers of the URL are asked at the same time: those that are down, or silent, hold up
// nothing. When none answers, the error has the reason for each.
func TestAnyBrokerOfTheURLWillDo(t *testing.T) {
	t.Parallel()
	b := broker(t, kafkatest.Options{})
	silent, down := servers.StartProxy(t, b.Direct), servers.StartProxy(t, b.Direct)
	silent.Stall()
	down.Refuse()
	p, _ := started(t, "kafka://"+silent.Addr+","+down.Addr+","+b.Addr+"/"+topic)
	check.Must(t, sinktest.Publish(t, p, 1))
	b.Refuse()
	sinktest.WaitFor(t, "all are away", func() bool { return p.Away() != nil && strings.Count(p.Away().Err.Error(), "; ") == 2 })
	sinktest.MustRefuse(t, sinktest.Publish(t, p, 2), down.Addr+": ", "connection refused", silent.Addr+": ")
	check.Must(t, down.Accept()) // it leads to the broker, whose own address is not reached
	sinktest.WaitFor(t, "the other address is named", func() bool {
		away := p.Away()
		return away != nil && strings.Contains(away.Err.Error(), "by the address that the cluster gives") && strings.Contains(away.Err.Error(), b.Addr)
	})
	check.Must(t, b.Accept())
	sinktest.Recovers(t, p, 3)
	check.Equal(t, ids(t, b), "footfall_1 footfall_3", "the topic")
}

// A topic without a leader takes nothing.
func TestATopicWithoutALeaderIsAway(t *testing.T) {
	t.Parallel()
	b := broker(t, kafkatest.Options{})
	var elected atomic.Bool
	b.ControlKey(int16(kmsg.Metadata), func(r kmsg.Request) (kmsg.Response, error, bool) {
		b.KeepControl()
		if elected.Load() {
			return nil, nil, false
		}
		answer := r.ResponseKind().(*kmsg.MetadataResponse)
		at := netip.MustParseAddrPort(b.Addr)
		answer.Brokers = []kmsg.MetadataResponseBroker{{NodeID: 0, Host: at.Addr().String(), Port: int32(at.Port())}}
		name := topic
		answer.Topics = []kmsg.MetadataResponseTopic{{Topic: &name, Partitions: []kmsg.MetadataResponseTopicPartition{
			{ErrorCode: kerr.LeaderNotAvailable.Code, Leader: -1},
		}}}
		return answer, nil, true
	})
	p, _ := started(t, b.URL(topic))
	sinktest.MustRefuse(t, sinktest.Publish(t, p, 1), `no partition of topic "counts" has a leader`)
	elected.Store(true)
	sinktest.Recovers(t, p, 2)
	check.Equal(t, ids(t, b), "footfall_2", "the topic")
}

func TestAPublisherSaysSinceWhenItsClusterIsAway(t *testing.T) {
	t.Parallel()
	b := broker(t, kafkatest.Options{SASL: true})
	p, log := started(t, b.URL(topic))
	sinktest.SaysSinceWhenItIsAway(t, p, b.Addr, b.Refuse, b.Accept)
	kafkatest.Masked(t, log.String())
}

func TestASilentBrokerIsDetected(t *testing.T) {
	t.Parallel()
	b := broker(t, kafkatest.Options{})
	b.Stall()
	p, _ := started(t, b.URL(topic))
	sinktest.DetectsSilence(t, p, b.Resume)
	check.Equal(t, ids(t, b), "footfall_2", "the topic")
}

func TestABrokerThatClosesConnectionsIsRetriedWithPauses(t *testing.T) {
	t.Parallel()
	sinktest.PausesWhenConnectionsAreClosed(t, sinktest.Sink{
		Title: "kafka",
		Start: func(t *testing.T, url string) (sinktest.Publisher, *check.Log) { return started(t, url) },
		URL:   func(addr string) string { return "kafka://" + addr + "/" + topic },
	}, 2, "kafka")
}
