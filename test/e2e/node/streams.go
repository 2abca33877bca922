package node

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/remotecommand"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"
)

// kubeletPort is where the API server asks kubelets.
const kubeletPort = 10250

// serveStreams answers the API server's requests for logs, and to execute commands in containers. Who asks is not checked: nobody
// else reaches the address, as all of the cluster is in one network namespace.
func (a *Agent) serveStreams(ctx context.Context) error {
	certificate, err := selfSigned()
	if err != nil {
		return err
	}
	address := net.JoinHostPort(a.IP.String(), strconv.Itoa(kubeletPort))
	// HTTP/2 has no upgrades, which streams begin with.
	listener, err := tls.Listen("tcp", address, &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"http/1.1"}})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", a.serveLog)
	mux.HandleFunc("POST /exec/{namespace}/{pod}/{container}", a.serveExec)
	server := &http.Server{Handler: mux, ErrorLog: slog.NewLogLogger(a.Log.Handler(), slog.LevelInfo)}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			a.Log.Error("logs and commands are not served", "error", err)
		}
	}()
	return nil
}

func selfSigned() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(365 * 24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// serveLog sends all that a container has printed so far. Options are not looked at.
func (a *Agent) serveLog(w http.ResponseWriter, r *http.Request) {
	name := fmt.Sprintf("%s_%s_%s.log", r.PathValue("namespace"), r.PathValue("pod"), r.PathValue("container"))
	log, err := os.Open(filepath.Join(a.Logs, filepath.Base(name)))
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	defer log.Close()
	_, _ = io.Copy(w, log) // who does not want the rest has gone
}

// running finds the process of a container.
func (a *Agent) running(namespace, name, containerName string) *process {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range a.pods {
		if p.object.Namespace != namespace || p.object.Name != name {
			continue
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, c := range p.containers {
			if c.spec.Name == containerName && c.status.State.Running != nil {
				return c.process
			}
		}
	}
	return nil
}

// serveExec runs a command with a stream for each of its standard files, and tells its exit status by one more. There are no terminals.
func (a *Agent) serveExec(w http.ResponseWriter, r *http.Request) {
	process := a.running(r.PathValue("namespace"), r.PathValue("pod"), r.PathValue("container"))
	if process == nil {
		http.Error(w, "the container does not run", http.StatusNotFound)
		return
	}
	query := r.URL.Query()
	wanted := map[string]bool{corev1.StreamTypeError: true}
	for parameter, kind := range map[string]string{"input": corev1.StreamTypeStdin, "output": corev1.StreamTypeStdout, "error": corev1.StreamTypeStderr} {
		if query.Get(parameter) == "1" {
			wanted[kind] = true
		}
	}
	if _, err := httpstream.Handshake(r, w, []string{remotecommand.StreamProtocolV5Name, remotecommand.StreamProtocolV4Name}); err != nil {
		return // it has answered
	}
	opened := make(chan httpstream.Stream, len(wanted))
	connection := spdy.NewResponseUpgrader().UpgradeResponse(w, r, func(stream httpstream.Stream, replied <-chan struct{}) error {
		go func() {
			<-replied
			opened <- stream
		}()
		return nil
	})
	if connection == nil {
		return // it has answered
	}
	defer connection.Close()
	streams := map[string]httpstream.Stream{}
	for range wanted {
		select {
		case stream := <-opened:
			streams[stream.Headers().Get(corev1.StreamType)] = stream
		case <-connection.CloseChan():
			return
		}
	}
	files := stdio{}
	if in := streams[corev1.StreamTypeStdin]; in != nil {
		files.in = in
	}
	if out := streams[corev1.StreamTypeStdout]; out != nil {
		files.out = out
	}
	if problems := streams[corev1.StreamTypeStderr]; problems != nil {
		files.err = problems
	}
	_ = json.NewEncoder(streams[corev1.StreamTypeError]).Encode(statusOf(process.join(r.Context(), query["command"], files))) // who asked has gone
}

// statusOf is how the end of a command is told.
func statusOf(err error) metav1.Status {
	var ended *exec.ExitError
	switch {
	case err == nil:
		return metav1.Status{Status: metav1.StatusSuccess}
	case errors.As(err, &ended):
		return metav1.Status{
			Status: metav1.StatusFailure, Reason: remotecommand.NonZeroExitCodeReason, Message: err.Error(),
			Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{Type: remotecommand.ExitCodeCauseType, Message: strconv.Itoa(ended.ExitCode())}}},
		}
	}
	return metav1.Status{Status: metav1.StatusFailure, Reason: metav1.StatusReasonInternalError, Message: err.Error()}
}
