package controlplane

// AuditLog is the file of the API server's audit log, below logs in the cluster's directory.
const AuditLog = "audit.log"

// auditPolicy keeps who asked for what and the answer's code, of service accounts only, and without those of the cluster's
// own controllers.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  userGroups: [system:serviceaccounts:kube-system]
- level: Metadata
  userGroups: [system:serviceaccounts]
- level: None
`
