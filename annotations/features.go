package annotations

// features lists every feature in the order in which it acts on a location, which is also the order of
// its directives there. Redirects and rewriting have places of their own in nginx.Location, so few
// things depend on the order: the protocol comes before everything that writes directives of its
// module, and guards come before decoration, so that a reader of nginx.conf meets them first.
var features = []Feature{
	tables, // NGINX takes the sizes of tables only before the first of them
	backendProtocol,
	references,
	tlsSettings,
	clientCertificates,
	traces, // before all that answers
	rewriting,
	appRoot,
	redirects,
	httpsRedirect,
	wwwRedirect,
	serverAlias,
	forwarding,
	backendHeaders,
	requestHeaderNames,
	hsts,
	blocks,
	answerHeaders,
	ipLists,
	requestLimits,
	limitAnswers,
	basicAuth,
	externalAuth,
	firewalling,
	mirroring,
	backendTLS,
	bodySize,
	timeouts,
	retries,
	cookiesAndRedirects,
	buffering,
	answerRate,
	databases,
	accessLog,
	httpVersion,
	serverPush,
	fastCGI,
	customHTTPErrors,
	upstreamVhost,
	cors, // before headers that the administrator allows, which replace it
	responseHeaders,
	connection,
	serviceUpstream,
	balancing,
	affinity,
	keepalive,
	canary,
	streams,
	passthrough,
	policy,
	snippets, // behind all that writes directives: some of a snippet's take their places
	ownSnippets,
	listeners, // from here on what all hosts have in common
	clientConnections,
	compression,
	ownAnswers,
	workers,
	names,
}
