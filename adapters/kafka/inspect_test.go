package kafka_test

import (
	"log/slog"
	"math"
	"net/netip"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"footfall/adapters/kafka"
	"footfall/domain/checking"
	"footfall/test/check"
	"footfall/test/kafkatest"
	"footfall/test/servers"
	"footfall/test/sinktest"
)

func inspect(t *testing.T, url string) string {
	t.Helper()
	found := sinktest.Inspect(t, kafka.New(check.Value(kafka.ParseURL(url))(t), slog.New(slog.DiscardHandler)), kafkatest.Password)
	kafkatest.Masked(t, found)
	return found
}

// The check writes no record, and makes no topic.
func TestACheckWritesNothing(t *testing.T) {
	t.Parallel()
	b := kafkatest.Start(t, kafkatest.Options{SASL: true})
	sinktest.Finds(t, inspect(t, b.URL(topic)), checking.Fail, b.Addr, `topic "counts" does not exist, create it`)
	if b.TopicInfo(topic) != nil {
		t.Fatal("the topic was created")
	}
	b.Create(t, topic, 1)
	found := inspect(t, b.URL(topic))
	sinktest.Finds(t, found, checking.OK, b.Addr, "takes the login, and has topic")
	sinktest.Finds(t, found, checking.OK, "the user may write")
	sinktest.Finds(t, found, checking.Warn, "has one replica") // as the fake broker has
	check.Equal(t, strings.Contains(found, "fail "), false, "a sound topic fails:\n%s", found)
	check.Equal(t, len(b.Messages(t, topic)), 0, "records")
}

func TestACheckFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	b := broker(t, kafkatest.Options{SASL: true})
	down := servers.FreeAddr(t)
	found := inspect(t, strings.Replace(b.URL(topic), b.Addr, down+","+b.Addr, 1))
	sinktest.Finds(t, found, checking.Fail, down, "not reached", "connection refused")
	sinktest.Finds(t, found, checking.OK, b.Addr, "takes the login")
	wrong := strings.Replace(b.URL(topic), kafkatest.Password, "not-"+kafkatest.Password, 1)
	sinktest.Finds(t, inspect(t, wrong), checking.Fail, b.Addr, "when user, password or mechanism is wrong")
}

// A user that may write to another topic can begin a session, and is found all the same.
func TestACheckFindsAMissingRight(t *testing.T) {
	t.Parallel()
	right := func(name string, o kmsg.ACLOperation) kfake.ACL {
		return kfake.ACL{Resource: kmsg.ACLResourceTypeTopic, Name: name, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: o, Allow: true}
	}
	b := broker(t, kafkatest.Options{SASL: true, Rights: []kfake.ACL{right(topic, kmsg.ACLOperationDescribe), right("other", kmsg.ACLOperationWrite)}})
	sinktest.Finds(t, inspect(t, b.URL(topic)), checking.Fail, `the user may not write to topic "counts"`, "give it the right Write")
}

// The fake broker has one replica of everything. What it says of that is replaced.
func TestACheckComparesTheReplicasInSync(t *testing.T) {
	t.Parallel()
	b := kafkatest.Start(t, kafkatest.Options{})
	for name, least := range map[string]string{"one": "1", "two": "2", "three": "3"} {
		check.Must(t, b.CreateTopic(name, 1, map[string]string{"min.insync.replicas": least}))
	}
	b.ControlKey(int16(kmsg.Metadata), func(r kmsg.Request) (kmsg.Response, error, bool) {
		b.KeepControl()
		answer := r.ResponseKind().(*kmsg.MetadataResponse)
		at := netip.MustParseAddrPort(b.Addr)
		answer.Brokers = []kmsg.MetadataResponseBroker{{NodeID: 0, Host: at.Addr().String(), Port: int32(at.Port())}}
		for _, asked := range r.(*kmsg.MetadataRequest).Topics {
			answer.Topics = append(answer.Topics, kmsg.MetadataResponseTopic{
				Topic: asked.Topic, AuthorizedOperations: math.MinInt32,
				Partitions: []kmsg.MetadataResponseTopicPartition{{Replicas: []int32{0, 1, 2}, ISR: []int32{0, 2}}},
			})
		}
		return answer, nil, true
	})
	sinktest.Finds(t, inspect(t, b.URL("one")), checking.Warn, "min.insync.replicas=1", "set it to 2")
	found := inspect(t, b.URL("two"))
	sinktest.FindsNoFault(t, found)
	sinktest.Finds(t, found, checking.OK, "has 3 replicas, of which 2")
	sinktest.Finds(t, found, checking.OK, "shows with the first count") // whether the user may write
	sinktest.Finds(t, inspect(t, b.URL("three")), checking.Fail, "partition 0 has 2 replicas in sync, and refuses counts below 3")
}
