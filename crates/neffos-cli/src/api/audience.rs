//! Which connections a message is for: how many on this server, and whether any could answer an ask, here and on other servers.

use std::future::pending;
use std::time::Duration;

use neffos::{Cluster, Conn, LinkState, Message, Server};
use tokio::time::sleep;

use super::app::App;

/// Resolves when no connection could answer `message`. Never while that is not certain: one server has not said so, or there may
/// be servers that are not known.
pub(super) async fn absent(app: &App, message: Message) {
    match app.server.cluster() {
        Some(cluster) if app.knows_all_servers => absent_everywhere(&cluster, &message).await,
        // Servers in Go say neither that they are there nor whom they have.
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
        // A server that is gone without a word is missing until it is forgotten.
        if found.missing == 0 && is_settled(cluster) {
            return;
        }
        sleep(PAUSE).await;
    }
}

/// Returns when all other servers have had the time to answer this one's greeting.
async fn settled(cluster: &Cluster) {
    while !is_settled(cluster) {
        sleep(PAUSE).await;
    }
}

fn is_settled(cluster: &Cluster) -> bool {
    let status = cluster.status();
    status.state == LinkState::Up && status.lasted >= SETTLING
}

/// A message for the same connections, which keeps no body.
pub(super) fn without_body(message: &Message) -> Message {
    let copy = Message::new(message.event(), "").in_namespace(message.namespace());
    let copy = message.room().into_iter().fold(copy, Message::to_room);
    message.recipient().into_iter().fold(copy, Message::to)
}

/// How many connections of this server a message is for, at this moment.
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

/// How long after it is linked a server knows all others.
const SETTLING: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(100);
