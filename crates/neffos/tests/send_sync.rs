//! Every handle may move to any task.

use neffos::{
    Change, Client, ClientBuilder, ClientSide, CloseCode, CloseError, CloseFrame, Conn, Counters, Error, Event, Events,
    Exclude, Loss, Message, Missing, NsConn, Overflow, Reconnect, Reply, Room, Server, ServerBuilder, UpgradeError,
    UpgradeService,
};

fn is_free<T: Send + Sync + 'static>() {}

#[test]
fn every_type_may_be_sent_and_shared() {
    is_free::<(CloseCode, CloseError, CloseFrame, Conn, Counters, Error, Event, Events, Exclude)>();
    is_free::<(Change, Client, ClientBuilder, Conn<ClientSide>, NsConn<ClientSide>, Room<ClientSide>)>();
    is_free::<(Events<ClientSide>, Event<ClientSide>, Loss, Missing, Reconnect)>();
    is_free::<(Message, NsConn, Overflow, Reply, Room, Server, ServerBuilder, UpgradeError, UpgradeService)>();
}
