package servers

import (
	"fmt"
	"os"
	"path/filepath"
)

// Kept is how long the append-only file is by now.
func (r *Redis) Kept() (int64, error) {
	name, err := r.appendOnly()
	if err != nil {
		return 0, err
	}
	about, err := os.Stat(name)
	if err != nil {
		return 0, err
	}
	return about.Size(), nil
}

// FallBack kills the server and starts it with its append-only file as it was
// when that was kept bytes long: as after a power cut, when the last writes
// had not come to the disk, or after an older copy of the file was put back.
func (r *Redis) FallBack(kept int64) error {
	r.Kill()
	name, err := r.appendOnly()
	if err != nil {
		return err
	}
	if err := os.Truncate(name, kept); err != nil {
		return err
	}
	return r.Start()
}

// appendOnly is the file that has all writes; one that was rewritten would
// lack what was before.
func (r *Redis) appendOnly() (string, error) {
	files, err := filepath.Glob(filepath.Join(r.dir, "appendonlydir", "*.incr.aof"))
	if err != nil || len(files) != 1 {
		return "", fmt.Errorf("the append-only files of %s are %v, want one: %w", r.Addr, files, err)
	}
	return files[0], nil
}
