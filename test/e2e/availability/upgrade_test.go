//go:build e2e

package availability_test

import (
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sluice-ingress/sluice/test/e2e/suite"
)

func TestARollingUpdateOfSluiceLosesNoRequest(t *testing.T) {
	s := install(t)
	a := deploy(t, s, 2, ordinary)
	traffic := a.start()
	traffic.flow(time.Second)
	started := time.Now()
	for round := range 2 {
		restart := fmt.Appendf(nil, `{"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "round %d"}}}}}`, round)
		deployments := suite.Client(t).AppsV1().Deployments(s.Namespace)
		if _, err := deployments.Patch(t.Context(), "sluice-controller", types.StrategicMergePatchType, restart, metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
		suite.WaitRollout(t, s.Namespace, "sluice-controller", soon)
		if round == 0 { // old replicas do not end before their last session has
			traffic.stop("WebSocket").wantNoLoss()
		}
		suite.Within(t, soon, func() error {
			list, err := suite.Client(t).CoreV1().Pods(s.Namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=controller"})
			if err == nil && len(list.Items) != 2 {
				err = fmt.Errorf("there are %d replicas", len(list.Items))
			}
			return err
		})
	}
	t.Logf("measured: 2 rolling updates of 2 replicas took %v", time.Since(started))
	traffic.flow(time.Second)
	traffic.stop().wantNoLoss()
}
