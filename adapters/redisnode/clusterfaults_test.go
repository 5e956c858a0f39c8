package redisnode_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"footfall/adapters/redisnode"
	"footfall/domain/counting"
	"footfall/test/chaos"
	"footfall/test/servers"
)

// clusterFault is one thing that goes wrong in a world. It returns when that is over.
type clusterFault func(w *clusterWorld, d *chaos.Dice)

// slotOfPartition is the middle of the partition's share of the slots.
func slotOfPartition(p int) int { return p*16384/worldPartitions + 16384/worldPartitions/2 }

// pick is any partition with pages, its slot, its master, and another master.
func (w *clusterWorld) pick(d *chaos.Dice) (p, slot int, from, to *servers.Redis) {
	for p = d.UpTo(worldPartitions); len(w.partitionPages[p]) < 2; {
		p = (p + 1) % worldPartitions
	}
	slot = slotOfPartition(p)
	from = w.cluster.Master(slot)
	for n := d.UpTo(worldPartitions); to == nil || to == from; n++ {
		to = w.cluster.Master(slotOfPartition(n % worldPartitions))
	}
	return p, slot, from, to
}

// killMaster kills a master. Its replica takes over, and what it lacks is repeated.
func killMaster(w *clusterWorld, d *chaos.Dice) {
	_, _, old, _ := w.pick(d)
	w.kill(old, w.cluster.Replicas(old)[0])
	w.revive(old)
}

// killMasterWithALag cuts the replica of a master off, and kills the master later.
func killMasterWithALag(w *clusterWorld, d *chaos.Dice) {
	_, _, old, _ := w.pick(d)
	replica := w.cluster.Replicas(old)[0]
	w.cluster.Do(old, "acl", "setuser", "default", "-psync", "-sync", "-replconf")
	w.cluster.Do(old, "client", "kill", "type", "replica")
	time.Sleep(d.Between(time.Second, 2*time.Second)) // the lag
	w.goesOn(50)
	if w.offset(old, "master_repl_offset") > w.offset(replica, "slave_repl_offset")+1000 {
		w.Counted.Add(tailLost)
	}
	w.kill(old, replica)
	w.revive(old)
}

// kill returns when the replica has taken over and has all that was acknowledged. A master
// that imports one of its slots does not learn of it.
func (w *clusterWorld) kill(old, replica *servers.Redis, without ...int) {
	w.phase.Add(1)
	old.Kill()
	w.until("a replica takes over", func() bool {
		role, _ := w.cluster.Try(replica, "role")
		return strings.Contains(fmt.Sprint(role), "master")
	})
	w.Counted.Add(masterKilled)
	w.repair(without...)
}

// revive starts a killed server again, as a replica. Nothing is missing any more.
func (w *clusterWorld) revive(old *servers.Redis) {
	if err := old.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.cluster.AwaitHealthy()
	w.repair()
	w.phase.Add(1)
}

// repair lets every instance count on every partition, but for some: so it notices what is
// missing, and repeats it.
func (w *clusterWorld) repair(without ...int) {
	skip := make(map[int]bool)
	for _, p := range without {
		skip[p] = true
	}
	for _, i := range w.Instances() {
		touched := make(map[int]bool)
		for n := 0; len(touched)+len(skip) < worldPartitions; n++ {
			touch := counting.Page(fmt.Sprint("touch/", n))
			p := w.ring.Owner(w.ring.Arc(touch))
			if skip[p] || touched[p] {
				continue
			}
			touched[p] = true
			if !w.until(fmt.Sprintf("%s counts on p%02d", i.Name, p), func() bool {
				return i.Count(context.Background(), counting.Visit{Page: touch, Count: 1}) == chaos.Acknowledged
			}) {
				return
			}
		}
	}
}

// offset is how much of the stream of replication a server has.
func (w *clusterWorld) offset(s *servers.Redis, of string) int {
	found := regexp.MustCompile(of + `:(\d+)`).FindStringSubmatch(fmt.Sprint(w.cluster.Do(s, "info", "replication")))
	if found == nil {
		return 0
	}
	n, _ := strconv.Atoi(found[1])
	return n
}

// switchMaster lets a replica take over gracefully.
func switchMaster(w *clusterWorld, d *chaos.Dice) {
	_, slot, old, _ := w.pick(d)
	w.cluster.Promote(w.cluster.Replicas(old)[0])
	if w.until("the replica has the slots", func() bool { return w.cluster.Master(slot) != old }) {
		w.Counted.Add(masterSwitched)
	}
	w.cluster.AwaitHealthy()
}

// moveSlot moves a slot with a partition key by key.
func moveSlot(w *clusterWorld, d *chaos.Dice) {
	_, slot, from, to := w.pick(d)
	client := from.Client()
	defer func() { _ = client.Close() }()
	w.cluster.OpenSlot(slot, from, to)
	all := w.keys(client, slot)
	for _, key := range all {
		if err := migrate(client, to, key); err != nil {
			w.Violate("X10: key %s can't move: %v", key, err)
			return
		}
		if d.Chance(0.01) {
			time.Sleep(10 * time.Millisecond)
		}
	}
	w.countRefused(client)
	w.cluster.CloseSlot(slot, to)
	w.cluster.AwaitHealthy()
	if len(all) > 0 {
		w.Counted.Add(slotMoved)
	}
}

// countRefused notes that a server has refused scripts of a slot that moves.
func (w *clusterWorld) countRefused(client *redis.Client) {
	text, _ := client.Info(context.Background(), "errorstats").Result()
	if strings.Contains(text, "errorstat_TRYAGAIN") {
		w.Counted.Add(slotRefused)
	}
}

// keys are those of a slot.
func (w *clusterWorld) keys(client *redis.Client, slot int) []string {
	all, err := client.ClusterGetKeysInSlot(context.Background(), slot, 1_000_000).Result()
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

func migrate(client *redis.Client, to *servers.Redis, key string) error {
	return client.Do(context.Background(), "migrate", "127.0.0.1", to.Port(), key, 0, 5000).Err()
}

// leavePages moves some pages and ids of a partition, leaveState its state as well. Then the
// master dies, and its replica has the slot without them. People bring them back.
func leavePages(w *clusterWorld, d *chaos.Dice) { w.leaveBehind(d, false) }
func leaveState(w *clusterWorld, d *chaos.Dice) { w.leaveBehind(d, true) }

func (w *clusterWorld) leaveBehind(d *chaos.Dice, state bool) {
	p, slot, from, to := w.pick(d)
	replica := w.cluster.Replicas(from)[0]
	client := from.Client()
	defer func() { _ = client.Close() }()
	w.cluster.OpenSlot(slot, from, to)
	pages, moved := w.moveSome(client, to, p, slot, state)
	w.leave(pages)
	w.until("the replica knows that they have left", func() bool {
		return w.offset(replica, "slave_repl_offset") >= w.offset(from, "master_repl_offset")-1 || w.lacks(replica, moved)
	})
	without := []int{p}
	if !state && !w.isTouched(p, pages) {
		without = nil
	}
	w.kill(from, replica, without...)
	w.Counted.Add(keysLeft)
	w.probe(pages)
	w.leave(nil)
	w.bringBack(slot, to, replica, moved)
	w.revive(from)
}

// moveSome moves the hashes of half of the pages, and all ids, to another master. It
// returns the pages that have no number then.
func (w *clusterWorld) moveSome(client *redis.Client, to *servers.Redis, p, slot int, state bool) (pages []counting.Page, moved []string) {
	prefix := w.prefix(p)
	half := w.partitionPages[p][:(len(w.partitionPages[p])+1)/2]
	leaves := make(map[string]bool)
	for _, page := range half {
		leaves[fmt.Sprintf("%sc:%d", prefix, w.ring.Arc(page))] = true
	}
	for _, key := range w.keys(client, slot) {
		kind := strings.TrimPrefix(key, prefix)
		isState, isIDs := state && (kind == "T" || kind == "Q"), strings.HasPrefix(kind, "ids:")
		if !leaves[key] && !isState && !isIDs {
			continue
		}
		if err := migrate(client, to, key); err != nil {
			w.t.Fatalf("%s can't move: %v", key, err)
		}
		moved = append(moved, key)
		if isIDs {
			w.Counted.Add(idsLeft)
		}
		if isState {
			w.Counted.Add(stateLeft)
		}
	}
	if state && w.mutant.isBesides() {
		return nil, moved // its pages are read from where they are
	}
	for _, page := range w.partitionPages[p] {
		if state || leaves[fmt.Sprintf("%sc:%d", prefix, w.ring.Arc(page))] {
			pages = append(pages, page)
		}
	}
	return pages, moved
}

// prefix begins the keys of a partition.
func (w *clusterWorld) prefix(p int) string {
	client := w.partitions()
	defer func() { _ = client.Close() }()
	return client.Partitions()[p].Prefix()
}

// lacks tells whether a replica has none of some keys.
func (w *clusterWorld) lacks(replica *servers.Redis, keys []string) bool {
	client := replica.Client()
	defer func() { _ = client.Close() }()
	conn := client.Conn()
	defer func() { _ = conn.Close() }()
	if conn.ReadOnly(context.Background()).Err() != nil {
		return false
	}
	for _, key := range keys {
		if n, err := conn.Exists(context.Background(), key).Result(); err == nil && n > 0 {
			return false
		}
	}
	return true
}

// isTouched tells whether the page that repair counts on a partition has its arc there.
func (w *clusterWorld) isTouched(p int, left []counting.Page) bool {
	for n := 0; ; n++ {
		arc := w.ring.Arc(counting.Page(fmt.Sprint("touch/", n)))
		if w.ring.Owner(arc) != p {
			continue
		}
		for _, page := range left {
			if w.ring.Arc(page) == arc {
				return true
			}
		}
		return false
	}
}

// probe asks every instance for pages that are left behind, after a window at least.
func (w *clusterWorld) probe(pages []counting.Page) {
	for end := time.Now().Add(worldWindow); time.Now().Before(end) && len(w.Violations()) == 0; time.Sleep(50 * time.Millisecond) {
		for _, i := range w.Instances() {
			for _, page := range pages {
				i.Count(context.Background(), counting.Visit{Page: page, Count: 1})
				w.read(context.Background(), i, page)
			}
		}
	}
}

// bringBack moves what was left behind to the master of the slot, as docs/redis.md says.
func (w *clusterWorld) bringBack(slot int, at, to *servers.Redis, keys []string) {
	client := at.Client()
	defer func() { _ = client.Close() }()
	for _, key := range keys {
		if err := migrate(client, to, key); err != nil {
			w.Violate("P3: %s can't be brought back: %v", key, err)
		}
	}
	w.cluster.Do(at, "cluster", "setslot", slot, "stable")
	w.Counted.Add(keysBack)
}

// loseReplies ends connections when a batch was applied. The server refuses what comes
// next, as one does whose replica is away.
func loseReplies(w *clusterWorld, d *chaos.Dice) {
	for range 6 {
		_, _, s, _ := w.pick(d)
		client := s.Client()
		happened, withdraw := w.proxies[s.Addr].DropReply("\r\nOK\r\n$0\r\n\r\n$0\r\n\r\n$0\r\n\r\n") // of apply
		select {
		case <-happened:
			err := client.ConfigSet(context.Background(), "min-replicas-to-write", "5").Err()
			time.Sleep(d.Between(100*time.Millisecond, 300*time.Millisecond))
			if err = errors.Join(err, client.ConfigSet(context.Background(), "min-replicas-to-write", "0").Err()); err != nil {
				w.t.Fatal(err)
			}
			w.Counted.Add(replyLost)
		case <-time.After(5 * time.Second): // no batch came
		}
		withdraw()
		_ = client.Close()
	}
}

// keepless is a partition whose sender keeps nothing: what is missing is not repeated.
type keepless struct {
	*redisnode.Partition
	from int64  // number of the last batch before the session
	name string // of the session; empty for that of the sender
}

// Apply implements counting.Counts, wrongly. Batches come one by one.
func (k *keepless) Apply(ctx context.Context, b *counting.Batch) (counting.Receipt, error) {
	var gap *counting.GapError
	for {
		sent := *b
		sent.Session, sent.Seq = b.Session+counting.Session(k.name), b.Seq-k.from
		r, err := k.Partition.Apply(ctx, &sent)
		if !errors.As(err, &gap) {
			return r, err
		}
		k.from, k.name = b.Seq-1, fmt.Sprint("-", b.Seq, "-", time.Now().UnixNano())
	}
}
