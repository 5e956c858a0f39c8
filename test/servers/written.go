package servers

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"footfall/domain/counting"
)

// Written calls each for every command that changed what the server has, in
// order, as its append-only file says: what scripts did is there as the
// commands that they gave.
func (r *Redis) Written(each func(command []string)) error {
	name, err := r.appendOnly()
	if err != nil {
		return err
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	in := bufio.NewReader(f)
	for {
		command, err := readCommand(in)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("the append-only file of %s: %w", r.Addr, err)
		}
		each(command)
	}
}

// readCommand reads an array of strings as Redis' protocol has it.
func readCommand(in *bufio.Reader) ([]string, error) {
	if _, err := in.Peek(1); err != nil {
		return nil, err // io.EOF between two commands
	}
	n, err := readNumber(in, "*")
	if err != nil {
		return nil, err
	}
	command := make([]string, n)
	for i := range command {
		size, err := readNumber(in, "$")
		if err != nil {
			return nil, err
		}
		text := make([]byte, size+len("\r\n"))
		if _, err := io.ReadFull(in, text); err != nil {
			return nil, fmt.Errorf("argument %d of %d: %w", i, n, io.ErrUnexpectedEOF)
		}
		command[i] = string(text[:size])
	}
	return command, nil
}

func readNumber(in *bufio.Reader, mark string) (int, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return 0, io.ErrUnexpectedEOF
	}
	n, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(line, mark)))
	if err != nil || !strings.HasPrefix(line, mark) || n < 0 {
		return 0, fmt.Errorf("%q: want %s and a number", line, mark)
	}
	return n, nil
}

// Arrived are the ids that the nodes on these servers took, by window, as
// their append-only files say.
func Arrived(all ...*Redis) (map[counting.Window]map[counting.ID]bool, error) {
	windows := make(map[counting.Window]map[counting.ID]bool)
	var errs error
	for _, r := range all {
		errs = errors.Join(errs, r.Written(func(command []string) {
			if len(command) != 3 || !strings.EqualFold(command[0], "SADD") {
				return
			}
			var w counting.Window
			var set int
			if _, err := fmt.Sscanf(command[1], "ff:ids:%d:%d", &w, &set); err != nil {
				return
			}
			id, err := counting.ParseID(command[2])
			errs = errors.Join(errs, err)
			if windows[w] == nil {
				windows[w] = make(map[counting.ID]bool)
			}
			windows[w][id] = true
		}))
	}
	return windows, errs
}
