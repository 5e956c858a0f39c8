package bootstrap

import "syscall"

// fileBudget divides the files that the process may have open, connections included,
// among those who could use up all of them. The rest is for nodes, publisher and logs.
type fileBudget struct {
	public, admin int // connections of the listeners
}

// leastReserve is what the public listener leaves to all others, at least.
const leastReserve = 32

func newFileBudget() fileBudget {
	var limit syscall.Rlimit // Go has raised the soft one to the hard one
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fileBudget{} // no bounds
	}
	return divide(int(min(limit.Cur, 1<<20)))
}

func divide(files int) fileBudget {
	reserve := max(leastReserve, files/4)
	return fileBudget{public: max(8, files-reserve), admin: reserve / 4}
}
