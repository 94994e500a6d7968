package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/kataras/neffos"
)

// host is one neffos server with its connections.
type host struct {
	name   string
	server *neffos.Server
	notes  *journal

	mu    sync.Mutex
	last  int
	conns map[string]*neffos.Conn
}

func newHosts(upgrader neffos.Upgrader, o options, notes *journal) []*host {
	return []*host{
		newHost("a", upgrader, o, notes, chatNamespaces(o, notes)),
		newHost("b", upgrader, o, notes, mixedNamespaces(o, notes)),
		newHost("c", upgrader, o, notes, nativeEvents(notes)),
	}
}

func newHost(name string, upgrader neffos.Upgrader, o options, notes *journal, handler neffos.ConnHandler) *host {
	h := &host{name: name, server: neffos.New(upgrader, handler), notes: notes, conns: make(map[string]*neffos.Conn)}
	h.server.SyncBroadcaster = o.ordered
	h.server.IDGenerator = h.nextID
	h.server.OnUpgradeError = func(err error) { notes.add("OnUpgradeError: %v", err) }
	h.server.OnConnect = h.welcome
	h.server.OnDisconnect = func(c *neffos.Conn) {
		notes.add("%s OnDisconnect", c.ID())
		h.forget(c)
		if o.goodbye {
			// The server calls this on the loop that also handles its ordered broadcasts.
			go h.server.Broadcast(nil, neffos.Message{Namespace: "default", Event: "gone", Body: []byte(c.ID())})
		}
	}
	return h
}

// nextID returns the id that a client brings, or the host's name and a number.
func (h *host) nextID(_ http.ResponseWriter, r *http.Request) string {
	if id := r.Header.Get("X-Id"); id != "" {
		return id
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last++
	return fmt.Sprintf("%s%d", h.name, h.last)
}

// welcome does what the client's headers request: delays it, refuses it, or connects it to a namespace.
func (h *host) welcome(c *neffos.Conn) error {
	h.remember(c)
	header := c.Socket().Request().Header
	h.notes.add("%s OnConnect reconnect_tries=%d was_reconnected=%v X-Foo=%q",
		c.ID(), c.ReconnectTries, c.WasReconnected(), header["X-Foo"])
	if pause, err := time.ParseDuration(header.Get("X-Slow")); err == nil {
		time.Sleep(pause)
	}
	if refusal := header.Get("X-Refuse"); refusal != "" {
		return errors.New(strings.TrimPrefix(refusal, "EMPTY"))
	}
	if namespace := header.Get("X-Autoconnect"); namespace != "" {
		_, err := c.Connect(context.Background(), namespace)
		h.notes.add("%s OnConnect Connect(%s) = %v", c.ID(), namespace, err)
	}
	return nil
}

// The server's own list of connections cannot be used: v0.0.24 reads it while other goroutines change it.
func (h *host) remember(c *neffos.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.conns[c.ID()] = c
}

func (h *host) forget(c *neffos.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.conns[c.ID()] == c {
		delete(h.conns, c.ID())
	}
}

func (h *host) conn(id string) *neffos.Conn {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.conns[id]
}
