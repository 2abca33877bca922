package annotations

var serviceUpstreamOn = Bool("service-upstream", false).Global().Example("true").
	Doc("Sends requests to the Service's cluster IP instead of its endpoints. The oldest Ingress that uses the Service and port decides.")

var serviceUpstream = Feature{
	Name:     "Service as upstream",
	Settings: Settings{serviceUpstreamOn},
	Backend: func(v Values, b *Backend) error {
		b.ClusterIP = serviceUpstreamOn.In(v)
		return nil
	},
}
