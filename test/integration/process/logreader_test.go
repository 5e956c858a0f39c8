package process_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"footfall/test/check"
	"footfall/test/integration/service"
)

// logged is a run of the program whose log the test reads itself.
type logged struct {
	*service.Deployment
	cmd    *exec.Cmd
	reader *os.File
	public string
	ended  chan struct{}
}

// startLogged starts the program at the level debug, which logs every request, and reads
// its log until it is ready.
func startLogged(t *testing.T) *logged {
	t.Helper()
	reader, writer, err := os.Pipe()
	check.Must(t, err)
	t.Cleanup(func() { _ = reader.Close() })
	l := &logged{
		Deployment: service.NewDeployment(t, "FOOTFALL_LOG_LEVEL=debug", "FOOTFALL_WINDOW=1s", "FOOTFALL_GRACE=0s"),
		reader:     reader, ended: make(chan struct{}),
	}
	l.cmd = l.Command(t.Context())
	l.cmd.Stderr = writer
	check.Must(t, l.cmd.Start())
	check.Must(t, writer.Close())
	go func() {
		defer close(l.ended)
		_ = l.cmd.Wait()
	}()
	for lines := bufio.NewScanner(reader); l.public == "" && lines.Scan(); {
		var line struct{ Msg, Listen string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "ready" {
			l.public = "http://" + line.Listen
		}
	}
	return l
}

// goesOn sends many requests, and waits until more windows are published.
func (l *logged) goesOn(t *testing.T) {
	t.Helper()
	for i := range 2000 {
		service.MustSend(t, http.MethodPost, fmt.Sprintf("%s/visit/page-%d", l.public, i), "").Want(t, http.StatusOK)
	}
	published := len(l.Reports())
	service.WaitFor(t, "two more windows", func() bool { return len(l.Reports()) >= published+2 })
}

// stopsCleanly sends SIGTERM and waits for the end.
func (l *logged) stopsCleanly(t *testing.T) {
	t.Helper()
	check.Must(t, l.cmd.Process.Signal(syscall.SIGTERM))
	service.Await(t, "the end", l.ended)
	if !l.cmd.ProcessState.Success() {
		t.Errorf("it ended with %v", l.cmd.ProcessState)
	}
}

// F19: the reader of the log goes away.
func TestF19TheServiceOutlivesTheReaderOfItsLog(t *testing.T) {
	t.Parallel()
	l := startLogged(t)
	check.Must(t, l.reader.Close())
	l.goesOn(t)
	l.stopsCleanly(t)
}

// F20: the reader of the log is blocked, so that writing to it never returns.
func TestF20ABlockedReaderOfTheLogStopsNothing(t *testing.T) {
	t.Parallel()
	l := startLogged(t)
	const setPipeSize, page = 1031, 4096 // F_SETPIPE_SZ
	if _, _, err := syscall.Syscall(syscall.SYS_FCNTL, l.reader.Fd(), setPipeSize, page); err != 0 {
		t.Fatal(err)
	}
	l.goesOn(t)
	l.stopsCleanly(t)
}

// F21: what supervisors send besides SIGTERM and SIGINT ends nothing.
func TestF21SignalsOfSupervisorsEndNothing(t *testing.T) {
	t.Parallel()
	in := service.NewDeployment(t).Start()
	for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGPIPE, syscall.SIGWINCH} {
		check.Must(t, in.Cmd.Process.Signal(s))
		in.Record("home").Want(t, http.StatusOK)
	}
	check.Equal(t, in.Visits("home"), 5, "visits of home")
	check.Equal(t, in.Stop(), 0, "the exit code")
	check.Equal(t, strings.Contains(in.Logged(), "stopped"), true, "the log says that it has stopped")
}
