package client

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"testing"

	"github.com/kataras/neffos"
)

// dialer is one of the websocket libraries that the Go client can use.
type dialer struct {
	name string
	open func(http.Header) neffos.Dialer
	// hides reports whether the library hides the code of a close frame. If nil, it hides none.
	hides func(code int) bool
}

// world is a server, and the library that clients dial it with.
type world struct {
	*server
	t      *testing.T
	dialer dialer
}

// withEachDialer runs a test once for each library, each time with a separate server that gets these flags.
func withEachDialer(t *testing.T, run func(*testing.T, world), flags ...string) {
	t.Parallel()
	for _, d := range dialers {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			run(t, world{startServer(t, flags...), t, d})
		})
	}
}

// visit describes how a client dials. Its zero value dials /a with the namespace "default".
type visit struct {
	path       string
	header     http.Header
	namespaces []string
	// handlers are added to the handlers that every guest has.
	handlers neffos.Events
	// native are the event handlers of the namespace "".
	native neffos.Events
}

// guest is a client that records everything that it receives.
type guest struct {
	*neffos.Client
	t     *testing.T
	inbox *inbox
	link  *link
}

func (w world) dial(v visit) *guest {
	w.t.Helper()
	g, err := w.tryDial(v)
	if err != nil {
		w.t.Fatal(err)
	}
	return g
}

func (w world) tryDial(v visit) (*guest, error) {
	w.t.Helper()
	g := &guest{t: w.t, inbox: &inbox{}, link: &link{}}
	if v.path == "" {
		v.path = "/a"
	}
	client, err := neffos.Dial(deadline(w.t), g.link.through(w.dialer.open(v.header)), "ws://"+w.address+v.path, g.table(v))
	if err != nil {
		return nil, err
	}
	g.Client = client
	w.t.Cleanup(g.Close)
	return g, nil
}

// inDefault dials, and connects to the namespace "default".
func (w world) inDefault() (*guest, place) {
	w.t.Helper()
	g := w.dial(visit{})
	return g, g.connect("default")
}

func (g *guest) table(v visit) neffos.ConnHandler {
	events := neffos.Events{
		neffos.OnAnyEvent: g.record,
		"question": func(_ *neffos.NSConn, m neffos.Message) error {
			return neffos.Reply(append([]byte("answer to "), m.Body...))
		},
		"refuse": func(*neffos.NSConn, neffos.Message) error { return errRefused },
	}
	maps.Copy(events, v.handlers)
	table := neffos.Namespaces{}
	if v.namespaces == nil && v.native == nil {
		v.namespaces = []string{"default"}
	}
	for _, namespace := range v.namespaces {
		table[namespace] = events
	}
	if v.native != nil {
		table[""] = v.native
		table[""][neffos.OnNativeMessage] = g.record
	}
	return table
}

var errRefused = errors.New("the client refuses")

func (g *guest) record(_ *neffos.NSConn, m neffos.Message) error {
	g.inbox.add(m)
	if m.IsLocal && !m.IsForced {
		// Waits between two asks of one call, such as leaving all rooms.
		g.settle()
	}
	return nil
}

// settle waits until no handler runs, if the version needs that before a call.
func (g *guest) settle() {
	if !g.link.settled() {
		g.t.Error("a handler does not end")
	}
}

func (g *guest) next(event string) neffos.Message {
	g.t.Helper()
	return g.inbox.next(g.t, event)
}

func (g *guest) connect(namespace string) place {
	g.t.Helper()
	p, err := g.tryConnect(namespace)
	if err != nil {
		g.t.Fatalf("connect to %s: %v", namespace, err)
	}
	return p
}

func (g *guest) tryConnect(namespace string) (place, error) {
	g.settle()
	ns, err := g.Connect(deadline(g.t), namespace)
	return place{ns, g}, err
}

// waitConnect waits until the server has connected the guest.
func (g *guest) waitConnect(namespace string) place {
	g.t.Helper()
	ns, err := g.WaitServerConnect(deadline(g.t), namespace)
	if err != nil {
		g.t.Fatalf("wait for %s: %v", namespace, err)
	}
	return place{ns, g}
}

// awaitClose waits for the end of the connection.
func (g *guest) awaitClose() {
	g.t.Helper()
	select {
	case <-g.NotifyClose:
	case <-deadline(g.t).Done():
		g.t.Fatal("the connection does not end")
	}
}

// deadline ends with the test, or when a wait takes too long.
func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}
