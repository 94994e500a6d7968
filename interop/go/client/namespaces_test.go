package client

import (
	"errors"
	"slices"
	"testing"

	"github.com/kataras/neffos"
)

func TestANamespaceIsConnectedAndDisconnected(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		g, p := w.inDefault()
		if answer := p.ask("echo", "hi"); answer != "hi" {
			t.Fatal(answer)
		}
		p.join("lobby")
		if err := p.disconnect(); err != nil {
			t.Fatal(err)
		}
		if p.Emit("echo", nil) || p.Conn.Namespace("default") != nil {
			t.Fatal("still connected")
		}
		if answer := g.connect("default").ask("echo", "again"); answer != "again" {
			t.Fatal(answer)
		}
		wanted := []string{
			neffos.OnNamespaceConnect, neffos.OnNamespaceConnected, neffos.OnRoomJoin, neffos.OnRoomJoined,
			neffos.OnRoomLeave, neffos.OnRoomLeft, neffos.OnNamespaceDisconnect,
		}
		if seen := eventsOf(g.inbox.upTo(t, neffos.OnNamespaceDisconnect)); !slices.Equal(seen, wanted) {
			t.Fatal(seen)
		}
	})
}

func TestTheHandlerOfTheServerRefusesANamespace(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		g := w.dial(visit{namespaces: []string{"private", "replyns"}})
		for namespace, text := range map[string]string{"private": "not allowed here", "replyns": "reply from connect"} {
			if _, err := g.tryConnect(namespace); err == nil || err.Error() != text {
				t.Errorf("%s: %v", namespace, err)
			}
		}
	})
}

func TestAnUnknownNamespaceIsBad(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		g := w.dial(visit{namespaces: []string{"nowhere", "default"}})
		if _, err := g.tryConnect("nowhere"); !errors.Is(err, neffos.ErrBadNamespace) {
			t.Fatal(err)
		}
		g.connect("default").ask("echo", "all is well")
	})
}

func TestANamespaceMayRefuseToBeLeft(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		g := w.dial(visit{namespaces: []string{"sticky"}})
		p := g.connect("sticky")
		if err := p.disconnect(); err == nil || err.Error() != "stay" {
			t.Fatal(err)
		}
		if answer := p.ask("echo", "still here"); answer != "still here" {
			t.Fatal(answer)
		}
	})
}

func TestNamespacesOfAConnectionAreSeparate(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		g := w.dial(visit{namespaces: []string{"default", "other"}})
		one, other := g.connect("default"), g.connect("other")
		one.join("lobby")
		one.emit("emitback", "one")
		other.emit("emitback", "other")
		for _, namespace := range []string{"default", "other"} {
			if m := g.next("emitback"); m.Namespace != namespace {
				t.Fatalf("%s in %s", m.Body, m.Namespace)
			}
		}
		if err := one.disconnect(); err != nil {
			t.Fatal(err)
		}
		if answer := other.ask("echo", "still here"); answer != "still here" {
			t.Fatal(answer)
		}
	})
}

func TestAClientLeavesAllNamespacesAtOnce(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		g := w.dial(visit{namespaces: []string{"default", "other", "sticky"}})
		p := g.connect("default")
		g.connect("other")
		g.settle()
		if err := p.Conn.DisconnectAll(deadline(t)); err != nil {
			t.Fatal(err)
		}
		w.refused("bad namespace", "join", "id", g.ID, "ns", "other", "room", "den")
	})
}

func TestTheServerConnectsTheClient(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		g := w.dial(visit{namespaces: []string{"other"}})
		w.succeeds("connect", "id", g.ID, "ns", "other")
		p := g.waitConnect("other")
		if m := g.next(neffos.OnNamespaceConnected); m.IsLocal || m.Namespace != "other" {
			t.Fatalf("%+v", m)
		}
		if answer := p.ask("echo", "hi"); answer != "hi" {
			t.Fatal(answer)
		}
		w.refused("bad namespace", "connect", "id", g.ID, "ns", "default")
	})
}

func TestTheServerConnectsTheClientInOnConnect(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		g := w.dial(visit{header: headers("X-Autoconnect", "default")})
		if answer := g.waitConnect("default").ask("echo", "hi"); answer != "hi" {
			t.Fatal(answer)
		}
	})
}

func TestTheClientRefusesToBeConnected(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		refuse := func(*neffos.NSConn, neffos.Message) error { return errRefused }
		g := w.dial(visit{handlers: neffos.Events{neffos.OnNamespaceConnect: refuse}})
		w.refused("the client refuses", "connect", "id", g.ID, "ns", "default")
	})
}

func TestTheServerDisconnectsTheClient(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		g := w.dial(visit{namespaces: []string{"default", "other"}})
		p := g.connect("default")
		g.connect("other")
		p.join("lobby")
		w.succeeds("disconnect", "id", g.ID, "ns", "default")
		if m := g.next(neffos.OnRoomLeft); !m.IsForced || m.Room != "lobby" {
			t.Fatalf("%+v", m)
		}
		if m := g.next(neffos.OnNamespaceDisconnect); m.IsForced || m.Namespace != "default" {
			t.Fatalf("%+v", m)
		}
		w.succeeds("disconnectall", "id", g.ID)
		if m := g.next(neffos.OnNamespaceDisconnect); m.Namespace != "other" {
			t.Fatalf("%+v", m)
		}
	})
}

func TestAHandlerOfTheServerDisconnectsTheClient(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		g, p := w.inDefault()
		p.emit("discme", "")
		g.next(neffos.OnNamespaceDisconnect)
		if answer := g.connect("default").ask("echo", "back"); answer != "back" {
			t.Fatal(answer)
		}
	})
}

func TestNamesMayContainTheSeparator(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		g := w.dial(visit{namespaces: []string{"semi;ns"}})
		p := g.connect("semi;ns")
		room := p.join("a;b")
		if !room.Emit("roomemit", []byte("x;y")) {
			t.Fatal("not sent")
		}
		m := g.next("roomemit")
		if m.Namespace != "semi;ns" || m.Room != "a;b" || string(m.Body) != "x;y" {
			t.Fatalf("%+v", m)
		}
		p.emit("an;event", "of any name")
		p.ask("echo", "it came")
		if err := p.leave("a;b"); err != nil {
			t.Fatal(err)
		}
	})
}
