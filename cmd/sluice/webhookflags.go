package main

import (
	"errors"
	"fmt"
	"net"

	"github.com/spf13/pflag"
)

// webhookFlags are the flags about the admission webhook.
type webhookFlags struct {
	address       string // where it listens, "" for no webhook
	certificate   string
	key           string
	secret        string
	configuration string
}

func (f *webhookFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.address, "validating-webhook", "", "host:port of the admission webhook; empty is none")
	flags.StringVar(&f.certificate, "validating-webhook-certificate", "", "PEM file with its certificate, read again when it changes; without one, a certificate is made and renewed in --validating-webhook-secret")
	flags.StringVar(&f.key, "validating-webhook-key", "", "PEM file with the key of that certificate")
	flags.StringVar(&f.secret, "validating-webhook-secret", "", "Secret in our namespace, empty at first, in which the leader keeps the certificate that it makes for the webhook")
	flags.StringVar(&f.configuration, "validating-webhook-configuration", "", "ValidatingWebhookConfiguration that is made to trust that certificate, and that says for which names it is")
}

// isOwn tells whether the certificate is ours to make.
func (f *webhookFlags) isOwn() bool { return f.certificate == "" }

func (f *webhookFlags) check() error {
	if f.address == "" {
		return nil
	}
	_, _, err := net.SplitHostPort(f.address)
	switch {
	case err != nil:
		return fmt.Errorf("--validating-webhook: %w", err)
	case (f.certificate == "") != (f.key == ""):
		return errors.New("--validating-webhook-certificate and --validating-webhook-key need each other")
	case f.isOwn() && (f.secret == "" || f.configuration == ""):
		return errors.New("--validating-webhook needs a certificate: --validating-webhook-certificate and --validating-webhook-key, or --validating-webhook-secret and --validating-webhook-configuration")
	}
	return nil
}
