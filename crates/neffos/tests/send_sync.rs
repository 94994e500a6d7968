//! Every handle may go to any task.

use neffos::{
    CloseCode, CloseError, CloseFrame, Conn, Counters, Error, Event, Events, Exclude, Message, NsConn, Overflow, Reply,
    Room, Server, ServerBuilder, UpgradeError, UpgradeService,
};

fn is_free<T: Send + Sync + 'static>() {}

#[test]
fn every_type_may_be_sent_and_shared() {
    is_free::<(CloseCode, CloseError, CloseFrame, Conn, Counters, Error, Event, Events, Exclude)>();
    is_free::<(Message, NsConn, Overflow, Reply, Room, Server, ServerBuilder, UpgradeError, UpgradeService)>();
}
