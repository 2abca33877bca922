package maxmind

import (
	"errors"
	"time"

	"github.com/spf13/pflag"

	"github.com/sluice-ingress/sluice/nginx"
)

// Flags say where databases are fetched from, with ingress-nginx's names and defaults. Which databases, every command knows:
// controller/settings has that flag.
type Flags struct {
	key, mirror string
	attempts    int
	pause       time.Duration
}

// Register adds the flags, with their defaults, to a set.
func (f *Flags) Register(flags *pflag.FlagSet) {
	flags.StringVar(&f.key, "maxmind-license-key", "", "key with which the databases of --maxmind-edition-ids are fetched from MaxMind at start; empty: files are taken as they are there")
	flags.StringVar(&f.mirror, "maxmind-mirror", "", "URL below which they are fetched as EDITION.tar.gz instead")
	flags.IntVar(&f.attempts, "maxmind-retries-count", 1, "how often fetching one is tried")
	flags.DurationVar(&f.pause, "maxmind-retries-timeout", 0, "time before the second attempt, which grows by half for each further one; 0 is no second attempt")
}

// Check finds what the flags cannot be.
func (f *Flags) Check() error {
	if f.pause < 0 {
		return errors.New("--maxmind-retries-timeout is a time, not negative")
	}
	return nil
}

// Download is what the flags say.
func (f *Flags) Download() Download {
	return Download{LicenseKey: nginx.NewSecret(f.key), Mirror: f.mirror, Attempts: f.attempts, Pause: f.pause}
}
