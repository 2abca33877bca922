package supervisor

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is one process, told apart from a later one with the same number by its start.
type process struct {
	pid, parent, group int
	start              uint64 // ticks since boot
	isDead             bool   // but its parent has not noticed
}

// readProcess reads proc_pid_stat(5).
func readProcess(pid int) (process, bool) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return process{}, false
	}
	// The second field is a name in parentheses, which may hold anything.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 20 {
		return process{}, false
	}
	p := process{pid: pid, isDead: fields[0] == "Z" || fields[0] == "X"}
	p.parent, _ = strconv.Atoi(fields[1])
	p.group, _ = strconv.Atoi(fields[2])
	p.start, _ = strconv.ParseUint(fields[19], 10, 64)
	return p, true
}

// processes lists the living ones that match.
func processes(match func(process) bool) []process {
	names, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil
	}
	var found []process
	for _, name := range names {
		pid, err := strconv.Atoi(filepath.Base(name))
		if err != nil {
			continue
		}
		if p, ok := readProcess(pid); ok && !p.isDead && match(p) {
			found = append(found, p)
		}
	}
	return found
}

func inGroup(group int) []process {
	return processes(func(p process) bool { return p.group == group })
}

// title is what a process calls itself.
func (p process) title() string {
	line, err := os.ReadFile("/proc/" + strconv.Itoa(p.pid) + "/cmdline")
	if err != nil {
		return ""
	}
	return strings.TrimRight(strings.ReplaceAll(string(line), "\x00", " "), " ")
}

// isAlive tells whether the process still runs. One that is ours to collect, as all orphans are if we are
// process 1 of a container, is collected.
func (p process) isAlive() bool {
	now, ok := readProcess(p.pid)
	if !ok || now.start != p.start {
		return false
	}
	if now.isDead {
		if now.parent == os.Getpid() {
			_, _ = syscall.Wait4(p.pid, nil, syscall.WNOHANG, nil)
		}
		return false
	}
	return true
}

func alive(list []process) []process {
	var living []process
	for _, p := range list {
		if p.isAlive() {
			living = append(living, p)
		}
	}
	return living
}

func send(list []process, sig syscall.Signal) {
	for _, p := range alive(list) {
		_ = syscall.Kill(p.pid, sig)
	}
}

// end waits for processes until grace is over, and ends the rest, gently first. It returns when none lives.
func end(list []process, grace time.Duration) {
	if waitFor(list, grace) {
		return
	}
	send(list, syscall.SIGTERM)
	if waitFor(list, 2*time.Second) {
		return
	}
	send(list, syscall.SIGKILL)
	waitFor(list, 2*time.Second)
}

func waitFor(list []process, limit time.Duration) bool {
	for deadline := time.Now().Add(limit); len(alive(list)) > 0; time.Sleep(poll) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

// leftovers finds an NGINX that was started in dir by somebody who no longer exists: the master, if it
// lives, and the others of its group.
func leftovers(pidFile, dir string) (master *process, workers []process) {
	text, err := os.ReadFile(pidFile)
	if err != nil {
		return nil, nil
	}
	group, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || group <= 1 {
		return nil, nil
	}
	home, err := os.Stat(dir)
	if err != nil {
		return nil, nil
	}
	// The number may be another group's by now; the working directory is not.
	for _, p := range inGroup(group) {
		cwd, err := os.Stat("/proc/" + strconv.Itoa(p.pid) + "/cwd")
		switch {
		case err != nil || !os.SameFile(cwd, home):
		case p.pid == group:
			master = &p
		default:
			workers = append(workers, p)
		}
	}
	return master, workers
}
