// Command controlplane is a Kubernetes control plane in one binary, for tests: kube-apiserver, kube-controller-manager and etcd
// are its sub-commands, each with its own program's flags (etcd: with those that a single member on loopback needs).
//
// It exists because no registry that people's machines commonly reach has these programs as binaries, while every one of them
// can reach a Go module proxy. Where envtest's binaries are installed, the tests use those and this is never built.
package main

import (
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
)

const etcdStartLimit = 30 * time.Second

func main() {
	if len(os.Args) < 2 {
		usage()
	}
	name, arguments := os.Args[1], os.Args[2:]
	switch name {
	case "kube-apiserver":
		command := apiserver.NewAPIServerCommand()
		command.SetArgs(arguments)
		os.Exit(cli.Run(command))
	case "kube-controller-manager":
		command := controllermanager.NewControllerManagerCommand()
		command.SetArgs(arguments)
		os.Exit(cli.Run(command))
	case "etcd":
		if err := runEtcd(arguments); err != nil {
			fmt.Fprintln(os.Stderr, "etcd:", err)
			os.Exit(1)
		}
	default:
		usage()
	}
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: controlplane kube-apiserver|kube-controller-manager|etcd [FLAGS]")
	os.Exit(2)
}

// runEtcd serves one member until SIGTERM or SIGINT. The flags bear etcd's own names.
func runEtcd(arguments []string) error {
	flags := flag.NewFlagSet("etcd", flag.ContinueOnError)
	dataDir := flags.String("data-dir", "", "where the member keeps its data")
	clientURL := flags.String("listen-client-urls", "http://127.0.0.1:2379", "where clients are served")
	peerURL := flags.String("listen-peer-urls", "http://127.0.0.1:2380", "where peers would be served")
	// A power cut of the machine may lose a test's data: nobody wants it back, and the disk is shared.
	noFsync := flags.Bool("unsafe-no-fsync", false, "do not wait for the disk")
	advertise := flags.String("advertise-client-urls", "", "ignored: what is listened on is advertised")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	_ = advertise
	client, err := url.Parse(*clientURL)
	if err != nil {
		return err
	}
	peer, err := url.Parse(*peerURL)
	if err != nil {
		return err
	}
	config := embed.NewConfig()
	config.Dir = *dataDir
	config.ListenClientUrls, config.AdvertiseClientUrls = []url.URL{*client}, []url.URL{*client}
	config.ListenPeerUrls, config.AdvertisePeerUrls = []url.URL{*peer}, []url.URL{*peer}
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	config.UnsafeNoFsync = *noFsync
	config.LogLevel = "warn"
	config.LogOutputs = []string{"stderr"}
	return serveEtcd(config)
}

func serveEtcd(config *embed.Config) error {
	member, err := embed.StartEtcd(config)
	if err != nil {
		return err
	}
	defer member.Close()
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM, syscall.SIGINT)
	select {
	case <-member.Server.ReadyNotify():
	case <-ended:
		return nil
	case err := <-member.Err():
		return err
	case <-time.After(etcdStartLimit):
		return fmt.Errorf("not ready after %s", etcdStartLimit)
	}
	select {
	case <-ended:
		return nil
	case err := <-member.Err():
		return err
	}
}
