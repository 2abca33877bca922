package main

import (
	"fmt"
	"net"
	"os"
	"runtime"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// enterNetwork goes on in a network namespace of its own, which has loopback, and all of 10.244.0.0/16 (see server.Gate). So
// nobody else's ports are in the way. It returns only there, or with an error.
func enterNetwork() error {
	const inside = "SLUICE_BENCH_IN_NETWORK"
	if os.Getenv(inside) != "" {
		return nil
	}
	runtime.LockOSThread() // a namespace is a thread's, and that of the thread that calls exec becomes the program's
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter a network namespace: %w", err)
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find loopback: %w", err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return fmt.Errorf("bring loopback up: %w", err)
	}
	err = netlink.RouteAdd(&netlink.Route{
		LinkIndex: lo.Attrs().Index, Dst: &net.IPNet{IP: net.IPv4(10, 244, 0, 0), Mask: net.CIDRMask(16, 32)},
		Type: unix.RTN_LOCAL, Table: unix.RT_TABLE_LOCAL, Scope: netlink.SCOPE_HOST,
	})
	if err != nil {
		return fmt.Errorf("add an address: %w", err)
	}
	if err := unix.Exec("/proc/self/exe", os.Args, append(os.Environ(), inside+"=1")); err != nil {
		return fmt.Errorf("go on in the network namespace: %w", err)
	}
	return nil
}
