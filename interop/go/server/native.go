package main

import (
	"errors"

	"github.com/kataras/neffos"
)

// mixedNamespaces are the namespaces of /b: native messages beside a namespace.
func mixedNamespaces(o options, notes *journal) neffos.Namespaces {
	tellEveryone := func(ns *neffos.NSConn, m neffos.Message) error {
		body := append([]byte("native:"), m.Body...)
		ns.Conn.Server().Broadcast(nil, neffos.Message{Body: body, IsNative: true})
		return nil
	}
	native := neffos.Events{
		neffos.OnNativeMessage: notes.handler("OnNativeMessage", tellEveryone),
		"echo":                 notes.handler("echo", echo),
	}
	return neffos.Namespaces{"": native, "default": chatEvents(o, notes)}
}

// nativeEvents are the events of /c: native messages only.
func nativeEvents(notes *journal) neffos.Events {
	answer := func(ns *neffos.NSConn, m neffos.Message) error {
		switch string(m.Body) {
		case "fail":
			return errors.New("native failed")
		case "reply":
			return neffos.Reply([]byte("native reply"))
		case "all":
			ns.Conn.Server().Broadcast(nil, neffos.Message{Body: m.Body, IsNative: true})
		default:
			body := append([]byte("got:"), m.Body...)
			ns.Conn.Write(neffos.Message{Body: body, IsNative: true, SetBinary: m.SetBinary})
		}
		return nil
	}
	return neffos.Events{neffos.OnNativeMessage: notes.handler("OnNativeMessage", answer)}
}
