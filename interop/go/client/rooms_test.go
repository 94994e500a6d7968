package client

import (
	"errors"
	"slices"
	"testing"

	"github.com/kataras/neffos"
)

func TestRoomsAreJoinedAndLeft(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		g, p := w.inDefault()
		p.join("lobby")
		p.join("hotel")
		p.join("lobby")
		if rooms := p.rooms(); rooms != "hotel lobby" {
			t.Fatal(rooms)
		}
		if err := p.leave("lobby"); err != nil {
			t.Fatal(err)
		}
		if rooms := w.ctl("rooms", "id", g.ID, "ns", "default"); rooms != `"hotel" ` {
			t.Fatal(rooms)
		}
		wanted := []string{
			neffos.OnNamespaceConnect, neffos.OnNamespaceConnected, neffos.OnRoomJoin, neffos.OnRoomJoined,
			neffos.OnRoomJoin, neffos.OnRoomJoined, neffos.OnRoomLeave, neffos.OnRoomLeft,
		}
		if seen := eventsOf(g.inbox.upTo(t, neffos.OnRoomLeft)); !slices.Equal(seen, wanted) {
			t.Fatal(seen)
		}
	})
}

func TestTheHandlerOfTheServerRefusesARoom(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		_, p := w.inDefault()
		if _, err := p.tryJoin("forbidden"); err == nil || err.Error() != "room forbidden" {
			t.Fatal(err)
		}
		p.join("hotel")
		if err := p.leave("hotel"); err == nil || err.Error() != "you can never leave" {
			t.Fatal(err)
		}
		if rooms := p.rooms(); rooms != "hotel" {
			t.Fatal(rooms)
		}
	})
}

func TestARoomThatWasLeftIsBad(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		_, p := w.inDefault()
		room := p.join("lobby")
		if err := p.leave("lobby"); err != nil {
			t.Fatal(err)
		}
		if err := room.Leave(deadline(t)); !errors.Is(err, neffos.ErrBadRoom) {
			t.Fatal(err)
		}
		if room.Emit("chat", nil) {
			t.Fatal("sent")
		}
	})
}

func TestAllRoomsAreLeftAtOnce(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		g, p := w.inDefault()
		for _, room := range []string{"lobby", "den", "bar"} {
			p.join(room)
		}
		if err := p.leaveAll(); err != nil {
			t.Fatal(err)
		}
		if rooms := p.rooms() + w.ctl("rooms", "id", g.ID, "ns", "default"); rooms != "" {
			t.Fatal(rooms)
		}
	})
}

func TestARoomThatRefusesToBeLeftEndsALeaveOfAllRooms(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		_, p := w.inDefault()
		p.join("hotel")
		if err := p.leaveAll(); err == nil || err.Error() != "you can never leave" {
			t.Fatal(err)
		}
	})
}

func TestTheServerMakesTheClientJoinAndLeave(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		g, p := w.inDefault()
		for _, room := range []string{"den", "bar", "attic"} {
			w.succeeds("join", "id", g.ID, "ns", "default", "room", room)
			if m := g.next(neffos.OnRoomJoined); m.Room != room || m.IsLocal {
				t.Fatalf("%+v", m)
			}
		}
		w.succeeds("leave", "id", g.ID, "ns", "default", "room", "den")
		if m := g.next(neffos.OnRoomLeft); m.Room != "den" || m.IsLocal {
			t.Fatalf("%+v", m)
		}
		if rooms := p.rooms(); rooms != "attic bar" {
			t.Fatal(rooms)
		}
		w.succeeds("leaveall", "id", g.ID, "ns", "default")
		for range 2 {
			g.next(neffos.OnRoomLeft)
		}
		if rooms := p.rooms(); rooms != "" {
			t.Fatal(rooms)
		}
	})
}

func TestTheClientRefusesToBeJoined(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		refuse := func(*neffos.NSConn, neffos.Message) error { return errRefused }
		g := w.dial(visit{handlers: neffos.Events{neffos.OnRoomJoin: refuse}})
		g.connect("default")
		w.refused("the client refuses", "join", "id", g.ID, "ns", "default", "room", "den")
		if rooms := w.ctl("rooms", "id", g.ID, "ns", "default"); rooms != "" {
			t.Fatal(rooms)
		}
	})
}

func TestAHandlerOfTheServerJoinsTheClient(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		g, p := w.inDefault()
		p.emit("joinme", "den")
		g.next(neffos.OnRoomJoined)
		if rooms := p.rooms(); rooms != "den" {
			t.Fatal(rooms)
		}
	})
}

func TestAClientThatLeavesARoomIsAnnouncedInIt(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		ada, adas := w.inDefault()
		bob, bobs := w.inDefault()
		adas.join("lobby")
		bobs.join("lobby")
		if err := adas.leave("lobby"); err != nil {
			t.Fatal(err)
		}
		if m := bob.next("notify"); string(m.Body) != ada.ID+" left" || m.Room != "lobby" {
			t.Fatalf("%+v", m)
		}
	}, "--left")
}

func TestAClientThatLeavesANamespaceIsAnnouncedInIt(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		ada, adas := w.inDefault()
		bob, _ := w.inDefault()
		if err := adas.disconnect(); err != nil {
			t.Fatal(err)
		}
		if m := bob.next("left"); string(m.Body) != ada.ID {
			t.Fatalf("%+v", m)
		}
	}, "--nsleft")
}
