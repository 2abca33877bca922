package annotations

import "github.com/sluice-ingress/sluice/nginx"

var fromToWWW = Bool("from-to-www-redirect", false).Bad(Refuse).Example("true").
	Doc("Redirects www.HOST to HOST, or HOST to www.HOST if the rule's host starts with www.")

var wwwRedirect = Feature{
	Name:     "Redirect from or to www",
	Settings: Settings{fromToWWW},
	Server: func(v Values, s *nginx.Server) error {
		s.WWW = s.WWW || fromToWWW.In(v)
		return nil
	},
}
