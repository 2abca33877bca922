package component

import (
	"flag"
	"net/url"
	"os"
	"os/signal"
	"syscall"

	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/storage/wal"
)

// runEtcd runs a single etcd that nobody needs after a crash: it does not wait for the disk, and it stays small.
func runEtcd(args []string) error {
	flags := flag.NewFlagSet("etcd", flag.ContinueOnError)
	dir := flags.String("dir", "", "where its data is")
	listen := flags.String("listen", "", "URL for clients; peers have none")
	if err := flags.Parse(args); err != nil {
		return err
	}
	clients, err := url.Parse(*listen)
	if err != nil {
		return err
	}
	wal.SegmentSizeBytes = 8 << 20 // allocated in advance

	config := embed.NewConfig()
	config.Dir = *dir
	config.ListenClientUrls, config.AdvertiseClientUrls = []url.URL{*clients}, []url.URL{*clients}
	config.ListenPeerUrls = nil
	config.UnsafeNoFsync = true
	config.QuotaBackendBytes = 512 << 20
	config.SnapshotCount = 5000
	config.LogLevel = "warn"
	config.WarningUnaryRequestDuration = embed.DefaultWarningUnaryRequestDuration // else it warns of all
	server, err := embed.StartEtcd(config)
	if err != nil {
		return err
	}
	defer server.Close()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	select {
	case <-stop:
		return nil
	case err := <-server.Err():
		return err
	}
}
