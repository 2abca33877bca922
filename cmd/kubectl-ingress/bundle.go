package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/sluice-ingress/sluice/controller/diagnosis"
)

func bundleCommand(k *kube) *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "bundle [--file FILE]",
		Short: "Write what somebody needs who is to help: findings, Ingresses, nginx.conf, logs; no Secrets",
		Args:  cobra.NoArgs,
		RunE: k.run(func(ctx context.Context, _ []string) error {
			if path == "" {
				path = "sluice-" + time.Now().UTC().Format("20060102-150405") + ".tar.gz"
			}
			files, err := k.bundle(ctx)
			if err != nil {
				return err
			}
			file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			if err != nil {
				return fmt.Errorf("write the bundle: %w", err)
			}
			if err := errors.Join(pack(file, files, time.Now()), file.Close()); err != nil {
				return fmt.Errorf("write the bundle: %w", err)
			}
			fmt.Fprintln(k.Out, path)
			return nil
		}),
	}
	cmd.Flags().StringVar(&path, "file", "", "file that is written; it must not exist")
	return cmd
}

type bundled struct {
	name string
	text []byte
}

// bundle gathers the files. Neither Secrets nor ConfigMaps of users are among them, and nginx.conf names files of keys only.
func (k *kube) bundle(ctx context.Context) ([]bundled, error) {
	evidence, err := k.evidence(ctx)
	if err != nil {
		return nil, err
	}
	var findings bytes.Buffer
	printFindings(&findings, diagnosis.Examine(evidence), true)
	files := []bundled{{"doctor.txt", findings.Bytes()}}
	for _, c := range evidence.Controllers {
		if c.IsForeign {
			continue
		}
		dir := c.Name.Namespace + "_" + c.Name.Name + "/"
		for _, one := range []struct {
			name  string
			value any
		}{{"ingresses.yaml", c.Plan.Claimed}, {"classes.yaml", slices.Collect(maps.Values(maps.Collect(c.Plan.Snapshot.Classes.All())))}, {"problems.yaml", c.Plan.Problems}, {"pods.yaml", podsWithoutSecrets(c.Pods)}} {
			text, err := yaml.Marshal(one.value)
			if err != nil {
				return nil, fmt.Errorf("write %s: %w", one.name, err)
			}
			files = append(files, bundled{dir + one.name, text})
		}
		for _, f := range c.Plan.Files.List {
			if f.Name == "nginx.conf" || f.Name == "upstreams.conf" {
				files = append(files, bundled{dir + f.Name, f.Content})
			}
		}
		for _, pod := range c.Pods {
			for _, container := range pod.Spec.Containers {
				files = append(files, bundled{dir + pod.Name + "_" + container.Name + ".log", k.lastLines(ctx, pod, container.Name)})
			}
		}
	}
	return files, nil
}

// lastLines are the end of a log, or why it cannot be read.
func (k *kube) lastLines(ctx context.Context, pod *corev1.Pod, container string) []byte {
	const longest = 4 << 20
	lines := int64(5000)
	var text bytes.Buffer
	stream, err := k.api.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &corev1.PodLogOptions{Container: container, TailLines: &lines}).Stream(ctx)
	if err == nil {
		defer stream.Close()
		_, err = io.Copy(&text, io.LimitReader(stream, longest))
	}
	if err != nil {
		fmt.Fprintf(&text, "the log cannot be read: %v\n", err)
	}
	return text.Bytes()
}

// podsWithoutSecrets leaves out values of environments: some people keep passwords there.
func podsWithoutSecrets(pods []*corev1.Pod) []*corev1.Pod {
	var list []*corev1.Pod
	for _, pod := range pods {
		pod = pod.DeepCopy()
		pod.ManagedFields, pod.Annotations = nil, nil
		for i := range pod.Spec.Containers {
			for j := range pod.Spec.Containers[i].Env {
				if e := &pod.Spec.Containers[i].Env[j]; e.Value != "" {
					e.Value = "(left out)"
				}
			}
		}
		list = append(list, pod)
	}
	return list
}

func pack(w io.Writer, files []bundled, now time.Time) error {
	compressed := gzip.NewWriter(w)
	archive := tar.NewWriter(compressed)
	for _, f := range files {
		header := &tar.Header{Name: "sluice-bundle/" + f.name, Mode: 0o600, Size: int64(len(f.text)), ModTime: now}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		if _, err := archive.Write(f.text); err != nil {
			return err
		}
	}
	return errors.Join(archive.Close(), compressed.Close())
}
