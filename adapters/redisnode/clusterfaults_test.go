package redisnode_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"footfall/domain/counting"
	"footfall/test/chaos"
	"footfall/test/servers"
)

// clusterFault is one thing that goes wrong in a world. It returns when that is over.
type clusterFault func(w *clusterWorld, d *chaos.Dice)

// slotOfPartition is the middle of the partition's share of the slots. The first one has the
// same slot for every number of partitions.
func slotOfPartition(p int) int {
	if p == 0 {
		return slot
	}
	return p*16384/worldPartitions + 16384/worldPartitions/2
}

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

// cutOff cuts the replica of a master off, and returns when it lacks something.
func (w *clusterWorld) cutOff(master *servers.Redis, d *chaos.Dice) (replica *servers.Redis) {
	replica = w.cluster.Replicas(master)[0]
	w.cluster.Do(master, "acl", "setuser", "default", "-psync", "-sync", "-replconf")
	w.cluster.Do(master, "client", "kill", "type", "replica")
	time.Sleep(d.Between(time.Second, 2*time.Second)) // the lag
	w.goesOn(50)
	ahead, _ := w.cluster.Offset(master, "master_repl_offset")
	if behind, ok := w.cluster.Offset(replica, "slave_repl_offset"); ok && ahead > behind+1000 {
		w.Counted.Add(tailLost)
	}
	return replica
}

// kill returns when the replica has taken over and has all that was acknowledged. A master
// that imports one of its slots does not learn of it.
func (w *clusterWorld) kill(old, replica *servers.Redis, without ...int) {
	w.killOnly(old, replica)
	w.repair(without...)
}

func (w *clusterWorld) killOnly(old, replica *servers.Redis) {
	w.phase.Add(1)
	old.Kill()
	w.until("a replica takes over", func() bool {
		role, _ := w.cluster.Try(replica, "role")
		return strings.Contains(fmt.Sprint(role), "master")
	})
	w.Counted.Add(masterKilled)
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
		has := make(map[int]bool)
		for n := 0; len(has)+len(skip) < worldPartitions; n++ {
			touch := touched(n)
			p := w.ring.Owner(w.ring.Arc(touch))
			if skip[p] || has[p] {
				continue
			}
			has[p] = true
			if !w.until(fmt.Sprintf("%s counts on p%02d", i.Name, p), func() bool {
				return i.Count(context.Background(), counting.Visit{Page: touch, Count: 1}) == chaos.Acknowledged
			}) {
				return
			}
		}
	}
}

// touched is a page of repair.
func touched(n int) counting.Page { return counting.Page(fmt.Sprint("touch/", n)) }

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

// moveAfterALag kills a master whose replica was cut off. Before any instance notices what is
// missing, half of a partition has moved from the replica: nothing can be repeated until all
// has moved.
func moveAfterALag(w *clusterWorld, d *chaos.Dice) {
	_, slot, old, to := w.pick(d)
	replica := w.cutOff(old, d)
	w.requests.Lock()
	w.killOnly(old, replica)
	w.until("all know of it", func() bool { return w.cluster.Master(slot) == replica })
	client := replica.Client()
	defer func() { _ = client.Close() }()
	w.cluster.OpenSlot(slot, replica, to)
	var state []string
	move := func(key string) {
		if err := migrate(client, to, key); err != nil {
			w.Violate("X10: key %s can't move: %v", key, err)
		}
	}
	for _, key := range w.keys(client, slot) {
		if strings.Contains(key, "}:c:") {
			move(key)
		} else {
			state = append(state, key)
		}
	}
	w.requests.Unlock()
	w.goesOn(100)
	for end := time.Now().Add(10 * time.Second); !w.countRefused(client) && len(w.Violations()) == 0 && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
	}
	for _, key := range state {
		move(key)
	}
	w.cluster.CloseSlot(slot, to)
	w.Counted.Add(movedAfterLag)
	w.repair()
	w.revive(old)
}

// countRefused tells, and notes, whether a server has refused scripts of a slot that moves.
func (w *clusterWorld) countRefused(client *redis.Client) bool {
	text, _ := client.Info(context.Background(), "errorstats").Result()
	refused := strings.Contains(text, "errorstat_TRYAGAIN")
	if refused {
		w.Counted.Add(slotRefused)
	}
	return refused
}

// keys are those of a slot.
func (w *clusterWorld) keys(client *redis.Client, slot int) []string {
	all, err := client.ClusterGetKeysInSlot(context.Background(), slot, 1_000_000).Result()
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

func migrate(client *redis.Client, to *servers.Redis, key string, more ...any) error {
	return client.Do(context.Background(), append([]any{"migrate", "127.0.0.1", to.Port(), key, 0, 5000}, more...)...).Err()
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
