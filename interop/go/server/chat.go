package main

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/kataras/neffos"
)

// How long a handler waits for the client.
const callTimeout = 2 * time.Second

// chatNamespaces are the namespaces of /a: every event, and every kind of refusal.
func chatNamespaces(o options, notes *journal) neffos.Namespaces {
	refuse := func(text string) neffos.Events {
		refusal := func(*neffos.NSConn, neffos.Message) error { return errors.New(text) }
		return neffos.Events{neffos.OnNamespaceConnect: notes.handler("OnNamespaceConnect", refusal)}
	}
	return neffos.Namespaces{
		"default": chatEvents(o, notes),
		"other":   chatEvents(o, notes),
		"semi;ns": chatEvents(o, notes),
		"o.d* d>": chatEvents(o, notes),
		"private": refuse("not allowed here"),
		"replyns": refuse("reply from connect"),
		"sticky":  {neffos.OnNamespaceDisconnect: notes.handler("OnNamespaceDisconnect", stay), "echo": echo},
		"noany":   {"echo": echo},
	}
}

// chatEvents are the handlers of every event.
func chatEvents(o options, notes *journal) neffos.Events {
	events := systemEvents(o)
	maps.Copy(events, answers())
	maps.Copy(events, messages(notes))
	maps.Copy(events, calls(notes))
	for name, act := range events {
		events[name] = notes.handler(handlerName(name), act)
	}
	return events
}

// handlerName returns the name of a handler in the journal: system events lose their underscore.
func handlerName(event string) string {
	if event[0] == '_' {
		return event[1:]
	}
	return event
}

func systemEvents(o options) neffos.Events {
	return neffos.Events{
		neffos.OnNamespaceConnect:   nil,
		neffos.OnNamespaceConnected: nil,
		neffos.OnNamespaceDisconnect: func(ns *neffos.NSConn, m neffos.Message) error {
			if o.namespaceLeft {
				news := neffos.Message{Namespace: m.Namespace, Event: "left", Body: []byte(ns.Conn.ID())}
				ns.Conn.Server().Broadcast(ns, news)
			}
			return nil
		},
		neffos.OnRoomJoin: func(_ *neffos.NSConn, m neffos.Message) error {
			if m.Room == "forbidden" {
				return errors.New("room forbidden")
			}
			return nil
		},
		neffos.OnRoomJoined: nil,
		neffos.OnRoomLeave: func(_ *neffos.NSConn, m neffos.Message) error {
			if m.Room == "hotel" && !m.IsForced {
				return errors.New("you can never leave")
			}
			return nil
		},
		neffos.OnRoomLeft: func(ns *neffos.NSConn, m neffos.Message) error {
			if o.left {
				body := []byte(ns.Conn.ID() + " left")
				news := neffos.Message{Namespace: m.Namespace, Room: m.Room, Event: "notify", Body: body}
				ns.Conn.Server().Broadcast(ns, news)
			}
			return nil
		},
		neffos.OnAnyEvent: nil,
	}
}

// answers are events whose handlers answer, each in its own way.
func answers() neffos.Events {
	return neffos.Events{
		"echo":       echo,
		"replyempty": func(*neffos.NSConn, neffos.Message) error { return neffos.Reply(nil) },
		"fail":       func(*neffos.NSConn, neffos.Message) error { return errors.New("event failed") },
		"faillong":   func(*neffos.NSConn, neffos.Message) error { return errors.New("a;b;c") },
		"badns":      func(*neffos.NSConn, neffos.Message) error { return neffos.ErrBadNamespace },
		"nothing":    nil,
		"closeerr":   func(*neffos.NSConn, neffos.Message) error { return closeError(4000) },
		"panic":      func(*neffos.NSConn, neffos.Message) error { panic("handler panics") },
	}
}

// messages are events whose handlers send messages.
func messages(notes *journal) neffos.Events {
	return neffos.Events{
		"chat": func(ns *neffos.NSConn, m neffos.Message) error {
			ns.Conn.Server().Broadcast(ns, m)
			return nil
		},
		"chatnew": func(ns *neffos.NSConn, m neffos.Message) error {
			news := neffos.Message{Namespace: m.Namespace, Room: m.Room, Event: "chatnew", Body: m.Body}
			ns.Conn.Server().Broadcast(ns, news)
			return nil
		},
		"chatall": func(ns *neffos.NSConn, m neffos.Message) error {
			ns.Conn.Server().Broadcast(nil, m)
			return nil
		},
		"bin": func(ns *neffos.NSConn, m neffos.Message) error {
			ns.EmitBinary("bin", m.Body)
			return nil
		},
		"emitback": func(ns *neffos.NSConn, m neffos.Message) error {
			ns.Emit("emitback", m.Body)
			return nil
		},
		"roomemit": func(ns *neffos.NSConn, m neffos.Message) error {
			room := ns.Room(m.Room)
			if room == nil {
				notes.add("room not joined")
				return nil
			}
			notes.add("room emit %v", room.Emit("roomemit", m.Body))
			return nil
		},
	}
}

// calls are events whose handlers call the client back.
func calls(notes *journal) neffos.Events {
	return neffos.Events{
		"askinside": func(ns *neffos.NSConn, m neffos.Message) error {
			ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
			defer cancel()
			answer, err := ns.Ask(ctx, "question", m.Body)
			notes.add("%s askinside got %s err=%v", ns.Conn.ID(), description(answer), err)
			if err != nil {
				return err
			}
			return neffos.Reply(append([]byte("you said:"), answer.Body...))
		},
		"joinme": func(ns *neffos.NSConn, m neffos.Message) error {
			ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
			defer cancel()
			_, err := ns.JoinRoom(ctx, string(m.Body))
			notes.add("joinme: %v", err)
			return err
		},
		"discme": func(ns *neffos.NSConn, _ neffos.Message) error {
			ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
			defer cancel()
			notes.add("discme: %v", ns.Disconnect(ctx))
			return nil
		},
		"closeme": func(ns *neffos.NSConn, _ neffos.Message) error {
			ns.Conn.Close()
			return nil
		},
	}
}

func stay(_ *neffos.NSConn, m neffos.Message) error {
	if m.IsForced {
		return nil
	}
	return errors.New("stay")
}

func echo(_ *neffos.NSConn, m neffos.Message) error {
	return neffos.Reply(m.Body)
}
