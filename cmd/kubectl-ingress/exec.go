package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/remotecommand"
	utilexec "k8s.io/client-go/util/exec"
	"k8s.io/streaming/pkg/httpstream"
)

// execute runs a command in a container. It needs the right to create pods/exec.
func (k *kube) execute(ctx context.Context, pod *corev1.Pod, o *corev1.PodExecOptions, streams remotecommand.StreamOptions) error {
	o.Stdin, o.Stdout, o.Stderr, o.TTY = streams.Stdin != nil, true, streams.Stderr != nil, streams.Tty
	request := k.api.CoreV1().RESTClient().Post().Resource("pods").Namespace(pod.Namespace).Name(pod.Name).SubResource("exec").
		VersionedParams(o, scheme.ParameterCodec)
	spdy, err := remotecommand.NewSPDYExecutor(k.config, "POST", request.URL())
	if err != nil {
		return fmt.Errorf("prepare a command in pod %s: %w", pod.Name, err)
	}
	socket, err := remotecommand.NewWebSocketExecutor(k.config, "GET", request.URL().String())
	if err != nil {
		return fmt.Errorf("prepare a command in pod %s: %w", pod.Name, err)
	}
	// As kubectl does: API servers before 1.29 know no WebSockets here.
	executor, err := remotecommand.NewFallbackExecutor(socket, spdy, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	})
	if err != nil {
		return fmt.Errorf("prepare a command in pod %s: %w", pod.Name, err)
	}
	return executor.StreamWithContext(ctx, streams)
}

// ask runs `sluice debug` beside the NGINX of a pod, and returns what it prints.
func (k *kube) ask(ctx context.Context, c *controllerSeen, pod *corev1.Pod, words ...string) ([]byte, error) {
	var out, problems bytes.Buffer
	command := append([]string{"sluice", "debug", "--state-dir=" + c.stateDir}, words...)
	err := k.execute(ctx, pod, &corev1.PodExecOptions{Container: c.nginx, Command: command}, remotecommand.StreamOptions{Stdout: &out, Stderr: &problems})
	if err != nil {
		return nil, fmt.Errorf("run sluice debug %s in pod %s: %w: %s", words[0], pod.Name, err, strings.TrimSpace(plain(problems.String())))
	}
	return out.Bytes(), nil
}

// answer is what some pods say alike.
type answer struct {
	pods []string
	text []byte
}

// askAll asks all running pods, and puts together those that say the same.
func (k *kube) askAll(ctx context.Context, c *controllerSeen, words ...string) ([]answer, error) {
	var all []answer
	pods := k.asked(c)
	if len(pods) == 0 {
		return nil, fmt.Errorf("%s has no running pod", c)
	}
	for _, pod := range pods {
		text, err := k.ask(ctx, c, pod, words...)
		if err != nil {
			return nil, err
		}
		at := slices.IndexFunc(all, func(a answer) bool { return bytes.Equal(a.text, text) })
		if at < 0 {
			all, at = append(all, answer{text: text}), len(all)
		}
		all[at].pods = append(all[at].pods, pod.Name)
	}
	if len(all) > 1 {
		k.note("the pods differ: %d different answers of %d pods", len(all), len(pods))
	}
	return all, nil
}

func execCommand(k *kube) *cobra.Command {
	var tty, stdin bool
	var container string
	cmd := &cobra.Command{
		Use:   "exec [-i] [-t] -- COMMAND [ARG...]",
		Short: "Run a command in a pod of the controller, beside NGINX",
		Args:  cobra.MinimumNArgs(1),
		RunE: k.run(func(ctx context.Context, args []string) error {
			return k.interact(ctx, container, args, stdin, tty)
		}),
	}
	cmd.Flags().BoolVarP(&tty, "tty", "t", false, "give it a terminal")
	cmd.Flags().BoolVarP(&stdin, "stdin", "i", false, "pass standard input on")
	cmd.Flags().StringVar(&container, "container", "", "container of the pod, if not the one that runs NGINX")
	return cmd
}

func sshCommand(k *kube) *cobra.Command {
	var container string
	cmd := &cobra.Command{
		Use:   "ssh",
		Short: "Open a shell in a pod of the controller",
		Args:  cobra.NoArgs,
		RunE: k.run(func(ctx context.Context, _ []string) error {
			return k.interact(ctx, container, []string{"/bin/bash"}, true, true)
		}),
	}
	cmd.Flags().StringVar(&container, "container", "", "container of the pod, if not the one that runs NGINX")
	return cmd
}

// interact runs a command with our standard streams, and ends as it does.
func (k *kube) interact(ctx context.Context, container string, command []string, stdin, tty bool) error {
	c, err := k.chosen(ctx)
	if err != nil {
		return err
	}
	pod, err := k.one(c)
	if err != nil {
		return err
	}
	if container == "" {
		container = c.nginx
	}
	streams := remotecommand.StreamOptions{Stdout: k.Out, Stderr: k.ErrOut}
	if stdin {
		streams.Stdin = k.In
	}
	if file, isFile := k.In.(*os.File); tty && isFile && term.IsTerminal(int(file.Fd())) {
		streams.Tty, streams.Stderr = true, nil
		before, err := term.MakeRaw(int(file.Fd()))
		if err != nil {
			return fmt.Errorf("prepare the terminal: %w", err)
		}
		defer func() { _ = term.Restore(int(file.Fd()), before) }() // it is ours no more
	}
	err = k.execute(ctx, pod, &corev1.PodExecOptions{Container: container, Command: command}, streams)
	var ended utilexec.CodeExitError
	if errors.As(err, &ended) {
		return exitStatus(ended.Code)
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
