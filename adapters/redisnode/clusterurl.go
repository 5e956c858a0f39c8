package redisnode

import (
	"errors"
	"math/bits"
	"strconv"
	"strings"
)

const (
	// defaultPartitions is a good number for up to 16 masters: a batch has more items, and
	// so costs less, the fewer there are.
	defaultPartitions = 16
	maxPartitions     = 256
)

// ClusterOptions say which cluster. Addr and DB of Options are not used.
type ClusterOptions struct {
	Options
	Addrs []string // host:port, one at least
	// Partitions is a power of two, up to 256. It is part of the store: a start with
	// another number fails.
	Partitions int
}

// ParseClusterURL reads redis+cluster://[user:pass@]host:port,host:port[?name=value&...],
// and rediss+cluster:// for TLS. Ports are 6379 where they are missing. The parameters
// are those of ParseURL, and partitions.
func ParseClusterURL(text string) (ClusterOptions, error) {
	o := ClusterOptions{Partitions: defaultPartitions}
	parameters := o.parameters()
	parameters["partitions"] = func(text string) (err error) {
		o.Partitions, err = strconv.Atoi(text)
		if err != nil || o.Partitions < 1 || o.Partitions > maxPartitions || bits.OnesCount(uint(o.Partitions)) != 1 {
			return errors.New("want a power of two from 1 to 256")
		}
		return nil
	}
	hosts, err := o.parse(text, "redis+cluster", parameters)
	if err != nil {
		return ClusterOptions{}, err
	}
	if strings.Contains(hosts, "/") {
		return ClusterOptions{}, errors.New("a Redis Cluster has no database number")
	}
	all, err := o.each(hosts)
	for _, one := range all {
		o.Addrs = append(o.Addrs, one.Addr)
	}
	return o, err
}
