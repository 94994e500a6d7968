package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	gobwasws "github.com/gobwas/ws"
	gorillaws "github.com/gorilla/websocket"
	"github.com/kataras/neffos"
	"github.com/kataras/neffos/gobwas"
	"github.com/kataras/neffos/gorilla"
)

// The websocket libraries with an adapter in this version of neffos. The file of the version adds its own.
var upgraders = map[string]neffos.Upgrader{
	"gobwas":  gobwas.Upgrader(gobwasws.HTTPUpgrader{}),
	"gorilla": gorilla.Upgrader(gorillaws.Upgrader{}),
}

func upgraderNamed(name string) (neffos.Upgrader, error) {
	upgrader, known := upgraders[name]
	if !known {
		return nil, fmt.Errorf("no upgrader %q, but %s", name, upgraderNames())
	}
	return upgrader, nil
}

func upgraderNames() string {
	return strings.Join(slices.Sorted(maps.Keys(upgraders)), ", ")
}
