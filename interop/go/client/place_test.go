package client

import (
	"slices"
	"strings"

	"github.com/kataras/neffos"
)

// place is a namespace that a guest is connected to.
type place struct {
	*neffos.NSConn
	guest *guest
}

func (p place) emit(event, body string) {
	p.guest.t.Helper()
	if !p.Emit(event, []byte(body)) {
		p.guest.t.Fatalf("%s cannot be sent", event)
	}
}

func (p place) ask(event, body string) string {
	p.guest.t.Helper()
	answer, err := p.tryAsk(event, body)
	if err != nil {
		p.guest.t.Fatalf("ask %s: %v", event, err)
	}
	return answer
}

func (p place) tryAsk(event, body string) (string, error) {
	p.guest.settle()
	answer, err := p.Ask(deadline(p.guest.t), event, []byte(body))
	return string(answer.Body), err
}

func (p place) join(room string) *neffos.Room {
	p.guest.t.Helper()
	joined, err := p.tryJoin(room)
	if err != nil {
		p.guest.t.Fatalf("join %s: %v", room, err)
	}
	return joined
}

func (p place) tryJoin(room string) (*neffos.Room, error) {
	p.guest.settle()
	return p.JoinRoom(deadline(p.guest.t), room)
}

func (p place) leave(room string) error {
	p.guest.settle()
	return p.Room(room).Leave(deadline(p.guest.t))
}

func (p place) leaveAll() error {
	p.guest.settle()
	return p.LeaveAll(deadline(p.guest.t))
}

func (p place) disconnect() error {
	p.guest.settle()
	return p.Disconnect(deadline(p.guest.t))
}

// rooms returns the names of the joined rooms, sorted.
func (p place) rooms() string {
	var names []string
	for _, room := range p.Rooms() {
		names = append(names, room.Name)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// heard returns the bodies of all messages that the guest receives before a marker, which it broadcasts: broadcasts
// keep their order.
func (p place) heard(w world) []string {
	p.guest.t.Helper()
	w.succeeds("bcast", "to", p.Conn.ID(), "ns", "default", "event", "marker")
	var bodies []string
	for _, m := range p.guest.inbox.upTo(p.guest.t, "marker") {
		if !neffos.IsSystemEvent(m.Event) && m.Event != "marker" {
			bodies = append(bodies, string(m.Body))
		}
	}
	return bodies
}
