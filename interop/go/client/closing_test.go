package client

import (
	"slices"
	"strings"
	"testing"

	"github.com/kataras/neffos"
)

// closedWith waits for the end of the connection. It must have this code, if the library shows the code.
func (g *guest) closedWith(w world, code int) {
	g.t.Helper()
	g.awaitClose()
	if w.dialer.hides != nil && w.dialer.hides(code) {
		return
	}
	if seen := g.closeCode(); seen != code {
		g.t.Fatalf("closed with %d, want %d", seen, code)
	}
}

func TestAClientThatClosesIsNoticed(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		stayer, _ := w.inDefault()
		goer, _ := w.inDefault()
		goer.Close()
		if m := stayer.next("gone"); string(m.Body) != goer.ID {
			t.Fatalf("%+v", m)
		}
		if count := w.ctl("count"); count != "1\n" {
			t.Fatalf("%s connections", count)
		}
		if log := w.log(); !strings.Contains(log, goer.ID+" OnDisconnect") {
			t.Fatal(log)
		}
	}, "--ondisc")
}

func TestAClientThatIsClosedLeavesEverything(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		g, p := w.inDefault()
		p.join("lobby")
		g.next(neffos.OnRoomJoined)
		w.succeeds("closeconn", "id", g.ID)
		g.closedWith(w, 1000)
		messages := g.inbox.upTo(t, neffos.OnNamespaceDisconnect)
		wanted := []string{neffos.OnRoomLeave, neffos.OnRoomLeft, neffos.OnNamespaceDisconnect}
		if seen := eventsOf(messages); !slices.Equal(seen, wanted) {
			t.Fatal(seen)
		}
		for _, m := range messages {
			if !m.IsForced || !m.IsLocal {
				t.Errorf("%+v", m)
			}
		}
		if p.Emit("chat", nil) {
			t.Fatal("sent")
		}
	})
}

func TestAHandlerOfTheServerClosesTheClient(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		g, p := w.inDefault()
		p.emit("closeme", "")
		g.closedWith(w, 1000)
	})
}

func TestACloseErrorReachesTheClientAndClosesIt(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		g, p := w.inDefault()
		p.emit("closeerr", "")
		if m := g.next("closeerr"); m.Err == nil || strings.TrimSpace(m.Err.Error()) != "[4000]" {
			t.Fatalf("%+v", m)
		}
		g.closedWith(w, 4000)
	})
}

func TestAServerThatClosesGoesAway(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		ada, _ := w.inDefault()
		bob := w.dial(visit{})
		w.succeeds("close")
		ada.closedWith(w, 1001)
		bob.closedWith(w, 1001)
	})
}

func TestAServerThatEndsSendsTheCodeOfARestart(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		ada, _ := w.inDefault()
		bob := w.nativeOnly("/c")
		bob.Conn.Write(native("hello"))
		bob.guest.next(neffos.OnNativeMessage)
		w.stop()
		ada.closedWith(w, 1012)
		bob.guest.closedWith(w, 1012)
	})
}

func TestAMessageThatIsTooBigEndsTheConnection(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		g, p := w.inDefault()
		p.Emit("echo", make([]byte, 2000))
		g.closedWith(w, 1009)
	}, "--max-message", "1000")
}

func TestBrokenTextEndsTheConnection(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		g, p := w.inDefault()
		p.Emit("echo", []byte("\xff"))
		g.closedWith(w, 1007)
	})
}
