//go:build integration

package integration

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// shops are Ingresses of one path each, with annotations by key without prefix.
func shops(hosts []string, annotations ...string) string {
	var b strings.Builder
	for n, host := range hosts {
		metadata := fmt.Sprintf("{name: web-%d, namespace: shop, annotations: {%s}}", n, strings.Join(annotations, ", "))
		one := strings.Replace(shopIngress(host, "/"), "{name: web, namespace: shop}", metadata, 1)
		b.WriteString("---\n" + one)
	}
	return b.String()
}

func TestNewHostsNeedNoReload(t *testing.T) {
	startPods(t, 1, 2)
	d := startDaemon(t, ports{18581, 18582, 18583}, shop("shop.test", 1), "--routing=dynamic")
	if err := d.serves("shop.test", "/", 200, podAddress(1))(); err != nil {
		t.Fatal(err)
	}
	reloads := d.reloads()

	hosts := []string{"one.test", "two.test", "*.wild.test"}
	d.write("more.yaml", shops(hosts))
	took := d.eventually(time.Second, "a new host is live", d.serves("two.test", "/", 200, ""))
	t.Logf("a new host was live after %s", took)
	d.eventually(time.Second, "a wildcard is", d.serves("a.wild.test", "/", 200, ""))
	d.write("ingress.yaml", shopIngress("shop.test", "/only"))
	d.eventually(time.Second, "a path that is gone answers 404", d.serves("shop.test", "/", 404, ""))
	d.eventually(time.Second, "the new one is live", d.serves("shop.test", "/only", 200, ""))
	d.write("more.yaml", shops(hosts[:1]))
	d.eventually(time.Second, "a host that is gone answers 404", d.serves("two.test", "/", 404, ""))
	d.write("pods.yaml", shopPods(2))
	d.eventually(time.Second, "the new pod answers", d.serves("one.test", "/", 200, podAddress(2)))
	if now := d.reloads(); now != reloads {
		t.Errorf("changes of routes reloaded NGINX %v times", now-reloads)
	}

	d.write("more.yaml", shops(hosts, `nginx.ingress.kubernetes.io/proxy-body-size: "2m"`))
	d.eventually(2*time.Second, "settings that were never seen are live", d.serves("two.test", "/", 200, ""))
	d.eventually(time.Second, "the log says what needed them", d.logs("needs another configuration", `object="Ingress shop/`, "annotations[nginx.ingress.kubernetes.io/proxy-body-size]"))
	metrics, err := d.fetch("/metrics")
	if err != nil {
		t.Fatal(err)
	}
	counted := regexp.MustCompile(`(?m)^sluice_reload_causes_total\{field="metadata.annotations\[nginx.ingress.kubernetes.io/proxy-body-size\]",object="Ingress shop/[^"]*"\} 1$`)
	if !counted.MatchString(metrics) {
		t.Error("the metrics do not count the cause")
	}
	if now := d.reloads(); now != reloads+1 {
		t.Errorf("there were %v reloads, not one", now-reloads)
	}
}

// What NGINX reads when it starts alone leads to all routes.
func TestRoutesSurviveTheirNGINX(t *testing.T) {
	startPods(t, 1)
	d := startDaemon(t, ports{18581, 18582, 18583}, shop("shop.test", 1), "--routing=dynamic")
	d.write("more.yaml", shops([]string{"late.test"}))
	d.eventually(time.Second, "a new host is live", d.serves("late.test", "/", 200, ""))
	for _, host := range []string{"late.test", "shop.test"} {
		killNGINX(t, d.state)
		d.eventually(2*time.Second, host+" is served by a new NGINX", d.serves(host, "/", 200, podAddress(1)))
	}
}

// Connections live on through any number of changes of routes: here an answer that takes as long as all of them, and a WebSocket.
func TestConnectionsOutliveAThousandRoutes(t *testing.T) {
	const changes = 1000
	ended := make(chan struct{})
	startLongPod(t, podAddress(9), ended)
	d := startDaemon(t, ports{18581, 18582, 18583}, shop("shop.test", 9), "--routing=dynamic")
	reloads, workers := d.reloads(), processes(d.state)
	answer := d.beginAnswer("shop.test")
	socket, _, err := websocket.DefaultDialer.Dial(fmt.Sprintf("ws://127.0.0.1:%d/socket", d.ports.http), http.Header{"Host": {"shop.test"}})
	if err != nil {
		t.Fatalf("begin a WebSocket: %v", err)
	}
	defer socket.Close()

	for n := range changes {
		host := fmt.Sprintf("host-%d.test", n)
		d.write("more.yaml", shops([]string{host}))
		d.eventually(time.Second, host+" is live", d.serves(host, "/quick", 200, ""))
		if err := socket.WriteMessage(websocket.TextMessage, []byte(host)); err != nil {
			t.Fatalf("the WebSocket broke at change %d: %v", n, err)
		}
		if _, echo, err := socket.ReadMessage(); string(echo) != host {
			t.Fatalf("the WebSocket broke at change %d: %q, %v", n, echo, err)
		}
	}
	close(ended)
	if rest, err := io.ReadAll(answer); string(rest) != "ended\n" || err != nil {
		t.Errorf("the answer ends in %q, %v", rest, err)
	}
	if now := d.reloads(); now != reloads {
		t.Errorf("%d changes reloaded NGINX %v times", changes, now-reloads)
	}
	if now := processes(d.state); !slices.Equal(slices.Sorted(slices.Values(now)), slices.Sorted(slices.Values(workers))) {
		t.Errorf("processes were %v and are %v", workers, now)
	}
}

// startLongPod plays a pod whose answers take until ended is closed, but for those of /quick, and which gives back at /socket what
// a WebSocket brings.
func startLongPod(t *testing.T, address string, ended <-chan struct{}) {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/quick", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/socket", func(w http.ResponseWriter, r *http.Request) {
		socket, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			return // the client is told
		}
		defer socket.Close()
		for {
			kind, message, err := socket.ReadMessage()
			if err != nil || socket.WriteMessage(kind, message) != nil {
				return
			}
		}
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "began")
		_ = http.NewResponseController(w).Flush() // the client sees
		<-ended
		fmt.Fprintln(w, "ended")
	})
	pod := &http.Server{Handler: mux}
	go func() { _ = pod.Serve(listener) }()
	t.Cleanup(func() { pod.Close() })
}

// beginAnswer asks a host for an answer, and returns what follows its first line.
func (d *daemon) beginAnswer(host string) io.Reader {
	d.t.Helper()
	request, err := http.NewRequest(http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/", d.ports.http), nil)
	if err != nil {
		d.t.Fatal(err)
	}
	request.Host = host
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { response.Body.Close() })
	answer := bufio.NewReader(response.Body)
	if line, err := answer.ReadString('\n'); line != "began\n" {
		d.t.Fatalf("%s: %q, %v", response.Status, line, err)
	}
	return answer
}

// A host that gets settings of its own for its server, or loses them, changes its server block: it is served all the while, also by
// workers that have it in the former one.
func TestHostsMoveUnderLoad(t *testing.T) {
	startPods(t, 1)
	manifests := shop("shop.test", 1)
	manifests["configmap.yaml"] = `
apiVersion: v1
kind: ConfigMap
metadata: {name: controller, namespace: ingress-nginx}
data: {allow-snippet-annotations: parsed}
`
	d := startDaemon(t, ports{18581, 18582, 18583}, manifests, "--routing=dynamic", "--configmap=ingress-nginx/controller")
	d.write("staying.yaml", shops([]string{"staying.test"}, snippet("one")))
	reloaded := 0
	moved := func() error {
		if now := d.reloads(); now < float64(reloaded) {
			return fmt.Errorf("%v reloads so far", now)
		}
		return nil
	}
	reloaded++
	d.eventually(5*time.Second, "there is a host with settings of its own", moved)
	moving, staying := startLoad(d, "shop.test", 500), startLoad(d, "staying.test", 200)
	for range 4 {
		for _, settings := range []string{snippet("one"), "", snippet("two"), snippet("three"), ""} {
			reloaded++
			d.write("ingress.yaml", strings.Replace(shopIngress("shop.test", "/"), "{name: web,", "{name: web, annotations: {"+settings+"},", 1))
			d.eventually(10*time.Second, "the host has moved", moved)
		}
	}
	moving.end(t, "moves")
	staying.end(t, "moves of another host")
	if err := d.logs("needs another configuration", `object="Ingress shop/web"`, "annotations[nginx.ingress.kubernetes.io/server-snippet]")(); err != nil {
		t.Error(err)
	}
	if err := d.logs("needs another configuration", `object="Ingress shop/web"`, "spec.rules")(); err == nil {
		t.Error("the log blames rules that did not change")
	}
}

func snippet(value string) string {
	return `nginx.ingress.kubernetes.io/server-snippet: "add_header X-Own ` + value + `;"`
}
