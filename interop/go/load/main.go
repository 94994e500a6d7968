// Load is a neffos server in Go for measurements, with those events of the program `load` that cost nothing by
// themselves.
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

	gobwasws "github.com/gobwas/ws"
	gorillaws "github.com/gorilla/websocket"
	"github.com/kataras/neffos"
	"github.com/kataras/neffos/gobwas"
	"github.com/kataras/neffos/gorilla"

	"interop/exchanges"
)

// A server that runs longer than this was forgotten.
const lifetime = 100 * time.Minute

var upgraders = map[string]neffos.Upgrader{
	"gobwas":  gobwas.Upgrader(gobwasws.HTTPUpgrader{}),
	"gorilla": gorilla.Upgrader(gorillaws.Upgrader{}),
}

func main() {
	addr := flag.String("addr", "127.0.0.1:9301", "where to listen")
	name := flag.String("upgrader", "gobwas", "the websocket library: gobwas or gorilla")
	ordered := flag.Bool("sync", false, "all receivers see all broadcasts in one order")
	brokers := exchanges.Flags()
	flag.Parse()
	upgrader, known := upgraders[*name]
	if !known {
		log.Fatalf("no upgrader %q", *name)
	}
	server := neffos.New(upgrader, neffos.Namespaces{"default": events()})
	server.SyncBroadcaster = *ordered
	if err := brokers.Join(server, "load"); err != nil {
		log.Fatal(err)
	}
	if err := serve(server, *addr); err != nil {
		log.Fatal(err)
	}
}

func events() neffos.Events {
	nothing := func(*neffos.NSConn, neffos.Message) error { return nil }
	return neffos.Events{
		neffos.OnNamespaceConnect:    nothing,
		neffos.OnNamespaceConnected:  nothing,
		neffos.OnNamespaceDisconnect: nothing,
		neffos.OnRoomJoin:            nothing,
		"chat": func(ns *neffos.NSConn, m neffos.Message) error {
			ns.Conn.Server().Broadcast(ns, m)
			return nil
		},
		"chatall": func(ns *neffos.NSConn, m neffos.Message) error {
			ns.Conn.Server().Broadcast(nil, m)
			return nil
		},
		"echo": func(_ *neffos.NSConn, m neffos.Message) error { return neffos.Reply(m.Body) },
	}
}

// serve listens until SIGTERM or the end of the lifetime, and prints its address on standard output once it listens.
func serve(server *neffos.Server, addr string) error {
	told, forget := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer forget()
	told, cancel := context.WithTimeout(told, lifetime)
	defer cancel()
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	fmt.Printf("listening on %s\n", listener.Addr())

	mux := http.NewServeMux()
	mux.Handle("/ws", server)
	failed := make(chan error, 1)
	go func() { failed <- http.Serve(listener, mux) }()
	select {
	case err := <-failed:
		return err
	case <-told.Done():
		return nil
	}
}
