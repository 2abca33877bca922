package golden

import "github.com/sluice-ingress/sluice/nginx"

// SelfSigned is the default certificate of all cases. It stays empty where nothing is served; the
// integration tests put a real one in.
var SelfSigned nginx.Certificate
