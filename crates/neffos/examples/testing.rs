//! The tests of an application: its handlers alone, and with clients over memory.
//!
//! `cargo run -p neffos --example testing --features testing` runs them. In an application, they are `#[tokio::test]`
//! functions, and `neffos` is also a development dependency with the feature `testing`.
#![expect(clippy::print_stdout, reason = "a program for a terminal")]

use neffos::{Error, Events, Json, Message, Room, Server, State, testing};
use serde::{Deserialize, Serialize};

#[derive(Clone)]
struct Rules {
    minimum: u32,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Bid {
    amount: u32,
}

/// The handlers of the application.
fn auction() -> Events {
    Events::new().on("bid", async |room: Room, State(rules): State<Rules>, Json(bid): Json<Bid>| {
        if bid.amount < rules.minimum {
            return Err(Error::new("too low"));
        }
        room.broadcast_others(Message::json("bid", &bid)?);
        Ok(Json(bid.amount))
    })
}

/// One handler, without a server.
async fn a_low_bid_is_refused() {
    let bid = testing::event("bid").json(&Bid { amount: 5 }).from("ada").in_room("lot-1");
    let reply = bid.state(Rules { minimum: 10 }).call(&auction()).await;
    assert_eq!(reply.error(), Some("too low"));
    assert!(reply.to_others().is_empty());
}

/// The whole way, from client to client.
async fn a_bid_reaches_the_others_in_the_room() -> Result<(), Error> {
    let server = Server::builder().namespace("auction", auction()).state(Rules { minimum: 10 }).build()?;
    let ada = testing::connect(&server).id("ada").await?;
    let mut bob = testing::connect(&server).id("bob").await?;
    bob.connect("auction").await?.join("lot-1").await?;

    let lot = ada.connect("auction").await?.join("lot-1").await?;
    let accepted: u32 = lot.ask_json("bid", &Bid { amount: 20 }).await?;
    assert_eq!(accepted, 20);
    assert_eq!(bob.next().await?.parse::<Bid>()?, Bid { amount: 20 });
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    a_low_bid_is_refused().await;
    a_bid_reaches_the_others_in_the_room().await?;
    println!("both tests passed");
    Ok(())
}
