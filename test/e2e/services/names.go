package services

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
)

// zone is the one that the name server knows; it asks nobody about others.
const zone = "cluster.local."

// lifetime is how many seconds answers are good for, as CoreDNS says.
const lifetime = 5

// serveNames answers as the DNS specification of Kubernetes wants for Services: A for SERVICE.NAMESPACE.svc.cluster.local,
// which is the cluster IP or the endpoints of a headless Service, with HOSTNAME before it one of them; CNAME for ExternalName.
func (s *Server) serveNames() (end func(), err error) {
	at := net.JoinHostPort(s.Names.String(), "53")
	packets, err := net.ListenPacket("udp", at)
	if err != nil {
		return nil, fmt.Errorf("listen for names: %w", err)
	}
	listener, err := net.Listen("tcp", at)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen for names: %w", err), packets.Close())
	}
	servers := []*dns.Server{{PacketConn: packets, Handler: dns.HandlerFunc(s.answer)}, {Listener: listener, Handler: dns.HandlerFunc(s.answer)}}
	for _, server := range servers {
		go func() {
			if err := server.ActivateAndServe(); err != nil && !errors.Is(err, net.ErrClosed) {
				s.Log.Error("the name server ended", "error", err)
			}
		}()
	}
	return func() {
		for _, server := range servers {
			_ = server.Shutdown() // fails if it has not started yet, and the process ends now
		}
	}, nil
}

func (s *Server) answer(w dns.ResponseWriter, request *dns.Msg) {
	reply := new(dns.Msg)
	reply.SetReply(request)
	if len(request.Question) != 1 {
		reply.Rcode = dns.RcodeFormatError
	} else {
		s.resolve(reply, request.Question[0])
	}
	if _, isUDP := w.RemoteAddr().(*net.UDPAddr); isUDP {
		size := dns.MinMsgSize
		if option := request.IsEdns0(); option != nil {
			size = max(size, int(option.UDPSize()))
		}
		reply.Truncate(size)
	}
	_ = w.WriteMsg(reply) // the client went, or asks again
}

func (s *Server) resolve(reply *dns.Msg, q dns.Question) {
	name := strings.ToLower(q.Name)
	if !dns.IsSubDomain(zone, name) {
		reply.Rcode = dns.RcodeRefused
		return
	}
	reply.Authoritative = true
	header := func(kind uint16) dns.RR_Header {
		return dns.RR_Header{Name: q.Name, Rrtype: kind, Class: dns.ClassINET, Ttl: lifetime}
	}
	known, alias, addresses := s.lookUp(name)
	switch {
	case !known:
		reply.Rcode = dns.RcodeNameError
	case alias != "":
		reply.Answer = []dns.RR{&dns.CNAME{Hdr: header(dns.TypeCNAME), Target: dns.Fqdn(alias)}}
		return
	case q.Qtype == dns.TypeA && len(addresses) > 0:
		for _, address := range addresses {
			reply.Answer = append(reply.Answer, &dns.A{Hdr: header(dns.TypeA), A: address.AsSlice()})
		}
		return
	}
	reply.Ns = []dns.RR{&dns.SOA{
		Hdr: dns.RR_Header{Name: zone, Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: lifetime},
		Ns:  "ns." + zone, Mbox: "hostmaster." + zone, Serial: 1, Refresh: 7200, Retry: 1800, Expire: 86400, Minttl: lifetime,
	}}
}

// lookUp finds what is at a name: an alias or addresses, of which there may be none.
func (s *Server) lookUp(name string) (known bool, alias string, addresses []netip.Addr) {
	host, is := strings.CutSuffix(name, ".svc."+zone)
	parts := strings.Split(host, ".")
	hostname := ""
	if len(parts) == 3 {
		hostname, parts = parts[0], parts[1:]
	}
	if !is || len(parts) != 2 {
		return false, "", nil
	}
	service, err := s.services.Services(parts[1]).Get(parts[0])
	switch {
	case err != nil:
		return false, "", nil
	case service.Spec.ClusterIP == corev1.ClusterIPNone:
		addresses = s.endpoints(service, hostname)
		return hostname == "" || len(addresses) > 0, "", addresses
	case hostname != "":
		return false, "", nil
	case service.Spec.Type == corev1.ServiceTypeExternalName:
		return true, service.Spec.ExternalName, nil
	default:
		return true, "", parse(service.Spec.ClusterIPs)
	}
}

// endpoints are the ready ones of a headless Service; those with a hostname if there is one.
func (s *Server) endpoints(service *corev1.Service, hostname string) []netip.Addr {
	objects, err := s.slices.ByIndex(byService, service.Namespace+"/"+service.Name)
	if err != nil {
		return nil // never: there is such an index
	}
	var all []netip.Addr
	for _, object := range objects {
		for _, e := range object.(*discoveryv1.EndpointSlice).Endpoints {
			if (hostname == "" || deref(e.Hostname) == hostname) && is(e.Conditions.Ready, true) {
				all = append(all, parse(e.Addresses)...)
			}
		}
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all)
}
