package kafka

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"footfall/adapters/brokerlink"
	"footfall/domain/checking"
)

// Inspect begins a session as the service does by each broker of the URL, and looks at the topic
// by the first that has it. It creates none, and writes no record. It takes at most twice
// brokerlink.SetupTime.
func (p *Publisher) Inspect(ctx context.Context) []checking.Finding {
	var once sync.Once
	topic := checking.List{About: "kafka"}
	brokers := brokerlink.Inspect(p.options.Addrs, func(addr string) []checking.Finding {
		list := checking.List{About: "kafka at " + addr}
		alone := p.options
		alone.Addrs = []string{addr}
		begin := time.Now()
		s, err := open(ctx, alone)
		if err != nil {
			list.Add(checking.Fail, "", "%v", err)
			return list.All
		}
		defer s.Close()
		list.Add(checking.OK, "", "it takes the login, and has topic %q, within %v", s.options.Topic, time.Since(begin).Round(time.Millisecond))
		once.Do(func() { s.inspect(ctx, &topic) })
		return list.All
	})
	return append(brokers, topic.All...)
}

// inspect looks at the user's rights, the replicas of the topic, and how many of them a record
// needs.
func (s *session) inspect(ctx context.Context, list *checking.List) {
	ctx, cancel := context.WithTimeout(ctx, brokerlink.SetupTime)
	defer cancel()
	found, err := s.look(ctx, s.client.Request)
	if err != nil {
		list.Add(checking.Fail, "", "%v", err)
		return
	}
	topic := found.Topics[0]
	const write = 1 << kmsg.ACLOperationWrite
	switch {
	case topic.AuthorizedOperations < 0: // the least number, of a broker that does not know
		list.Add(checking.OK, "", "whether the user may write to topic %q shows with the first count", s.options.Topic)
	case topic.AuthorizedOperations&write == 0:
		list.Add(checking.Fail, "give it the right Write on the topic", "the user may not write to topic %q", s.options.Topic)
	default:
		list.Add(checking.OK, "", "the user may write to topic %q", s.options.Topic)
	}
	least, err := s.leastInSync(ctx)
	for _, p := range topic.Partitions {
		switch {
		case p.Leader < 0:
			list.Add(checking.Fail, "start its brokers", "partition %d has no leader, and refuses counts", p.Partition)
		case err == nil && len(p.ISR) < least:
			list.Add(checking.Fail, "start the brokers of its replicas", "partition %d has %d replicas in sync, and refuses counts below %d", p.Partition, len(p.ISR), least)
		}
	}
	switch replicas := len(topic.Partitions[0].Replicas); {
	case replicas < 2:
		list.Add(checking.Warn, "create it with --replication-factor 3, unless counts may be lost", "topic %q has one replica, so the loss of a broker loses counts", s.options.Topic)
	case err != nil:
		list.Add(checking.OK, "", "topic %q has %d replicas; its min.insync.replicas can't be read: %v", s.options.Topic, replicas, err)
	case least < 2:
		list.Add(checking.Warn, "set it to 2, unless counts may be lost", "topic %q has min.insync.replicas=1, so a count may be on one broker only", s.options.Topic)
	default:
		list.Add(checking.OK, "", "topic %q has %d replicas, of which %d have a count that is published", s.options.Topic, replicas, least)
	}
}

// leastInSync is how many replicas in sync a record needs.
func (s *session) leastInSync(ctx context.Context) (int, error) {
	const name = "min.insync.replicas"
	req := kmsg.NewPtrDescribeConfigsRequest()
	of := kmsg.NewDescribeConfigsRequestResource()
	of.ResourceType, of.ResourceName, of.ConfigNames = kmsg.ConfigResourceTypeTopic, s.options.Topic, []string{name}
	req.Resources = append(req.Resources, of)
	answer, err := req.RequestWith(ctx, s.client)
	if err != nil {
		return 0, s.explain(err)
	}
	for _, r := range answer.Resources {
		if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
			return 0, err
		}
		for _, c := range r.Configs {
			if c.Name == name && c.Value != nil {
				return strconv.Atoi(*c.Value)
			}
		}
	}
	return 0, kerr.InvalidConfig
}
