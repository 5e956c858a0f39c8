package ring_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"footfall/test/check"
	"footfall/test/integration/service"
)

// N7: a server is killed, and its operator wants to remove it. The refusal names both
// remedies. A rehearsal says what would be lost, and changes nothing. When the server is
// started again, nothing is lost.
func TestN7AbandoningIsRehearsed(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 3)
	in := r.Start()
	pages := r.Pages(in, 5)
	node := in.Ring().ID(r.Seeds[1])
	for _, page := range pages[1] {
		r.MustVisit(in, page)
	}
	in.ToolFails([]string{"409", "remove it without accept_loss"}, "ring", "remove", node, "--accept-loss", "--dry-run")
	r.Servers[1].Kill()
	in.ToolFails([]string{"503", node, "it does not answer", "Start its server again with its data, and nothing is lost", "abandon it with accept_loss: 33.3% of all pages"}, "ring", "remove", node)

	out := in.MustTool("ring", "remove", node, "--accept-loss", "--dry-run")
	for _, part := range []string{
		`"loss":{"nodes":[{"id":"` + node + `","share":0.333`, `"away":"it does not answer"}],"windows_until":"20`, `"dry_run":true`,
		"footfall: " + node + ": it does not answer; its pages, 33.3% of all, begin at 0 on other nodes\n",
		"footfall: windows until 20", " are lost with their ids, unless they are published\n",
		"start the server instead: nothing is lost\n",
	} {
		if !strings.Contains(out, part) {
			t.Errorf("the rehearsal says %s, without %q", out, part)
		}
	}
	if st := in.Ring(); st.Epoch != 1 || len(st.Losses) > 0 {
		t.Errorf("the rehearsal has changed the ring: %+v", st)
	}
	check.Must(t, r.Servers[1].Start())
	for _, page := range pages[1] {
		service.WaitFor(t, page+" is read", func() bool { return r.Read(in, page).Status == http.StatusOK })
		check.Equal(t, in.Visits(page), 1, "visits of %s", page)
	}
}

// N7: on a terminal nothing is abandoned until the operator types the id again.
func TestN7ATerminalAsksForTheIDAgain(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 3)
	in := r.Start()
	node := in.Ring().ID(r.Seeds[1])
	r.Servers[1].Kill()
	for _, typed := range []string{"\n", "y\n", node + " " + node + "\n"} {
		out, err := onTerminal(t, in, typed, "ring", "remove", node, "--accept-loss")
		if err == nil || !strings.Contains(out, "33.3% of all") || !strings.Contains(out, "not confirmed; nothing was changed") {
			t.Errorf("after %q: %v, %s", typed, err, out)
		}
		if st := in.Ring(); st.Epoch != 1 || len(st.Losses) > 0 {
			t.Fatalf("after %q the ring is %+v", typed, st)
		}
	}
	out, err := service.Insist(t, func() (string, error) { return onTerminal(t, in, node+"\n", "ring", "remove", node, "--accept-loss") })
	if err != nil || !strings.Contains(out, "to abandon, type "+node+": ") {
		t.Errorf("after its id: %v, %s", err, out)
	}
	if st := in.Ring(); len(st.Losses) != 1 {
		t.Errorf("the ring is %+v", st)
	}
}

// N7: with --yes a terminal does not ask.
func TestN7YesIsTheAnswer(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 3)
	in := r.Start()
	node := in.Ring().ID(r.Seeds[1])
	r.Servers[1].Kill()
	out, err := service.Insist(t, func() (string, error) {
		return onTerminal(t, in, "", "ring", "remove", node, "--accept-loss", "--yes")
	})
	if err != nil || strings.Contains(out, "to abandon, type") {
		t.Errorf("%v, %s", err, out)
	}
	check.Equal(t, len(in.Ring().Losses), 1, "losses")
}

// onTerminal runs a command whose stdin is a terminal, at which a text is typed.
func onTerminal(t *testing.T, in *service.Instance, typed string, args ...string) (string, error) {
	t.Helper()
	keyboard := check.Value(os.OpenFile("/dev/ptmx", os.O_RDWR, 0))(t)
	defer keyboard.Close()
	var locked, number uint32
	control(t, keyboard, syscall.TIOCSPTLCK, &locked)
	control(t, keyboard, syscall.TIOCGPTN, &number)
	terminal := check.Value(os.OpenFile(fmt.Sprint("/dev/pts/", number), os.O_RDWR|syscall.O_NOCTTY, 0))(t)
	defer terminal.Close()
	check.Value(keyboard.WriteString(typed))(t)
	cmd := in.ToolCommand(args...)
	cmd.Stdin = terminal
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// control is an ioctl with a number.
func control(t *testing.T, f *os.File, request uintptr, number *uint32) {
	t.Helper()
	if _, _, errno := syscall.Syscall(
		syscall.SYS_IOCTL, f.Fd(), request, uintptr(unsafe.Pointer(number))); errno != 0 {
		t.Fatal(errno)
	}
}
