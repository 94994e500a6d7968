package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/kataras/neffos"
)

// control answers /ctl/OP: calls inside the server, for tests from outside.
type control struct {
	hosts []*host
	notes *journal
}

// call is one such call.
type call struct {
	host       *host
	ctx        context.Context
	parameters url.Values
}

// done is the outcome of a call, as JSON.
type done struct {
	Err *string `json:"err"`
	Msg *string `json:"msg,omitempty"`
}

func (c control) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	parameters := r.URL.Query()
	patience := time.Duration(number(parameters, "ms", 2000)) * time.Millisecond
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	one := call{c.host(parameters.Get("s")), ctx, parameters}

	switch op := strings.TrimPrefix(r.URL.Path, "/ctl/"); op {
	case "log":
		answer(w, c.notes.take())
	case "count":
		fmt.Fprintln(w, one.host.server.GetTotalConnections())
	case "ask":
		reply, err := one.host.server.Ask(ctx, one.message())
		answer(w, answered(reply, err))
	case "close":
		one.host.server.Close()
		answer(w, done{})
	case "bcast", "bcastmix", "bcastmany":
		one.broadcast(op)
		answer(w, done{})
	default:
		one.onConnection(w, op)
	}
}

// host returns the host with this name. Calls without a name use the first host.
func (c control) host(name string) *host {
	for _, h := range c.hosts {
		if h.name == name {
			return h
		}
	}
	return c.hosts[0]
}

func (c call) onConnection(w http.ResponseWriter, op string) {
	conn := c.host.conn(c.parameters.Get("id"))
	if conn == nil {
		fmt.Fprintln(w, "no such conn")
		return
	}
	switch op {
	case "connask":
		reply, err := conn.Ask(c.ctx, c.message())
		answer(w, answered(reply, err))
	case "connect":
		_, err := conn.Connect(c.ctx, c.parameters.Get("ns"))
		answer(w, ended(err))
	case "disconnectall":
		answer(w, ended(conn.DisconnectAll(c.ctx)))
	case "closeconn":
		conn.Close()
		answer(w, done{})
	case "write":
		fmt.Fprintln(w, conn.Write(c.message()))
	default:
		c.insideNamespace(w, op, conn.Namespace(c.parameters.Get("ns")))
	}
}

func (c call) insideNamespace(w http.ResponseWriter, op string, ns *neffos.NSConn) {
	if ns == nil {
		answer(w, ended(neffos.ErrBadNamespace))
		return
	}
	room := c.parameters.Get("room")
	switch op {
	case "rooms":
		for _, joined := range ns.Rooms() {
			fmt.Fprintf(w, "%q ", joined.Name)
		}
	case "disconnect":
		answer(w, ended(ns.Disconnect(c.ctx)))
	case "join":
		_, err := ns.JoinRoom(c.ctx, room)
		answer(w, ended(err))
	case "leaveall":
		answer(w, ended(ns.LeaveAll(c.ctx)))
	case "leave":
		joined := ns.Room(room)
		if joined == nil {
			answer(w, ended(neffos.ErrBadRoom))
			return
		}
		answer(w, ended(joined.Leave(c.ctx)))
	default:
		http.Error(w, "no such call", http.StatusNotFound)
	}
}

func (c call) broadcast(op string) {
	except := c.parameters.Get("except")
	switch {
	case op == "bcastmix":
		c.broadcastMixed()
	case op == "bcastmany":
		c.broadcastMany()
	case except != "":
		c.host.server.Broadcast(neffos.Exclude(except), c.message())
	default:
		c.host.server.Broadcast(nil, c.message())
	}
}

// broadcastMixed broadcasts single messages and batches alternately.
func (c call) broadcastMixed() {
	namespace := c.parameters.Get("ns")
	for range number(c.parameters, "n", 1000) {
		c.host.server.Broadcast(nil, neffos.Message{Namespace: namespace, Event: "one", Body: []byte("1")})
		// Created anew each time, because the server writes into its arguments.
		many := make([]neffos.Message, 64)
		for i := range many {
			many[i] = neffos.Message{Namespace: namespace, Event: "many", Body: []byte("m")}
		}
		c.host.server.Broadcast(nil, many...)
	}
}

// broadcastMany broadcasts numbered messages, with a pause after each if gap_us is given.
func (c call) broadcastMany() {
	pause := time.Duration(number(c.parameters, "gap_us", 0)) * time.Microsecond
	for i := range number(c.parameters, "n", 1000) {
		m := c.message()
		m.Body = fmt.Appendf(nil, "%08d%s", i, c.parameters.Get("body"))
		c.host.server.Broadcast(nil, m)
		time.Sleep(pause)
	}
}

// message returns the message that the parameters describe.
func (c call) message() neffos.Message {
	return neffos.Message{
		Namespace: c.parameters.Get("ns"),
		Room:      c.parameters.Get("room"),
		Event:     c.parameters.Get("event"),
		Body:      []byte(c.parameters.Get("body")),
		To:        c.parameters.Get("to"),
		SetBinary: c.parameters.Get("bin") != "",
		IsNative:  c.parameters.Get("native") != "",
	}
}

func answered(reply neffos.Message, err error) done {
	outcome := ended(err)
	text := description(reply)
	outcome.Msg = &text
	return outcome
}

func ended(err error) done {
	if err == nil {
		return done{}
	}
	text := err.Error()
	return done{Err: &text}
}

func answer(w http.ResponseWriter, value any) {
	if err := json.NewEncoder(w).Encode(value); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

func number(parameters url.Values, name string, otherwise int) int {
	value, err := strconv.Atoi(parameters.Get(name))
	if err != nil {
		return otherwise
	}
	return value
}
