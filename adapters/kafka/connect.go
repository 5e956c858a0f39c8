package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"footfall/adapters/brokerlink"
)

// mechanisms are those of SASL, by their names.
func mechanisms(o Options) map[string]sasl.Mechanism {
	byPassword := scram.Auth{User: o.User, Pass: o.Password}
	return map[string]sasl.Mechanism{
		"PLAIN":         plain.Auth{User: o.User, Pass: o.Password}.AsMechanism(),
		"SCRAM-SHA-256": byPassword.AsSha256Mechanism(),
		"SCRAM-SHA-512": byPassword.AsSha512Mechanism(),
	}
}

// resendPause is the pause before a request is sent again.
func resendPause(attempt int) time.Duration {
	return min(50*time.Millisecond<<min(attempt, 10), time.Second)
}

// dial connects to a broker, and begins TLS.
func (s *session) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", brokerlink.ErrNotReached, err)
	}
	if s.options.TLS == nil {
		return conn, nil
	}
	host, _, _ := net.SplitHostPort(addr)
	config, err := s.options.TLS.Config(host)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	secured := tls.Client(conn, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("begin TLS: %w", err)
	}
	return secured, nil
}

// askAny asks all brokers for the topic at the same time, and returns the first that has it. The
// error has the reason for each.
func (s *session) askAny(ctx context.Context, addrs []string, brokers []*kgo.Broker) (at int, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type answer struct {
		at  int
		err error
	}
	answers := make(chan answer, len(brokers))
	for at, b := range brokers {
		go func() {
			_, err := s.look(ctx, b.Request)
			answers <- answer{at, err}
		}()
	}
	reasons := make([]error, len(brokers))
	for range brokers {
		a := <-answers
		if a.err == nil {
			return a.at, nil
		}
		reasons[a.at] = a.err
	}
	if len(reasons) == 1 {
		return 0, reasons[0]
	}
	for at, reason := range reasons {
		reason = fmt.Errorf("%s: %w", addrs[at], reason)
		if err != nil {
			reason = fmt.Errorf("%w; %w", err, reason)
		}
		err = reason
	}
	return 0, err
}

// look asks for the topic, which is not created. It is an error if no partition of it has
// a leader.
func (s *session) look(ctx context.Context, ask func(context.Context, kmsg.Request) (kmsg.Response, error)) (*kmsg.MetadataResponse, error) {
	req := kmsg.NewPtrMetadataRequest()
	topic := kmsg.NewMetadataRequestTopic()
	topic.Topic = &s.options.Topic
	req.Topics, req.IncludeTopicAuthorizedOperations = append(req.Topics, topic), true
	answer, err := ask(ctx, req)
	if err != nil {
		return nil, s.explain(err)
	}
	found, ok := answer.(*kmsg.MetadataResponse)
	if !ok || len(found.Topics) != 1 || len(found.Brokers) == 0 {
		return nil, errors.New("the broker's answer has not the topic, or no broker")
	}
	if err := kerr.ErrorForCode(found.Topics[0].ErrorCode); err != nil {
		return nil, s.explain(err)
	}
	for _, p := range found.Topics[0].Partitions {
		if p.Leader >= 0 {
			return found, nil
		}
	}
	return nil, fmt.Errorf("no partition of topic %q has a leader", s.options.Topic)
}

// explain returns an error that says what to do. Errors of a login are not quoted, because
// they may name the user.
func (s *session) explain(err error) error {
	last := s.connectError.Load()
	switch {
	case errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.UnknownTopicID):
		return fmt.Errorf("topic %q does not exist, create it: %w", s.options.Topic, err)
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		return fmt.Errorf("permit the user to describe and to write topic %q: %w", s.options.Topic, err)
	case errors.Is(err, kerr.ClusterAuthorizationFailed):
		return fmt.Errorf("permit the user the idempotent write on the cluster: %w", err)
	case errors.Is(err, kerr.SaslAuthenticationFailed):
		return errors.New("user or password is wrong, or the user has none for this mechanism: SASL_AUTHENTICATION_FAILED")
	case last != nil && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)):
		return errors.New("the broker closed a new connection, as it does when user, password or mechanism is wrong, or TLS is missing")
	case last != nil && !errors.Is(err, *last) && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, kgo.ErrRecordRetries)):
		return fmt.Errorf("%w: %w", err, s.explain(*last))
	default:
		return err
	}
}
