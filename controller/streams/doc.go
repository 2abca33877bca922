// Package streams turns the ConfigMaps of TCP and UDP services, and the hosts whose TLS ends at pods, into what the stream block of
// NGINX is told.
//
// It is pure. It never looks into HTTP, and what is wrong with one entry affects no other.
package streams
