//go:build e2e

package install_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/sluice-ingress/sluice/test/e2e/suite"
)

const tokenFile = "/var/run/secrets/kubernetes.io/serviceaccount/token"

// member is a process of a container, as whoever takes it over sees the world.
type member struct {
	testing.TB
	process     int // of this machine
	user, group string
}

func memberOf(t testing.TB, directory string) member {
	t.Helper()
	process, err := strconv.Atoi(filepath.Base(directory))
	if err != nil {
		t.Fatal(err)
	}
	status := read(t, directory, "status")
	id := func(key string) string { return strings.Fields(field(status, key))[0] }
	return member{t, process, id("Uid"), id("Gid")}
}

// child is the first that a process has started.
func (m member) child() member {
	m.Helper()
	var first string
	suite.Within(m, soon, func() error {
		files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", m.process)) // the pattern is right
		for _, file := range files {
			text, _ := os.ReadFile(file) // the thread may have ended
			if children := strings.Fields(string(text)); len(children) > 0 {
				first = children[0]
				return nil
			}
		}
		return fmt.Errorf("process %d has started nothing", m.process)
	})
	return memberOf(m, filepath.Join("/proc", first))
}

// run runs a shell script in the place of a process, with its user and without capabilities, and returns what it wrote.
func (m member) run(script, input string) string {
	m.Helper()
	cmd := exec.Command("nsenter", "--target", strconv.Itoa(m.process), "--mount", "--pid", "--net", "--root", "--wd=/",
		"--setuid", m.user, "--setgid", m.group, "/bin/sh", "-c", script)
	cmd.Stdin = strings.NewReader(input)
	var errors bytes.Buffer
	cmd.Stderr = &errors
	output, err := cmd.Output()
	if err != nil {
		m.Fatalf("%s: %v\n%s", script, err, &errors)
	}
	return string(output)
}

// readable are the files that a user can read in which a text is, and the processes that show it. The text goes to standard
// input, as the command line would be a place where it is.
func (m member) readable(text string) []string {
	m.Helper()
	files := m.run(`grep -rlsF --devices=skip --exclude-dir=proc --exclude-dir=sys --file=- / || true`, text)
	processes := m.run(`grep -lsF --file=- /proc/[0-9]*/environ /proc/[0-9]*/cmdline || true`, text)
	return strings.Fields(files + processes)
}

// Whoever takes over NGINX has its user, its files and its view of the processes: with none of these the API server can be
// asked in the controller's name.
func TestNGINXCannotReadTheToken(t *testing.T) {
	s := site{TB: t, Sluice: suite.Install(t, "sluice", ""), class: "nginx", namespace: suite.Namespace(t)}
	pod := s.Pods(t)[0]
	controller := memberOf(t, processOf(t, pod.Name, "controller"))
	nginx := memberOf(t, processOf(t, pod.Name, "dataplane")).child().child() // a worker
	token := controller.run("cat "+tokenFile, "")
	// The signature is what makes it worth something.
	for name, secret := range map[string]string{"token": token, "signature": token[strings.LastIndex(token, ".")+1:]} {
		if found := controller.readable(secret); len(found) == 0 {
			t.Errorf("the search does not even find the %s where it is", name)
		}
		if found := nginx.readable(secret); len(found) > 0 {
			t.Errorf("NGINX can read the %s: %v", name, found)
		}
	}
	const anyToken = "eyJhbGciOi" // {"alg": in base64, as every JWT begins
	if found := nginx.readable(anyToken); len(found) > 0 {
		t.Errorf("NGINX can read something that looks like a token: %v", found)
	}
	if controller.user == nginx.user {
		t.Errorf("both have the user %s", nginx.user)
	}
	seen := nginx.run(`cat /proc/[0-9]*/cmdline | tr '\0' ' '`, "")
	if !strings.Contains(seen, "sluice dataplane") || strings.Contains(seen, "sluice controller") {
		t.Errorf("NGINX sees these processes: %s", seen)
	}
	if found := nginx.run("ls -A /var/run/secrets /run/secrets 2>/dev/null || true", ""); found != "" {
		t.Errorf("NGINX has these secrets: %s", found)
	}
}
