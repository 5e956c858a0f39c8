package kafka_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"footfall/adapters/kafka"
	"footfall/domain/publishing"
	"footfall/test/check"
	"footfall/test/conformance"
	"footfall/test/kafkatest"
	"footfall/test/sinktest"
)

func TestPublisherIsAPublisher(t *testing.T) {
	t.Parallel()
	conformance.TestPublisher(t, func(t *testing.T) conformance.PublisherHarness {
		b := broker(t, kafkatest.Options{})
		p, log := started(t, b.URL(topic))
		return conformance.PublisherHarness{
			Publisher: p,
			Read: func(t *testing.T) (all []publishing.Report) {
				for _, m := range b.Messages(t, topic) {
					all = append(all, sinktest.Decode(t, m.Value))
				}
				return all
			},
			Stop: func(t *testing.T) { sinktest.Stop(t, p) },
			Refuse: func(t *testing.T) func() {
				b.Refuse()
				// What is sent before the loss is noticed is refused after 5 s.
				sinktest.WaitFor(t, "the loss is noticed", func() bool { return strings.Contains(log.String(), "kafka is away") })
				return func() { check.Must(t, b.Accept()) }
			},
			// The broker takes the report, and says that it may not have done so.
			Doubt: func(t *testing.T) func() { return b.Refusing(t, kerr.RequestTimedOut) },
			Hang:  func(*testing.T) func() { b.Stall(); return b.Resume },
		}
	})
}

// The record has what is documented, and nothing else.
func TestTheRecordIsThatOfTheContract(t *testing.T) {
	t.Parallel()
	b := broker(t, kafkatest.Options{})
	var acks []int16
	b.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
		b.KeepControl()
		acks = append(acks, r.(*kmsg.ProduceRequest).Acks) // one goroutine of the fake broker
		return nil, nil, false
	})
	p, _ := started(t, b.URL(topic))
	began := time.Now().Truncate(time.Millisecond)
	check.Must(t, sinktest.Publish(t, p, 5))
	all := b.Messages(t, topic)
	if len(all) != 1 {
		t.Fatalf("%d records", len(all))
	}
	m := all[0]
	check.Equal(t, string(m.Key), "footfall_5", "the key")
	const body = `{"id":"footfall_5","window_start":"2026-11-22T10:05:00Z","window_end":"2026-11-22T10:06:00Z","count":5}`
	check.Equal(t, string(m.Value), body, "the value")
	var headers []string
	for _, h := range m.Headers {
		headers = append(headers, h.Key+"="+string(h.Value))
	}
	check.Equal(t, strings.Join(headers, " "), "type=footfall.unique_ids.v1 app_id=footfall content_type=application/json", "the headers")
	if m.Timestamp.Before(began) || m.Timestamp.After(time.Now()) {
		t.Errorf("the timestamp is %v", m.Timestamp)
	}
	if m.ProducerID < 0 {
		t.Error("the producer is not idempotent")
	}
	if len(acks) != 1 || acks[0] != -1 {
		t.Errorf("acks of %v, want -1: all replicas in sync", acks)
	}
}

// The key decides the partition: repetitions of a report are in one, in order.
func TestRepetitionsAreInOnePartition(t *testing.T) {
	t.Parallel()
	b := kafkatest.Start(t, kafkatest.Options{})
	b.Create(t, topic, 5)
	p, _ := started(t, b.URL(topic))
	other, _ := started(t, b.URL(topic))
	for i := range 20 {
		check.Must(t, sinktest.Publish(t, p, i))
		check.Must(t, sinktest.Publish(t, other, i))
	}
	partition, used := make(map[string]int32), make(map[int32]bool)
	for _, m := range b.Messages(t, topic) {
		if at, ok := partition[string(m.Key)]; ok && at != m.Partition {
			t.Errorf("%s is in the partitions %d and %d", m.Key, at, m.Partition)
		}
		partition[string(m.Key)], used[m.Partition] = m.Partition, true
	}
	if len(partition) != 20 || len(used) < 2 {
		t.Errorf("%d reports in %d partitions, want 20 in several", len(partition), len(used))
	}
}

// A report whose acknowledgement is lost is sent again, and is there once.
func TestALostAcknowledgementRepeatsNothing(t *testing.T) {
	t.Parallel()
	b := broker(t, kafkatest.Options{})
	p, _ := started(t, b.URL(topic))
	check.Must(t, sinktest.Publish(t, p, 0))
	requests := b.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Observe: true, Count: -1})
	want := "footfall_0"
	for i, cut := 1, false; !cut; i++ { // a look at the topic may lose its answer instead
		before := requests.Hits()
		happened, _ := b.CutReply(1)
		check.Must(t, sinktest.Publish(t, p, i))
		<-happened
		want += " " + sinktest.Report(i).ID
		cut = requests.Hits() == before+2
	}
	taken := b.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.RequestTimedOut}) // and the report is there
	check.Must(t, sinktest.Publish(t, p, 99))
	check.Equal(t, taken.Hits(), 1, "answers that say that it may not be there")
	check.Equal(t, ids(t, b), want+" footfall_99", "the topic")
}

// A topic that is missing is a clear refusal. It is not created, and found as soon as it is.
func TestAMissingTopicIsRefusedAndNotCreated(t *testing.T) {
	t.Parallel()
	b := kafkatest.Start(t, kafkatest.Options{})
	p, log := started(t, b.URL(topic))
	err := sinktest.Publish(t, p, 1)
	sinktest.MustRefuse(t, err, `topic "counts" does not exist, create it`)
	if away := p.Away(); away == nil || !strings.Contains(away.Err.Error(), "does not exist") {
		t.Errorf("it is away because of %+v", away)
	}
	sinktest.WaitFor(t, "several looks", func() bool {
		return sinktest.Publish(t, p, 1) != nil && log.Lines("kafka is away", "does not exist") == 1
	})
	if b.TopicInfo(topic) != nil {
		t.Fatal("the topic was created")
	}
	b.Create(t, topic, 1)
	sinktest.Recovers(t, p, 2)
	check.Equal(t, ids(t, b), "footfall_2", "the topic")
	check.Equal(t, log.Lines("kafka is away"), 1, "lines that it is away")
}

// A topic that is deleted under the publisher, and one that has the name later.
func TestATopicThatIsDeletedIsRefusedUntilItIsBack(t *testing.T) {
	t.Parallel()
	b := broker(t, kafkatest.Options{})
	p, _ := started(t, b.URL(topic))
	unused, log := started(t, b.URL(topic))
	check.Must(t, sinktest.Publish(t, p, 1))
	sinktest.WaitFor(t, "it is connected", func() bool { return log.Lines("kafka is connected") > 0 })
	check.Must(t, b.DeleteTopic(topic))
	sinktest.MustRefuse(t, sinktest.Publish(t, unused, 2), "does not exist")
	sinktest.MustRefuse(t, sinktest.Publish(t, p, 2), "does not exist")
	sinktest.MustRefuse(t, sinktest.Publish(t, p, 3), "does not exist")
	if b.TopicInfo(topic) != nil {
		t.Fatal("the topic was created")
	}
	b.Create(t, topic, 1)
	sinktest.Recovers(t, p, 4)
	check.Equal(t, ids(t, b), "footfall_4", "the topic")
}

// What a broker refuses for now is tried again, and refused with the broker's reason. The
// session goes on.
func TestARefusalHasTheReasonOfTheBroker(t *testing.T) {
	t.Parallel()
	b := broker(t, kafkatest.Options{})
	p, log := started(t, b.URL(topic))
	check.Must(t, sinktest.Publish(t, p, 1))
	once := b.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotLeaderForPartition, Count: 1})
	check.Must(t, sinktest.Publish(t, p, 2), "while the leader changes")
	check.Equal(t, once.Hits(), 1, "answers of the former leader")
	for _, reason := range []*kerr.Error{kerr.NotEnoughReplicas, kerr.MessageTooLarge, kerr.TopicAuthorizationFailed, kerr.PolicyViolation} {
		end := b.Refusing(t, reason)
		sinktest.WaitFor(t, "it is refused", func() bool { // a session may have been lost before
			err := sinktest.Publish(t, p, 3)
			check.Is(t, err, publishing.ErrRefused, "the report")
			return strings.Contains(err.Error(), reason.Message)
		})
		if away := p.Away(); away == nil || !strings.Contains(away.Err.Error(), reason.Message) {
			t.Errorf("after %v it is away because of %+v", reason, away)
		}
		end()
		sinktest.Recovers(t, p, 4)
		if away := p.Away(); away != nil {
			t.Errorf("it takes reports, and says %+v", away)
		}
	}
	if strings.Contains(ids(t, b), "footfall_3") {
		t.Errorf("the topic has %s", ids(t, b))
	}
	_, after, _ := strings.Cut(log.String(), "NOT_ENOUGH_REPLICAS")
	if lines := strings.SplitN(after, "\n", 3); len(lines) < 3 || strings.Contains(lines[1], "is connected") {
		t.Errorf("a refusal for now has ended the session:\n%s", log)
	}
}

// A report that one broker has not answered is in doubt, whatever is answered later.
func TestAReportWithoutAnAnswerIsInDoubt(t *testing.T) {
	t.Parallel()
	b := broker(t, kafkatest.Options{})
	p, _ := started(t, b.URL(topic))
	check.Must(t, sinktest.Publish(t, p, 1))
	seen := 0
	b.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		if seen++; seen == 1 {
			return nil, context.Canceled, true // the connection ends
		}
		return nil, nil, false
	})
	defer b.Refusing(t, kerr.NotEnoughReplicas)()
	err := sinktest.Publish(t, p, 2)
	check.Says(t, err, "in doubt")
	check.Equal(t, seen, 1, "requests without an answer")
}

func TestStopEndsAllThatRuns(t *testing.T) {
	b := broker(t, kafkatest.Options{})
	before := goleak.IgnoreCurrent()
	for _, url := range []string{b.URL(topic), "kafka://127.0.0.1:1/counts"} {
		p := kafka.New(check.Value(kafka.ParseURL(url))(t), slog.New(slog.DiscardHandler))
		check.Is(t, p.Publish(t.Context(), sinktest.Report(1)), publishing.ErrRefused, "before the start")
		check.Must(t, p.Start(t.Context()))
		check.Must(t, p.Start(t.Context()))
		_ = sinktest.Publish(t, p, 1)
		sinktest.Stop(t, p)
		sinktest.Stop(t, p)
		check.Must(t, p.Start(t.Context()))
		sinktest.MustRefuse(t, sinktest.Publish(t, p, 2), "it was stopped")
	}
	sinktest.Stop(t, kafka.New(kafka.Options{}, nil)) // without a start
	b.Refuse()                                        // the proxy's goroutines
	check.Must(t, goleak.Find(before))
}
