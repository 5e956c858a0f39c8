package redisnode

import "strconv"

// slots is the number of hash slots of a Redis Cluster.
const slots = 16384

// slotOf is the slot of a hash tag: CRC16 (XMODEM) of it, as the specification of Redis
// Cluster has it.
func slotOf(tag string) int {
	var crc uint16
	for i := range len(tag) {
		crc ^= uint16(tag[i]) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return int(crc % slots)
}

// tags are the hash tags of n partitions, n being a power of two. Each is the least number
// whose slot is the middle of the partition's share of the slots. Masters have ranges of
// slots that follow each other, so each has its share of the partitions. The first
// partition has the same tag for every n: its ring says how many there are. The tags are
// part of the stored format.
func tags(n int) []string {
	of := map[int]int{slots / maxPartitions / 2: 0} // slot -> partition
	for p := 1; p < n; p++ {
		of[p*slots/n+slots/n/2] = p
	}
	all := make([]string, n)
	for i, left := 0, n; left > 0; i++ {
		tag := strconv.Itoa(i)
		if p, ok := of[slotOf(tag)]; ok && all[p] == "" {
			all[p] = tag
			left--
		}
	}
	return all
}
