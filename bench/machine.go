package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"

	"github.com/sluice-ingress/sluice/bench/report"
)

// processors are those that servers and load are bound to, where they must not take each other's; empty if there is only one.
type processors struct {
	server, load string
	count        int
}

// ownProcessors are the first two that this process may use.
func ownProcessors() (processors, error) {
	allowed, err := field("/proc/self/status", "Cpus_allowed_list")
	if err != nil {
		return processors{}, err
	}
	var list []string
	for part := range strings.SplitSeq(allowed, ",") { // as in 0-3,8
		var first, last int
		switch n, _ := fmt.Sscanf(part, "%d-%d", &first, &last); n {
		case 0:
			return processors{}, fmt.Errorf("read the list of processors: %s", allowed)
		case 1:
			last = first
		}
		for cpu := first; cpu <= last; cpu++ {
			list = append(list, strconv.Itoa(cpu))
		}
	}
	if len(list) < 2 {
		return processors{count: 1}, nil
	}
	return processors{list[0], list[1], len(list)}, nil
}

// field is the first value of a name in a file with lines as "NAME: VALUE".
func field(file, name string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if key, value, _ := strings.Cut(line, ":"); strings.TrimSpace(key) == name {
			return strings.TrimSpace(value), nil
		}
	}
	return "", nil
}

// describe begins a report: what is measured, and on what kind of machine.
func describe(cpus processors) (*report.Report, error) {
	model, err := field("/proc/cpuinfo", "model name")
	if err != nil {
		return nil, err
	}
	if model == "" { // as on arm64
		model = runtime.GOARCH
	}
	memory, err := field("/proc/meminfo", "MemTotal")
	if err != nil {
		return nil, err
	}
	kilobytes, err := strconv.Atoi(strings.TrimSuffix(memory, " kB"))
	if err != nil {
		return nil, fmt.Errorf("read the size of memory: %w", err)
	}
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return nil, err
	}
	kernel := regexp.MustCompile(`^\d+\.\d+`).FindString(string(release)) // the rest may name whoever built it
	return &report.Report{
		Commit:   commit,
		Machine:  fmt.Sprintf("%d processors, %s, %d GB, Linux %s", cpus.count, model, (kilobytes+1<<19)>>20, kernel),
		Programs: strings.Join([]string{version("/usr/sbin/nginx", "-v"), version("/usr/sbin/haproxy", "-v"), version("wrk", "-v"), version("h2load", "--version")}, ", "),
	}, nil
}

// commit is what this program was built from; the linker sets it.
var commit = "unknown"

var numbers = regexp.MustCompile(`\d+(\.\d+)+`)

// version is the name of a program and the first number in what it says of itself.
func version(program string, args ...string) string {
	out, _ := exec.Command(program, args...).CombinedOutput() // wrk fails after it has said it
	name := program[strings.LastIndexByte(program, '/')+1:]
	return name + " " + numbers.FindString(string(out))
}
