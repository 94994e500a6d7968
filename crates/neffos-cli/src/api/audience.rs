//! The receivers of a message: their number on this server, and whether any connection on any server could answer an
//! ask.

use std::future::pending;
use std::time::Duration;

use neffos::{Cluster, Conn, LinkState, Message, Server};
use tokio::time::sleep;

use super::app::App;

/// Resolves when no connection could answer `message`. Stays pending while that is not certain: a server has not
/// answered yet, or unknown servers may exist.
pub(super) async fn absent(app: &App, message: Message) {
    match app.server.cluster() {
        Some(cluster) if app.knows_all_servers => absent_everywhere(&cluster, &message).await,
        // Servers in Go announce neither themselves nor their connections.
        Some(_) => pending().await,
        None if here(&app.server, &message, None) > 0 => pending().await,
        None => {}
    }
}

async fn absent_everywhere(cluster: &Cluster, message: &Message) {
    loop {
        settled(cluster).await;
        let found = cluster.count_receivers(message).await;
        if found.count > 0 {
            return pending().await;
        }
        // A server that crashed counts as missing until it is forgotten.
        if found.missing == 0 && is_settled(cluster) {
            return;
        }
        sleep(PAUSE).await;
    }
}

/// Returns when all other servers have had time to answer the greeting of this server.
async fn settled(cluster: &Cluster) {
    while !is_settled(cluster) {
        sleep(PAUSE).await;
    }
}

fn is_settled(cluster: &Cluster) -> bool {
    let status = cluster.status();
    status.state == LinkState::Up && status.lasted >= SETTLING
}

/// Returns a message for the same connections, without the body.
pub(super) fn without_body(message: &Message) -> Message {
    let copy = Message::new(message.event(), "").in_namespace(message.namespace());
    let copy = message.room().into_iter().fold(copy, Message::to_room);
    message.recipient().into_iter().fold(copy, Message::to)
}

/// Returns the number of connections of this server that currently are receivers of `message`.
pub(super) fn here(server: &Server, message: &Message, except: Option<&str>) -> usize {
    let (namespace, room) = (message.namespace(), message.room());
    let is_there =
        |conn: &Conn| conn.namespace(namespace).is_some_and(|there| room.is_none_or(|room| there.room(room).is_some()));
    let with_id = |id| server.connections_with_id(id).iter().filter(|conn| is_there(conn)).count();
    match message.recipient() {
        Some(id) if except == Some(id) => 0,
        Some(id) => with_id(id),
        None => server.count_in(namespace, room).saturating_sub(except.map_or(0, with_id)),
    }
}

/// The time after which a linked server knows all other servers.
const SETTLING: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(100);
