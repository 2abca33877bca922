//go:build e2e

package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-ingress/sluice/test/e2e/suite"
)

func TestVolumesOfARunningPodFollowTheirObjects(t *testing.T) {
	c := newCluster(t)
	suite.Apply(t, c.namespace, `{apiVersion: v1, kind: ConfigMap, metadata: {name: words}, data: {one: hello, two: gone}}`)
	suite.Apply(t, c.namespace, echo)
	c.waitReady(3)
	c.patch("echo", `{"spec": {"replicas": 1, "template": {"spec": {
		"containers": [{"name": "echo", "volumeMounts": [{"name": "all", "mountPath": "/all"}, {"name": "word", "mountPath": "/word", "subPath": "one"}]}],
		"volumes": [
			{"name": "all", "projected": {"sources": [
				{"configMap": {"name": "words"}}, {"secret": {"name": "later", "optional": true}},
				{"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels['extra']"}}]}}]}},
			{"name": "word", "configMap": {"name": "words"}}]}}}}`)
	c.waitGeneration()
	address := c.waitReady(1)[0]
	want := func(file, text string) {
		t.Helper()
		suite.Within(t, soon, func() error {
			if got := c.file(address, file); got != text {
				return fmt.Errorf("%s holds %q, want %q", file, got, text)
			}
			return nil
		})
	}
	want("/all/one", "hello")
	want("/all/labels", "")

	suite.Apply(t, c.namespace, `{apiVersion: v1, kind: ConfigMap, metadata: {name: words}, data: {one: goodbye}}`)
	suite.Apply(t, c.namespace, `{apiVersion: v1, kind: Secret, metadata: {name: later}, stringData: {three: here}}`)
	pod := c.endpoint(address).TargetRef.Name
	label := []byte(`{"metadata": {"labels": {"extra": "new"}}}`)
	if _, err := suite.Client(t).CoreV1().Pods(c.namespace).Patch(t.Context(), pod, types.MergePatchType, label, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	want("/all/one", "goodbye")
	want("/all/two", "404 page not found\n")
	want("/all/three", "here")
	want("/all/labels", "new")
	want("/word", "hello") // a part of a volume stays as it was, as with a kubelet
}

// file is one of an echo pod.
func (c cluster) file(address, name string) string {
	c.Helper()
	response, err := http.Get("http://" + address + ":8080/files" + name)
	if err != nil {
		c.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		c.Fatal(err)
	}
	return string(text)
}
