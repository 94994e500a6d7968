// Server is a neffos server in Go with one of everything, for tests of this project's clients. It answers the routes
// /a, /b, /c and /ctl/… of the program `scenario`.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os/signal"
	"syscall"
	"time"

	"interop/exchanges"
)

// A server that runs longer than this was forgotten.
const lifetime = 100 * time.Minute

// The prefix of the channels of these servers, before the name of the host.
const channelPrefix = "scen"

type options struct {
	addr, upgrader               string
	brokers                      *exchanges.Brokers
	ordered                      bool
	left, namespaceLeft, goodbye bool
}

func main() {
	o := options{brokers: exchanges.Flags()}
	flag.StringVar(&o.addr, "addr", "127.0.0.1:9401", "where to listen")
	flag.StringVar(&o.upgrader, "upgrader", "gorilla", "the websocket library: "+upgraderNames())
	flag.BoolVar(&o.ordered, "sync", true, "all receivers see all broadcasts in one order")
	flag.BoolVar(&o.left, "left", false, "announce a client that leaves a room to the other members")
	flag.BoolVar(&o.namespaceLeft, "nsleft", false, "announce a client that leaves a namespace to its other connections")
	flag.BoolVar(&o.goodbye, "ondisc", false, "announce a client that disconnects to all connections in the namespace default")
	flag.Parse()
	if err := run(o); err != nil {
		log.Fatal(err)
	}
}

// run serves until SIGTERM or the end of the lifetime, and prints its address on standard output once it listens.
func run(o options) error {
	upgrader, err := upgraderNamed(o.upgrader)
	if err != nil {
		return err
	}
	told, forget := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer forget()
	told, cancel := context.WithTimeout(told, lifetime)
	defer cancel()

	notes := &journal{}
	hosts := newHosts(upgrader, o, notes)
	for _, h := range hosts {
		if err := o.brokers.Join(h.server, channelPrefix+h.name); err != nil {
			return err
		}
	}
	listener, err := net.Listen("tcp", o.addr)
	if err != nil {
		return err
	}
	fmt.Printf("listening on %s\n", listener.Addr())

	failed := make(chan error, 1)
	go func() { failed <- http.Serve(listener, routes(hosts, notes)) }()
	select {
	case err := <-failed:
		return err
	case <-told.Done():
		for _, h := range hosts {
			h.server.Close()
		}
		return nil
	}
}

func routes(hosts []*host, notes *journal) http.Handler {
	mux := http.NewServeMux()
	for _, h := range hosts {
		mux.Handle("/"+h.name, h.server)
	}
	mux.Handle("/ctl/", control{hosts, notes})
	return mux
}
