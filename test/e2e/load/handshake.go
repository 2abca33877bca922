package load

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"sync/atomic"
)

// Fingerprint names a certificate: the SHA-256 of its DER, in hexadecimal digits.
func Fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

// handshakes are done once for each connection.
type handshakes struct {
	load Load
	done atomic.Int64
}

func (h *handshakes) close() int { return int(h.done.Load()) }

func (h *handshakes) do(ctx context.Context, r *Record) {
	h.done.Add(1)
	connection, err := h.load.dial(ctx, "tcp", "")
	if err != nil {
		r.Err = err
		return
	}
	secured := tls.Client(connection, h.load.tls())
	defer connection.Close()
	if r.Err = secured.HandshakeContext(ctx); r.Err != nil {
		return
	}
	r.Certificate = Fingerprint(secured.ConnectionState().PeerCertificates[0].Raw)
	_ = secured.Close() // the server may be gone: it has said all that was asked
}
