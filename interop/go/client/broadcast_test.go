package client

import (
	"fmt"
	"slices"
	"testing"
)

func TestABroadcastReachesItsAudience(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		ada, adas := w.inDefault()
		bob, bobs := w.inDefault()
		eve := w.dial(visit{})
		adas.join("lobby")
		send := func(body string, where ...string) {
			w.succeeds("bcast", append(where, "event", "news", "body", body)...)
		}
		send("everyone", "ns", "default")
		send("lobby", "ns", "default", "room", "lobby")
		send("nobody", "ns", "default", "room", "empty")
		send("to ada", "ns", "default", "to", ada.ID)
		send("to bob in lobby", "ns", "default", "to", bob.ID, "room", "lobby")
		send("not ada", "ns", "default", "except", ada.ID)
		send("elsewhere", "ns", "other")
		if heard := adas.heard(w); !slices.Equal(heard, []string{"everyone", "lobby", "to ada"}) {
			t.Errorf("ada heard %q", heard)
		}
		if heard := bobs.heard(w); !slices.Equal(heard, []string{"everyone", "not ada"}) {
			t.Errorf("bob heard %q", heard)
		}
		if heard := eve.connect("default").heard(w); len(heard) > 0 {
			t.Errorf("eve heard %q", heard)
		}
	})
}

func TestAnIDMayHaveSeveralConnections(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		phone, laptop := w.dial(visit{header: headers("X-Id", "ada")}), w.dial(visit{header: headers("X-Id", "ada")})
		phone.connect("default")
		laptop.connect("default")
		w.succeeds("bcast", "ns", "default", "event", "news", "body", "hi", "to", "ada")
		for _, g := range []*guest{phone, laptop} {
			if m := g.next("news"); string(m.Body) != "hi" {
				t.Fatalf("%+v", m)
			}
		}
	})
}

func TestTheMarkOfASenderIsIgnored(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		g, _ := w.inDefault()
		w.succeeds("bcast", "ns", "default", "event", "news", "body", "a;b", "from", "ada;1")
		if m := g.next("news"); string(m.Body) != "a;b" || m.Err != nil {
			t.Fatalf("%+v", m)
		}
	})
}

func TestABroadcastOfBytesArrivesAsBytes(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		g, _ := w.inDefault()
		w.succeeds("bcast", "ns", "default", "event", "news", "body", "A;", "bin", "1")
		if m := g.next("news"); !m.SetBinary || string(m.Body) != "A;" {
			t.Fatalf("%+v", m)
		}
	})
}

func TestABroadcastOfAHandlerReachesTheOthersOrEveryone(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		_, adas := w.inDefault()
		_, bobs := w.inDefault()
		adas.emit("chat", "to the others")
		adas.emit("chatnew", "news for the others")
		adas.emit("chatall", "to everyone")
		adas.guest.next("chatall")
		if heard := bobs.heard(w); !slices.Equal(heard, []string{"to the others", "news for the others", "to everyone"}) {
			t.Errorf("bob heard %q", heard)
		}
		if heard := adas.heard(w); len(heard) > 0 {
			t.Errorf("ada heard %q", heard)
		}
	})
}

func TestABroadcastInARoomReachesOnlyTheRoom(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		_, adas := w.inDefault()
		_, bobs := w.inDefault()
		_, eves := w.inDefault()
		room := adas.join("lobby")
		bobs.join("lobby")
		if !room.Emit("chat", []byte("psst")) || !room.Emit("chatall", []byte("all of us")) {
			t.Fatal("not sent")
		}
		for _, p := range []place{adas, bobs} {
			if m := p.guest.next("chatall"); m.Room != "lobby" || string(m.Body) != "all of us" {
				t.Fatalf("%+v", m)
			}
		}
		if heard := eves.heard(w); len(heard) > 0 {
			t.Fatalf("eve heard %q", heard)
		}
	})
}

func TestTheReplyToABroadcastAskReachesTheAskerOnly(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		_, adas := w.inDefault()
		_, bobs := w.inDefault()
		if answer := adas.ask("chatall", "everyone?"); answer != "everyone?" {
			t.Fatal(answer)
		}
		if m := bobs.guest.next("chatall"); string(m.Body) != "everyone?" {
			t.Fatalf("%+v", m)
		}
	})
}

func TestManyBroadcastsArriveOnceAndInOrder(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		_, adas := w.inDefault()
		_, bobs := w.inDefault()
		w.succeeds("bcastmany", "ns", "default", "event", "many", "n", "500")
		var wanted []string
		for i := range 500 {
			wanted = append(wanted, fmt.Sprintf("%08d", i))
		}
		for _, p := range []place{adas, bobs} {
			if heard := p.heard(w); !slices.Equal(heard, wanted) {
				t.Errorf("heard %q", heard)
			}
		}
	})
}

func TestSeveralMessagesOfOneBroadcastStayTogether(t *testing.T) {
	withEachDialer(t, func(t *testing.T, w world) {
		_, p := w.inDefault()
		w.succeeds("bcastmix", "ns", "default", "n", "3")
		wanted := slices.Repeat(append([]string{"1"}, slices.Repeat([]string{"m"}, 64)...), 3)
		if heard := p.heard(w); !slices.Equal(heard, wanted) {
			t.Fatalf("heard %q", heard)
		}
	})
}
