package annotations

import (
	"errors"

	"github.com/sluice-ingress/sluice/nginx"
)

// maxBuffer bounds single buffers: they are allocated for every request.
const maxBuffer = Size(1) << 30

var (
	proxyBuffering = Enum("proxy-buffering", "off", false, "on", "off").Global().Example("on").
			Doc("Whether responses are read from the backend as fast as it sends, into buffers.")
	proxyBuffersNumber = Int("proxy-buffers-number", 4, 2, 65536).Global().Example("8").
				Doc("How many buffers a response may use; each has proxy-buffer-size.")
	proxyBufferSize = SizeOf("proxy-buffer-size", 4<<10, 1<<10, maxBuffer).Global().Example("16k").
			Doc("Size of one buffer. It also bounds the header of a response; a longer one is answered 502.")
	grpcBufferSize = Int("grpc-buffer-size-kb", 0, 0, 1<<10).ConfigOnly().Example("64").
			Doc("The same in kilobytes, for gRPC where no Ingress says proxy-buffer-size. 0 is proxy-buffer-size.")
	proxyBusyBuffersSize = SizeOf("proxy-busy-buffers-size", unset, 1<<10, maxSize).Global().Example("16k").
				Doc("How much of the buffers may be busy sending to the client. By default twice proxy-buffer-size.")
	proxyMaxTempFileSize = SizeOf("proxy-max-temp-file-size", 1<<30, 0, maxSize).Global().Example("0").
				Doc("Largest temporary file for a response that does not fit into the buffers. 0 is none.")
	proxyRequestBuffering = Enum("proxy-request-buffering", "on", false, "on", "off").Global().Example("off").
				Doc("Whether a request body is read as a whole before it is passed on. Off also means no retries once a part was sent.")
)

var buffering = Feature{
	Name: "Buffering",
	Settings: Settings{
		proxyBuffering, proxyBuffersNumber, proxyBufferSize, grpcBufferSize, proxyBusyBuffersSize, proxyMaxTempFileSize, proxyRequestBuffering,
	},
	Location: buffers,
}

func buffers(v Values, l *nginx.Location) error {
	number, size := proxyBuffersNumber.In(v), proxyBufferSize.In(v)
	if l.Protocol.Module() == "grpc" {
		if kb := grpcBufferSize.In(v); kb > 0 && !proxyBufferSize.Given(v) {
			size = Size(kb) << 10
		}
		l.Proxy("buffer_size", size.Arg())
		return nil
	}
	busy, errBusy := busyBuffers(v, size, Size(number-1)*size)
	file, errFile := tempFile(v, size)
	l.Proxy("buffering", nginx.Verbatim(proxyBuffering.In(v)))
	l.Proxy("request_buffering", nginx.Verbatim(proxyRequestBuffering.In(v)))
	l.Proxy("buffer_size", size.Arg())
	l.Proxy("buffers", nginx.Int(number), size.Arg())
	l.Proxy("busy_buffers_size", busy.Arg())
	l.Proxy("max_temp_file_size", file.Arg())
	return errors.Join(errBusy, errFile)
}

// busyBuffers is proxy-busy-buffers-size, brought to what NGINX takes: no less than one buffer, and one of them
// has to stay free.
func busyBuffers(v Values, size, most Size) (Size, error) {
	usual := min(2*size, most)
	switch busy := proxyBusyBuffersSize.In(v); {
	case busy == unset:
		return usual, nil
	case busy < size || busy > most:
		return usual, Mistake(proxyBusyBuffersSize, Conflict,
			"%s does not lie between proxy-buffer-size (%s) and all but one of the proxy-buffers-number buffers (%s); %s is used",
			busy, size, most, usual)
	default:
		return busy, nil
	}
}

// tempFile is proxy-max-temp-file-size, which NGINX wants to be nothing or at least one buffer.
func tempFile(v Values, size Size) (Size, error) {
	file := proxyMaxTempFileSize.In(v)
	if file == 0 || file >= size {
		return file, nil
	}
	return size, Mistake(proxyMaxTempFileSize, Conflict, "%s is less than proxy-buffer-size (%s); that size is used", file, size)
}
