// Command nodeprograms is what makes nodes of hosts, in one binary, for tests: kubelet and kube-scheduler are its sub-commands, each
// with its own program's flags. It is built and kept as the control plane of tests/cluster is, from the same release.
package main

import (
	"context"
	"fmt"
	"os"

	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

func main() {
	if len(os.Args) < 2 {
		usage()
	}
	name, arguments := os.Args[1], os.Args[2:]
	switch name {
	case "kubelet":
		command := kubelet.NewKubeletCommand(context.Background())
		// The kubelet reads the whole command line by itself, to let flags win over its file.
		command.SetArgs(arguments)
		os.Exit(cli.Run(command))
	case "kube-scheduler":
		command := scheduler.NewSchedulerCommand()
		command.SetArgs(arguments)
		os.Exit(cli.Run(command))
	default:
		usage()
	}
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: nodeprograms kubelet|kube-scheduler [FLAGS]")
	os.Exit(2)
}
