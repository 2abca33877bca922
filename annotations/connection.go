package annotations

import "github.com/sluice-ingress/sluice/nginx"

var connectionHeader = Enum("connection-proxy-header", "", false, "close", "keep-alive").Bad(Refuse).Example("keep-alive").
	Doc("Value of the header Connection towards the backend. It also takes the place of upgrade, so WebSockets do not get through.")

var connection = Feature{
	Name:     "Connection towards the backend",
	Settings: Settings{connectionHeader},
	Location: func(v Values, l *nginx.Location) error {
		if word := connectionHeader.In(v); word != "" {
			l.SetHeader("Connection", nginx.Text(word))
		}
		return nil
	},
}
