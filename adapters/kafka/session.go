package kafka

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"footfall/adapters/brokerlink"
	"footfall/domain/publishing"
)

const (
	// requestTime bounds each write, and the wait for each answer, of one broker.
	requestTime = 3 * time.Second
	// shortestAge is the age at which the library asks again who leads a partition.
	shortestAge = 200 * time.Millisecond
	// publishTime bounds a Publish whose context does not end.
	publishTime = 5 * time.Second
	// lookTime is the interval of looks at the topic, which notice an outage.
	lookTime = 5 * time.Second
	// resends is how often a record is sent again that a broker has refused for now. With
	// the pauses of resendPause they take 3.5 s.
	resends = 6
	// retries is how often any other request is sent again, to other brokers if there are
	// some. Their pauses take 1.5 s.
	retries = 4
)

// session is a client of a cluster that has the topic. It is for one producer at a time; an
// outage, a report in doubt and a missing topic end it. The producer's id ends with it: only
// within a session can brokers tell that a record is there already.
type session struct {
	options Options
	client  *kgo.Client
	lost    atomic.Pointer[error] // why the session is unusable, if Wait has found it
	// connectError is why a connection did not come about, of the last one that was tried;
	// the library retries, and reports no more than that time is up.
	connectError atomic.Pointer[error]
	// sent and answered are the produce requests of the present record.
	sent, answered atomic.Int64
}

// open returns a session with a cluster that answers and has the topic. It takes at most
// brokerlink.SetupTime, and ends when ctx does.
func open(ctx context.Context, o Options) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, brokerlink.SetupTime)
	defer cancel()
	s := &session{options: o}
	settings := []kgo.Opt{
		kgo.SeedBrokers(o.Addrs...), kgo.ClientID("footfall"), kgo.Dialer(s.dial), kgo.WithHooks(s), kgo.DisableClientMetrics(),
		kgo.RequestTimeoutOverhead(requestTime), kgo.ProduceRequestTimeout(requestTime),
		kgo.RetryBackoffFn(resendPause), kgo.RequestRetries(retries), kgo.MetadataMinAge(shortestAge), // a new leader is found within a Publish
		kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerLinger(0), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.MaxBufferedRecords(1),
		kgo.RecordRetries(resends), kgo.UnknownTopicRetries(0),
	}
	if m := mechanisms(o)[o.Mechanism]; m != nil {
		settings = append(settings, kgo.SASL(m))
	}
	var err error
	if s.client, err = kgo.NewClient(settings...); err != nil {
		return nil, err
	}
	if err = s.setUp(ctx); err != nil {
		s.client.Close()
		return nil, err
	}
	return s, nil
}

// setUp finds the topic at one of the brokers of the URL, and again by the addresses that the
// cluster has given.
func (s *session) setUp(ctx context.Context) error {
	at, err := s.askAny(ctx, s.options.Addrs, s.client.SeedBrokers())
	if err != nil {
		return err
	}
	// The others may be silent.
	if err := s.client.UpdateSeedBrokers(s.options.Addrs[at]); err != nil {
		return err
	}
	found, err := s.look(ctx, s.client.Request)
	if err != nil {
		return err
	}
	var addrs []string
	var brokers []*kgo.Broker
	for _, b := range found.Brokers {
		addrs = append(addrs, net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port))))
		brokers = append(brokers, s.client.Broker(int(b.NodeID)))
	}
	if _, err := s.askAny(ctx, addrs, brokers); err != nil {
		return fmt.Errorf("by the address that the cluster gives: %w", err)
	}
	if _, _, err := s.client.ProducerID(ctx); err != nil {
		return fmt.Errorf("ask for a producer's id: %w", s.explain(err))
	}
	return nil
}

// OnBrokerConnect notes why there is no connection.
func (s *session) OnBrokerConnect(_ kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	if err == nil {
		s.connectError.Store(nil)
		return
	}
	s.connectError.Store(&err)
}

// OnBrokerWrite counts the produce requests that may have reached a broker.
func (s *session) OnBrokerWrite(_ kgo.BrokerMetadata, key int16, n int, _, _ time.Duration, _ error) {
	if key == int16(kmsg.Produce) && n > 0 {
		s.sent.Add(1)
	}
}

// OnBrokerRead counts the produce requests that were answered.
func (s *session) OnBrokerRead(_ kgo.BrokerMetadata, key int16, _ int, _, _ time.Duration, err error) {
	if key == int16(kmsg.Produce) && err == nil {
		s.answered.Add(1)
	}
}

// Wait implements brokerlink.Link. It looks at the topic now and then.
func (s *session) Wait(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(lookTime):
			bounded, cancel := context.WithTimeout(ctx, brokerlink.SetupTime)
			_, err := s.look(bounded, s.client.Request)
			if err != nil && bounded.Err() != nil {
				err = fmt.Errorf("%w: %w", brokerlink.ErrNotReached, err)
			}
			cancel()
			if err != nil {
				s.lost.Store(&err)
				return err
			}
		}
	}
}

// Close implements brokerlink.Link.
func (s *session) Close() { s.client.Close() }

// Publish implements brokerlink.Link. A report in doubt ends the session, and so does what a
// broker refuses for more than a moment.
func (s *session) Publish(ctx context.Context, r publishing.Report) brokerlink.Outcome {
	certain, err := s.publish(ctx, &kgo.Record{
		Topic: s.options.Topic, Key: []byte(r.ID), Value: r.Body(), Timestamp: time.Now(),
		Headers: []kgo.RecordHeader{
			{Key: "type", Value: []byte(publishing.ReportType)},
			{Key: "app_id", Value: []byte(r.Deployment())},
			{Key: "content_type", Value: []byte("application/json")},
		},
	})
	if lost := s.lost.Load(); lost != nil && errors.Is(err, kgo.ErrClientClosed) {
		err = *lost
	}
	return brokerlink.Outcome{Err: err, InDoubt: err != nil && !certain, Over: err != nil && (!certain || !isTransient(err))}
}

// publish sends one record until all replicas in sync have it, ctx ends or publishTime is
// over. certain means that no broker has taken the record that failed, and none will.
func (s *session) publish(ctx context.Context, record *kgo.Record) (certain bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, publishTime)
	defer cancel()
	s.sent.Store(0)
	s.answered.Store(0)
	outcome := make(chan error, 1)
	// The library must not decide by the context: no error of its tells whether the record
	// is on its way.
	s.client.Produce(context.WithoutCancel(ctx), record, func(_ *kgo.Record, err error) { outcome <- err })
	select {
	case err := <-outcome:
		return s.certain(err), s.explain(err)
	case <-ctx.Done():
		return false, fmt.Errorf("no acknowledgement: %w", s.explain(ctx.Err()))
	}
}

// certain tells whether no broker has taken the record that failed with an error, and none
// will. After REQUEST_TIMED_OUT or NOT_ENOUGH_REPLICAS_AFTER_APPEND, which say neither, the
// library sends the record again without end; only a final error ends that.
func (s *session) certain(err error) bool {
	sent := s.sent.Load()
	var said *kerr.Error
	switch {
	case sent == 0:
		return true
	case s.answered.Load() < sent || !errors.As(err, &said):
		return false
	default:
		return sent == 1 || isTransient(err)
	}
}

// isTransient tells whether a broker has refused a record for a reason that may pass.
func isTransient(err error) bool {
	return kerr.IsRetriable(err) && !errors.Is(err, kerr.UnknownTopicOrPartition) && !errors.Is(err, kerr.UnknownTopicID)
}
