package filelog

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"

	"footfall/domain/counting"
	"footfall/domain/publishing"
)

// maxLine is longer than any valid line of a log, in bytes.
const maxLine = 64 << 10

// Reports returns the counts in a log, in order and with repetitions. It skips
// the lines of deliveries. It passes the number of each damaged line to damaged,
// with the reason, and continues: a crash or a full disk leaves such lines, and
// each count in them is whole in a later line. An error of log is the last element.
func Reports(log io.Reader, damaged func(line int, why error)) iter.Seq2[publishing.Report, error] {
	return func(yield func(publishing.Report, error) bool) {
		lines := bufio.NewReaderSize(log, maxLine)
		for number := 1; ; number++ {
			line, err := readLine(lines)
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(publishing.Report{}, fmt.Errorf("line %d: %w", number, err))
				return
			}
			report, ok, err := parseLine(line)
			if err != nil {
				damaged(number, err)
			} else if ok && !yield(report, nil) {
				return
			}
		}
	}
}

// readLine returns the next line without its newline. Of a line that is too
// long it returns the beginning, which is not JSON.
func readLine(lines *bufio.Reader) ([]byte, error) {
	line, more, err := lines.ReadLine()
	line = bytes.Clone(line)
	for more && err == nil {
		_, more, err = lines.ReadLine()
	}
	return line, err
}

// parseLine reads one line; ok reports whether it is a count.
func parseLine(line []byte) (r publishing.Report, ok bool, err error) {
	if len(bytes.TrimSpace(line)) == 0 {
		return r, false, nil
	}
	var l struct {
		Event string `json:"event"`
		publishing.Report
		Count *int64 `json:"count"`
	}
	if err := json.Unmarshal(line, &l); err != nil {
		return r, false, errors.New("it is not a whole line of a capture log")
	}
	length, err := counting.ParseLength(l.End.Sub(l.Start))
	name, bad := counting.ParseName(l.Deployment())
	switch {
	case l.Event == callback || l.Event == leftOut:
		return r, false, nil
	case l.Event != uniqueIDs:
		return r, false, fmt.Errorf("it is neither a count nor a callback but %q", l.Event)
	case err != nil || bad != nil || length.ID(name, length.At(l.Start)) != l.ID || !length.Start(length.At(l.Start)).Equal(l.Start):
		return r, false, errors.New("its id, window_start and window_end do not match")
	case l.Count == nil || *l.Count < 0:
		return r, false, errors.New("it has no count")
	}
	l.Report.Count = *l.Count
	return l.Report, true, nil
}
