//go:build integration

package integration

import (
	"bufio"
	"fmt"
	"net"
	"strconv"
	"sync"
	"testing"
)

const linePort, datagramPort, otherLinePort = 18631, 18632, 18633

func linePods(numbers ...int) string { return linePodsAt(linePort, numbers...) }

func linePodsAt(port int, numbers ...int) string {
	text := fmt.Sprintf(`
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: lines-1, namespace: shop, labels: {kubernetes.io/service-name: lines}}
addressType: IPv4
ports: [{name: main, port: %d}, {name: datagrams, port: %d, protocol: UDP}]
endpoints:
`, port, datagramPort)
	for _, n := range numbers {
		text += fmt.Sprintf("- {addresses: [%s]}\n", podIP(n))
	}
	return text
}

// startLinePod answers each line, by TCP, and each datagram with its number and what it got.
func startLinePod(t testing.TB, n int) (stop func()) {
	t.Helper()
	stopLines := startLines(t, n, linePort, n)
	packets, err := net.ListenPacket("udp", net.JoinHostPort(podIP(n), strconv.Itoa(datagramPort)))
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for buffer := make([]byte, 2000); ; {
			size, from, err := packets.ReadFrom(buffer)
			if err != nil {
				return
			}
			_, _ = packets.WriteTo(fmt.Appendf(nil, "%d %s", n, buffer[:size]), from)
		}
	}()
	stop = sync.OnceFunc(func() { stopLines(); packets.Close() })
	t.Cleanup(stop)
	return stop
}

// startLines answers each line that comes to a port of a pod with a number and the line.
func startLines(t testing.TB, pod, port, number int) (stop func()) {
	t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(podIP(pod), strconv.Itoa(port)))
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer connection.Close()
				for in := bufio.NewScanner(connection); in.Scan(); {
					fmt.Fprintf(connection, "%d %s\n", number, in.Text())
				}
			}()
		}
	}()
	stop = sync.OnceFunc(func() { listener.Close() })
	t.Cleanup(stop)
	return stop
}
