package faults_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"

	"footfall/test/check"
	"footfall/test/integration/service"
	"footfall/test/kafkatest"
)

const topic = "counts"

// newTopic is a publication to a topic of a broker with a login. The broker does not have
// it yet.
func newTopic(t *testing.T) (*publication, *kafkatest.Broker) {
	t.Helper()
	b := kafkatest.Start(t, kafkatest.Options{SASL: true})
	d := service.NewDeployment(t, "FOOTFALL_WINDOW=2s", "FOOTFALL_GRACE=100ms", "FOOTFALL_PUBLISHER="+b.URL(topic))
	p := &publication{Deployment: d}
	p.taken = func() map[string]service.Line {
		all := make(map[string]service.Line)
		for _, m := range b.Messages(t, topic) {
			var l service.Line
			check.Must(t, json.Unmarshal(m.Value, &l))
			if other, ok := all[l.ID]; ok && other.Count != l.Count || string(m.Key) != l.ID {
				t.Errorf("the record of %s has the count %d, and that before %d", m.Key, l.Count, other.Count)
			}
			all[l.ID] = l
		}
		return all
	}
	return p, b
}

// U3, U4, U6: the cluster is not there at the start, comes without the topic, has it, refuses
// records, is lost for two windows and more, comes back, freezes, and goes on. While it takes
// nothing the counts are in the log, and no count is in the topic twice until a replay.
func TestAKafkaClusterThatComesAndGoesLosesNoCount(t *testing.T) {
	t.Parallel()
	p, b := newTopic(t)
	b.Refuse()
	in, f := p.feeds()
	p.logGrows(2)
	in.Get("/readyz").Want(t, http.StatusOK, "kafka is away")

	check.Must(t, b.Accept())
	service.WaitFor(t, "it says that the topic is missing", func() bool { return strings.Contains(in.Logged(), "does not exist, create it") })
	p.logGrows(1)
	in.Get("/readyz").Want(t, http.StatusOK, "kafka is away")
	if b.TopicInfo(topic) != nil {
		t.Error("the topic was created")
	}
	p.recovers("the topic is there", func() error { return b.CreateTopic(topic, 3, nil) })
	in.Get("/api/verve/windows").Want(t, http.StatusOK, `"published_to":"kafka"`)
	in.Get("/readyz").Want(t, http.StatusOK, `{"status":"ready"}`)

	end := b.Refusing(t, kerr.NotEnoughReplicas)
	p.logGrows(2)
	in.Get("/readyz").Want(t, http.StatusOK, "kafka is away")
	p.recovers("it has enough replicas", func() error { end(); return nil })

	b.Refuse()
	p.logGrows(3) // one of them may have been on its way at the loss
	p.recovers("its return after two windows", b.Accept)

	b.Stall()
	p.logGrows(2)
	p.recovers("its thaw", func() error { b.Resume(); return nil })
	p.resolve(f)
	for _, why := range []string{"connection refused", "NOT_ENOUGH_REPLICAS", "no acknowledgement"} {
		if !strings.Contains(in.Logged(), why) {
			t.Errorf("nothing says %s:\n%s", why, in.Logged())
		}
	}
	kafkatest.Masked(t, in.Logged())
	check.Equal(t, in.Stop(), 0, "exit code")
	check.Equal(t, len(b.Messages(t, topic)), len(p.taken()), "records, one for each window")

	all := p.everything()
	out, err := p.Command(t.Context(), "publish", "--replay", p.CaptureLog()).CombinedOutput()
	if err != nil || !strings.Contains(string(out), " windows were sent to kafka") {
		t.Fatalf("%v: %s", err, out)
	}
	kafkatest.Masked(t, string(out))
	check.Equal(t, len(p.taken()), len(all), "windows in the topic after a replay")
}

// An acknowledgement that does not come: the window is in the topic and in the log, with one
// id and one number.
func TestAnAcknowledgementThatDoesNotComeRepeatsTheCountUnderItsID(t *testing.T) {
	t.Parallel()
	p, b := newTopic(t)
	b.Create(t, topic, 1)
	in, f := p.feeds()
	p.sinkGrows(1)
	end := b.Refusing(t, kerr.RequestTimedOut) // the broker has the record
	p.logGrows(1)
	end()
	p.sinkGrows(1)
	p.resolve(f)
	both, taken := 0, p.taken()
	for id := range p.Reports() {
		if _, ok := taken[id]; ok {
			both++
		}
	}
	if both == 0 {
		t.Errorf("no window is in topic and log:\n%s", in.Logged())
	}
	check.Equal(t, len(b.Messages(t, topic)), len(taken), "records, one for each window")
	if body := in.Metrics(); strings.Contains(body, `footfall_publish_attempts_total{outcome="unknown",publisher="kafka"} 0`) {
		t.Error("the metrics don't count the doubt")
	}
}

// A password that is wrong: the log has the counts, the service's own log one line, and the
// service is ready all the same.
func TestAWrongPasswordOfKafkaSendsCountsToTheLog(t *testing.T) {
	t.Parallel()
	p, b := newTopic(t)
	b.Create(t, topic, 1)
	p.Env = append(p.Env, "FOOTFALL_PUBLISHER="+strings.Replace(b.URL(topic), kafkatest.Password, "wrong-"+kafkatest.Password, 1))
	in, f := p.feeds()
	p.logGrows(2)
	p.resolve(f)
	in.Get("/readyz").Want(t, http.StatusOK, "kafka is away")
	check.Equal(t, strings.Count(in.Logged(), `"kafka is away"`), 1, "lines that say so")
	check.Equal(t, strings.Contains(in.Logged(), "user, password or mechanism is wrong"), true, "the log says why")
	kafkatest.Masked(t, in.Logged())
	check.Equal(t, len(p.taken()), 0, "counts in the topic")
}
