// Command bench measures Sluice beside a hand-written nginx.conf that does the same: same log, same headers,
// same upstream keep-alive. Both run in turns on the same machine, so only ratios count. It runs inside the
// Debian root (make bench) and uses loopback only.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"
	"time"
)

func main() {
	log.SetFlags(0)
	lua := flag.String("lua", "rootfs/etc/nginx/lua", "directory of the Lua files")
	seconds := flag.Duration("time", 3*time.Second, "how long one run sends requests")
	rounds := flag.Int("rounds", 5, "how many runs each side gets, in turns")
	sizes := flag.Bool("sizes", true, "also measure sizes and times of configurations of 1,000 and 10,000 hosts")
	flag.Parse()
	if err := run(*lua, *seconds, *rounds, *sizes); err != nil {
		log.Fatal("bench: ", err)
	}
}

func run(lua string, seconds time.Duration, rounds int, sizes bool) error {
	lua, err := filepath.Abs(lua)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // workers are another user
		return err
	}
	ctx := context.Background()
	pods, err := startPods(ctx, filepath.Join(dir, "pods"))
	if err != nil {
		return err
	}
	defer pods.stop()

	fmt.Printf("%-34s %12s %12s %8s %12s %12s %8s\n", "throughput", "plain req/s", "Sluice req/s", "ratio", "plain µs", "Sluice µs", "ratio")
	for _, hosts := range []int{1, 1000} {
		if err := compare(ctx, dir, lua, hosts, seconds, rounds); err != nil {
			return err
		}
	}
	if !sizes {
		return nil
	}
	fmt.Printf("\n%-34s %10s %10s %10s %12s %12s\n", "size", "plan", "nginx -t", "bytes", "master RSS", "worker RSS")
	for _, hosts := range []int{1000, 10000} {
		if err := measure(ctx, dir, lua, hosts); err != nil {
			return err
		}
	}
	return nil
}

// compare runs both sides in turns and prints the medians.
func compare(ctx context.Context, dir, lua string, hosts int, seconds time.Duration, rounds int) error {
	plain, err := startPlain(ctx, filepath.Join(dir, fmt.Sprint("plain-", hosts)), hosts)
	if err != nil {
		return err
	}
	defer plain.stop()
	ours, err := startSluice(ctx, filepath.Join(dir, fmt.Sprint("sluice-", hosts)), lua, hosts)
	if err != nil {
		return err
	}
	defer ours.stop()

	var results [2]struct{ rate, cost []float64 }
	for range rounds {
		for side, n := range []*nginx{plain, ours} {
			before := n.cpu()
			sent, took, err := send(n.port, hosts, seconds)
			if err != nil {
				return err
			}
			results[side].rate = append(results[side].rate, float64(sent)/took.Seconds())
			results[side].cost = append(results[side].cost, (n.cpu()-before).Seconds()/float64(sent)*1e6)
		}
	}
	a, b := median(results[0].rate), median(results[1].rate)
	c, d := median(results[0].cost), median(results[1].cost)
	fmt.Printf("%-34s %12.0f %12.0f %8.2f %12.1f %12.1f %8.2f\n", fmt.Sprintf("%d Ingresses × 2 paths", hosts), a, b, b/a, c, d, d/c)
	return nil
}

func median(list []float64) float64 {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[len(sorted)/2]
}
