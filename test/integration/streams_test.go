//go:build integration

package integration

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ingress/sluice/test/pods"
)

// The ConfigMaps and the Service of all tests of streams.
const streamServices = `
apiVersion: v1
kind: ConfigMap
metadata: {name: tcp, namespace: sluice}
data:
  "18611": shop/lines:9000
  "18612": shop/lines:main::PROXY
  "18613": shop/lines:main:PROXY:PROXY
  "18614": shop/lines:main:proxy
---
apiVersion: v1
kind: ConfigMap
metadata: {name: udp, namespace: sluice}
data: {"18615": "shop/lines:datagrams"}
---
apiVersion: v1
kind: Service
metadata: {name: lines, namespace: shop}
spec: {ports: [{name: main, port: 9000}, {name: datagrams, port: 9001, protocol: UDP}]}
`

// says sends a text to a port and returns the lines that come back, as many as were sent.
func says(network string, port int, text string) (string, error) {
	connection, err := net.DialTimeout(network, fmt.Sprintf("127.0.0.1:%d", port), 5*time.Second)
	if err != nil {
		return "", err
	}
	defer connection.Close()
	if err := connection.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(connection, text); err != nil {
		return "", err
	}
	if network == "udp" {
		buffer := make([]byte, 2000)
		n, err := connection.Read(buffer)
		return string(buffer[:n]), err
	}
	in, got := bufio.NewReader(connection), ""
	for range strings.Count(text, "\n") {
		line, err := in.ReadString('\n')
		got += line
		if err != nil {
			return got, err
		}
	}
	return got, nil
}

// answers returns a check that the port answers a line from the pod.
func answers(network string, port, pod int) func() error {
	return func() error {
		got, err := says(network, port, "hello\n")
		if want := fmt.Sprintf("%d hello\n", pod); err == nil && got != want {
			err = fmt.Errorf("the answer is %q, not %q", got, want)
		}
		return err
	}
}

func startStreams(t *testing.T, numbers ...int) *daemon {
	t.Helper()
	return startDaemon(t, ports{18601, 18602, 18603}, map[string]string{"services.yaml": streamServices, "pods.yaml": linePods(numbers...)},
		"--tcp-services-configmap", "sluice/tcp", "--udp-services-configmap", "sluice/udp", "--stream-port", "18604")
}

// Connections and datagrams reach the pods there are now, and no change of them is a reload.
func TestStreams(t *testing.T) {
	for n := 1; n <= 3; n++ {
		startLinePod(t, n)
	}
	d := startStreams(t, 1)
	for network, port := range map[string]int{"tcp": 18611, "udp": 18615} {
		d.eventually(5*time.Second, network+" is answered", answers(network, port, 1))
	}
	reloads := d.reloads()

	failures := connectsAllTheWhile(t)
	for round := range 5 {
		pod := round%3 + 1
		d.write("pods.yaml", linePods(pod))
		for network, port := range map[string]int{"tcp": 18611, "udp": 18615} {
			d.eventually(5*time.Second, network+" is answered by the new pod", answers(network, port, pod))
		}
	}
	d.write("pods.yaml", linePods(1, 2))
	seen := map[string]bool{}
	d.eventually(5*time.Second, "both pods answer", func() error {
		got, err := says("tcp", 18611, "hello\n")
		if seen[got] = err == nil; !seen["1 hello\n"] || !seen["2 hello\n"] {
			return fmt.Errorf("so far %v answer, %w", seen, err)
		}
		return nil
	})
	if n := failures(); n > 0 {
		t.Errorf("%d connections failed", n)
	}
	if now := d.reloads(); now != reloads {
		t.Errorf("changes of endpoints reloaded NGINX %v times", now-reloads)
	}

	d.write("pods.yaml", linePods())
	d.eventually(5*time.Second, "without pods, connections are closed", func() error {
		if got, err := says("tcp", 18611, "hello\n"); err == nil {
			return fmt.Errorf("the answer is %q", got)
		}
		return nil
	})
	d.write("pods.yaml", linePods(2))
	d.eventually(5*time.Second, "tcp is answered again", answers("tcp", 18611, 2))
}

// connectsAllTheWhile has clients connect until failures is called, which says how many were not answered.
func connectsAllTheWhile(t *testing.T) (failures func() int64) {
	t.Helper()
	var failed atomic.Int64
	stop, clients := make(chan struct{}), sync.WaitGroup{}
	for range 4 {
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if got, err := says("tcp", 18611, "hello\n"); err != nil {
					failed.Add(1)
					t.Logf("%q: %v", got, err)
				}
			}
		})
	}
	return sync.OnceValue(func() int64 {
		close(stop)
		clients.Wait()
		return failed.Load()
	})
}

// Pods have their former port until they end, so that a change of it costs nobody a connection.
func TestStreamsGetAnotherPort(t *testing.T) {
	const other = 10 // what pods add to their number at the other port
	for n := 1; n <= 2; n++ {
		startLinePod(t, n)
		startLines(t, n, otherLinePort, n+other)
	}
	d := startStreams(t, 1, 2)
	d.eventually(5*time.Second, "tcp is answered", answers("tcp", 18611, 1))
	failures := connectsAllTheWhile(t)
	for range 20 {
		d.write("pods.yaml", linePodsAt(otherLinePort, 1, 2))
		d.eventually(5*time.Second, "the other port answers", answers("tcp", 18611, 1+other))
		d.write("pods.yaml", linePodsAt(linePort, 1, 2))
		d.eventually(5*time.Second, "the former port answers", answers("tcp", 18611, 1))
	}
	if n := failures(); n > 0 {
		t.Errorf("%d connections failed", n)
	}
}

// An entry whose port somebody else has is left out, and everything else goes ahead.
func TestStreamsDoWithoutAPortThatIsTaken(t *testing.T) {
	startLinePod(t, 1)
	startLinePod(t, 2)
	d := startStreams(t, 1)
	d.eventually(5*time.Second, "tcp is answered", answers("tcp", 18611, 1))
	other, err := net.Listen("tcp", ":18616")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	d.write("services.yaml", strings.Replace(streamServices, `"18611"`, `"18616": shop/lines:9000`+"\n  "+`"18617": shop/lines:9000`+"\n  "+`"18611"`, 1))
	d.eventually(20*time.Second, "the log says whose port is taken", d.logs("NGINX refused the configuration because of an object", "ConfigMap sluice/tcp", "data.18616"))
	d.eventually(20*time.Second, "the entry that came with it is answered", answers("tcp", 18617, 1))
	d.write("pods.yaml", linePods(2))
	d.eventually(5*time.Second, "pods go on changing", answers("tcp", 18611, 2))
}

// A pod that refuses connections costs no client its connection, whether NGINX has it from its file or was told of it.
func TestStreamsTryOtherPods(t *testing.T) {
	startLinePod(t, 2)
	d := startStreams(t, 1, 2)
	check := func() {
		t.Helper()
		for range 40 {
			if err := answers("tcp", 18611, 2)(); err != nil {
				t.Fatal(err)
			}
		}
	}
	d.eventually(5*time.Second, "tcp is answered", answers("tcp", 18611, 2))
	check()
	stop := startLinePod(t, 3)
	d.write("pods.yaml", linePods(2, 3))
	d.eventually(5*time.Second, "the new pod answers", answers("tcp", 18611, 3))
	stop()
	check()
}

// The PROXY protocol is understood and spoken where the entry says so.
func TestStreamsSpeakPROXY(t *testing.T) {
	startLinePod(t, 1)
	d := startStreams(t, 1)
	d.eventually(5*time.Second, "tcp is answered", answers("tcp", 18611, 1))
	const header = "PROXY TCP4 192.0.2.7 127.0.0.1 4711 18613\r\n"
	got := map[string]string{}
	for name, try := range map[string]struct {
		port int
		text string
	}{
		"neither": {18611, "hello\n"}, "in": {18614, header + "hello\n"}, "in and out": {18613, header + "hello\n"},
		"out": {18612, "hello\n"},
	} {
		connection, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", try.port))
		if err != nil {
			t.Fatal(err)
		}
		defer connection.Close()
		if err := connection.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(connection, try.text); err != nil {
			t.Fatal(err)
		}
		in := bufio.NewReader(connection)
		for !strings.Contains(got[name], "hello") {
			line, err := in.ReadString('\n')
			if err != nil {
				t.Fatalf("%s: %q, then %v", name, got[name], err)
			}
			got[name] += line
		}
		if port := fmt.Sprint(connection.LocalAddr().(*net.TCPAddr).Port); name == "out" {
			got[name] = strings.ReplaceAll(got[name], port, "PORT")
		}
	}
	want := map[string]string{
		"neither": "1 hello\n", "in": "1 hello\n", "out": "1 PROXY TCP4 127.0.0.1 127.0.0.1 PORT 18612\n1 hello\n",
		"in and out": "1 PROXY TCP4 192.0.2.7 127.0.0.1 4711 18613\n1 hello\n",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("pods get (-want +got):\n%s", diff)
	}
	if got, err := says("tcp", 18613, "no header\n"); err == nil {
		t.Errorf("without a header the answer is %q", got)
	}
}

// A master that dies, and a controller that does, cost streams nothing for long: what starts has the newest endpoints.
func TestStreamsSurviveTheMaster(t *testing.T) {
	startLinePod(t, 1)
	startLinePod(t, 2)
	d := startStreams(t, 1)
	d.eventually(5*time.Second, "tcp is answered", answers("tcp", 18611, 1))
	d.write("pods.yaml", linePods(2))
	d.eventually(5*time.Second, "the new pod answers", answers("tcp", 18611, 2))
	text, err := os.ReadFile(filepath.Join(d.state, "nginx.pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.Fields(string(text))[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	d.eventually(10*time.Second, "another master is there", func() error {
		now, err := os.ReadFile(filepath.Join(d.state, "nginx.pid"))
		if err == nil && string(now) == string(text) {
			err = errors.New("it is the same")
		}
		return errors.Join(err, d.probe("/readyz"))
	})
	for range 20 {
		if err := answers("tcp", 18611, 2)(); err != nil {
			t.Fatal(err)
		}
	}
	d.write("pods.yaml", linePods(1))
	d.eventually(5*time.Second, "the other pod answers", answers("tcp", 18611, 1))
	d.eventually(5*time.Second, "udp is answered", answers("udp", 18615, 1))
}

// vault is a host whose TLS ends at its pod.
const vault = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: vault, namespace: shop, annotations: {nginx.ingress.kubernetes.io/ssl-passthrough: "true"}}
spec: {rules: [{host: vault.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: vault, port: {number: 443}}}}]}}]}
---
apiVersion: v1
kind: Service
metadata: {name: vault, namespace: shop}
spec: {ports: [{port: 443}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: vault-1, namespace: shop, labels: {kubernetes.io/service-name: vault}}
addressType: IPv4
ports: [{port: 18641, name: ""}]
endpoints: [{addresses: [127.0.30.9]}]
`

// askFrom sends a request for a host over TLS from an address of its own, and says that it comes from elsewhere.
func askFrom(address, host string) (*http.Response, string, error) {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}, Timeout: 5 * time.Second}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{ServerName: host, InsecureSkipVerify: true}, //nolint:gosec // who answers is compared
		DialContext:     dialer.DialContext, ForceAttemptHTTP2: true,
	}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequest(http.MethodGet, "https://127.0.0.1:18602/", nil)
	if err != nil {
		return nil, "", err
	}
	request.Host = host
	request.Header.Set("X-Forwarded-For", "203.0.113.9")
	response, err := (&http.Client{Transport: transport, Timeout: 5 * time.Second}).Do(request)
	if err != nil {
		return nil, "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response, string(body), err
}

// TLS for one host ends at its pods, that of its neighbour here, which knows who its clients are.
func TestPassthrough(t *testing.T) {
	for _, mode := range []string{"compiled", "dynamic"} {
		t.Run(mode, func(t *testing.T) { passThrough(t, mode) })
	}
}

func passThrough(t *testing.T, mode string) {
	_, pair := certificate(t)
	pods.Start(t, podAddress(1), "web", nil)
	pods.Start(t, "127.0.30.9:18641", "vault", &pair)
	manifests := shop("shop.test", 1)
	manifests["vault.yaml"] = vault
	d := startDaemon(t, ports{18601, 18602, 18603}, manifests, "--enable-ssl-passthrough", "--stream-port", "18604", "--routing", mode)
	own, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	d.eventually(5*time.Second, "TLS of the host ends at its pod", func() error {
		response, body, err := askFrom("127.0.44.7", "vault.test")
		if err == nil && !response.TLS.PeerCertificates[0].Equal(own) {
			err = errors.New("the certificate is not the pod's")
		}
		if err == nil && !strings.Contains(body, `"service":"vault"`) {
			err = fmt.Errorf("the pod does not answer: %s", body)
		}
		return err
	})
	response, body, err := askFrom("127.0.44.7", "shop.test")
	if err != nil {
		t.Fatal(err)
	}
	if response.TLS.PeerCertificates[0].Equal(own) || response.StatusCode != http.StatusOK || response.ProtoMajor != 2 {
		t.Errorf("the neighbour answers %s over %s", response.Status, response.Proto)
	}
	for _, want := range []string{`"X-Real-Ip":["127.0.44.7"]`, `"X-Forwarded-For":["127.0.44.7"]`, `"X-Forwarded-Port":["443"]`} {
		if !strings.Contains(body, want) {
			t.Errorf("the neighbour's pod gets no %s: %s", want, body)
		}
	}
	if status, pod, err := d.get("vault.test", "/"); err != nil || status != http.StatusOK || pod != "127.0.30.9:18641" {
		t.Errorf("in the clear, the host answers %d by %q, %v", status, pod, err)
	}
}

const lettingText = `
apiVersion: v1
kind: ConfigMap
metadata: {name: controller, namespace: sluice}
data: {allow-snippet-annotations: "true", annotations-risk-level: Critical}
`

// streaming is an Ingress with directives of streams.
func streaming(name, text string) string {
	return fmt.Sprintf(`
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: %s, namespace: shop, annotations: {kubernetes.io/ingress.class: nginx, nginx.ingress.kubernetes.io/stream-snippet: %q}}
spec:
  rules:
  - {host: %[1]s.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: lines, port: {number: 9000}}}}]}}
`, name, text)
}

// Text that NGINX refuses, and a port that another program has, cost the Ingress that has them and nobody else.
func TestStreamSnippetsThatNGINXRefuses(t *testing.T) {
	startLinePod(t, 1)
	other, err := net.Listen("tcp", "127.0.0.1:18625")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	serving := func(port int) string {
		return fmt.Sprintf("server { listen 127.0.0.1:%d; proxy_pass %s; }", port, net.JoinHostPort(podIP(1), strconv.Itoa(linePort)))
	}
	for name := range modes {
		t.Run(name, func(t *testing.T) {
			d := startDaemon(t, ports{18601, 18602, 18603}, map[string]string{"services.yaml": streamServices, "config.yaml": lettingText, "fine.yaml": streaming("fine", serving(18621))},
				"--configmap", "sluice/controller", "--stream-port", "18604", "--routing", name)
			d.eventually(10*time.Second, "the text is in force", answers("tcp", 18621, 1))
			d.write("bad.yaml", streaming("bad", "server { listen 127.0.0.1:18622; proxy_pass nobody.invalid:1; }"))
			d.eventually(20*time.Second, "the log says whose text is refused", d.logs("NGINX refused the configuration because of an object", "Ingress shop/bad", "annotations[nginx.ingress.kubernetes.io/stream-snippet]"))
			d.write("taken.yaml", streaming("taken", serving(18625)))
			d.eventually(20*time.Second, "the log says whose port is taken", d.logs("NGINX refused the configuration because of an object", "Ingress shop/taken", "bind() to 127.0.0.1:18625 failed"))
			d.write("more.yaml", streaming("more", serving(18623)))
			for _, port := range []int{18621, 18623} {
				d.eventually(20*time.Second, fmt.Sprintf("port %d is answered", port), answers("tcp", port, 1))
			}
			d.write("fine.yaml", streaming("fine", serving(18624)))
			d.eventually(20*time.Second, "another text is in force", answers("tcp", 18624, 1))
		})
	}
}
