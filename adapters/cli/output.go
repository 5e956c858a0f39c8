package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// toFile has write write to stdout if the name is -, or to a file. The file gets its name
// when it is complete and synced: a command that fails leaves what was there before. It
// returns where the result of the command is printed.
func (c client) toFile(name string, mode os.FileMode, write func(io.Writer) error) (result io.Writer, err error) {
	if name == "-" {
		return c.err, write(c.out)
	}
	// The file is renamed to that name at the end, which would replace a link or
	// a device.
	if info, err := os.Lstat(name); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", name)
	}
	part := name + ".part"
	f, err := openPart(part, mode)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // after the rename, since it ends the lock
	if err = write(f); err == nil {
		err = f.Sync()
	}
	if err != nil {
		return nil, errors.Join(err, os.Remove(part))
	}
	return c.out, os.Rename(part, name) // its error names the part, which is complete
}

// openPart opens an empty file for this process alone, until it is closed. One that a command
// has left which was killed is used again, and no more users than mode says may read it.
func openPart(part string, mode os.FileMode) (*os.File, error) {
	f, err := os.OpenFile(part, os.O_CREATE|os.O_WRONLY|syscall.O_NOFOLLOW, mode)
	if err != nil {
		return nil, err
	}
	if err = lockPart(f, part, mode); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func lockPart(f *os.File, part string, mode os.FileMode) error {
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("another command writes %s: %w", part, err)
	}
	mine, err := f.Stat()
	if err != nil {
		return err
	}
	// The other command may have given it its name since it was opened.
	if there, err := os.Lstat(part); err != nil || !os.SameFile(mine, there) {
		return fmt.Errorf("another command has just written %s", part)
	}
	if wide := mine.Mode().Perm() &^ mode; wide != 0 {
		if err := f.Chmod(mine.Mode().Perm() &^ wide); err != nil {
			return err
		}
	}
	return f.Truncate(0)
}
