package lint

import (
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/translate"
)

// partial weighs anew what manifests lack, as that may be in the cluster:
//
//   - A Service is taken for missing only if the manifests have other Services of its namespace; else it is worth an info.
//   - Secrets and ConfigMaps are made by others as a rule, and kept out of repositories: an info.
//   - A canary whose main Ingress is not there: an info.
//   - EndpointSlices are never written by people. Without any, nothing is said of endpoints.
func (in Input) partial(problems translate.Problems) translate.Problems {
	var kept translate.Problems
	for _, p := range problems {
		switch p.Reason {
		case translate.NoEndpoints:
			if len(in.Objects.Slices) == 0 {
				continue
			}
		case translate.MissingService:
			if !in.hasServices(p.Object.Namespace) {
				p = unknown(p, "it is in the cluster; the manifests have no Service of its namespace")
			}
		case translate.MissingSecret, translate.MissingConfigMap:
			p = unknown(p, "it is in the cluster")
		case translate.UnusedCanary:
			if p.Severity == cluster.Error {
				p = unknown(p, "that Ingress is in the cluster")
			}
		}
		kept = append(kept, p)
	}
	return kept
}

func (in Input) hasServices(namespace string) bool {
	for _, s := range in.Objects.Services {
		if s.Namespace == namespace {
			return true
		}
	}
	return false
}

// unknown is a Problem that is none if the cluster has what the manifests lack.
func unknown(p translate.Problem, unless string) translate.Problem {
	p.Severity = cluster.Info
	p.Message += ", unless " + unless
	return p
}
