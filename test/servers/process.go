package servers

import (
	"os"
	"os/exec"
	"sync"
	"syscall"
)

// process is that of a server, which can be started again.
type process struct {
	mu    sync.Mutex
	cmd   *exec.Cmd     // nil when it doesn't run
	ended chan struct{} // closed when it has ended
}

// Kill is kill -9; a server that is down already is left so.
func (p *process) Kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	<-p.ended
	p.cmd = nil
}

// Running tells whether the server was started and not killed.
func (p *process) Running() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd != nil
}

// Freeze stops the process without ending it, and Thaw lets it go on.
func (p *process) Freeze() { p.signal(syscall.SIGSTOP) }

// Thaw ends Freeze.
func (p *process) Thaw() { p.signal(syscall.SIGCONT) }

func (p *process) signal(s os.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd != nil {
		_ = p.cmd.Process.Signal(s)
	}
}
