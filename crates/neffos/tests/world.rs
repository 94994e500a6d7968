//! The promises about broadcasts, in simulated time, over many seeds: streams and broker links with random delays, cuts,
//! slow readers and restarts. A failing seed prints the command that replays it.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::time::Duration;

use neffos::testing::{World, WorldClient, WorldServer};
use neffos::{Error, Events, Message, Server, ServerBuilder};

fn build() -> ServerBuilder {
    Server::builder().namespace("default", Events::new())
}

fn message(text: impl Into<String>) -> Message {
    Message::new("said", text.into()).in_namespace("default")
}

async fn servers(world: &World, count: usize) -> Vec<WorldServer> {
    let mut servers = Vec::new();
    for _ in 0..count {
        servers.push(world.server(build).await.unwrap());
    }
    servers
}

/// Connects `count` clients to the servers, round-robin.
async fn clients(world: &World, servers: &[WorldServer], count: usize) -> Vec<WorldClient> {
    let mut clients = Vec::new();
    for server in servers.iter().cycle().take(count) {
        clients.push(member(world, server).await);
    }
    clients
}

async fn member(world: &World, server: &WorldServer) -> WorldClient {
    let client = world.connect(server, |client| client).await.unwrap();
    client.connect("default").await.unwrap();
    client
}

async fn pause(world: &World, longest_ms: u64) {
    world.pass(Duration::from_millis(world.number(0..=longest_ms))).await;
}

/// Lets enough time pass for everything to arrive.
async fn quiet(world: &World) {
    world.pass(Duration::from_secs(20)).await;
}

fn one_of<'a, T>(world: &World, all: &'a [T]) -> &'a T {
    &all[usize::try_from(world.number(0..=all.len() as u64 - 1)).unwrap()]
}

fn texts(client: &mut WorldClient) -> Vec<String> {
    client.received().iter().map(|message| message.text().unwrap().to_owned()).collect()
}

fn numbers(client: &mut WorldClient) -> Vec<u64> {
    texts(client).iter().map(|text| text.parse().unwrap()).collect()
}

/// Whether every number is there once, in order.
fn is_complete(numbers: &[u64], count: u64) -> bool {
    numbers.iter().copied().eq(0..count)
}

/// Whether no number is there twice, and none after a larger one.
fn is_in_order(numbers: &[u64]) -> bool {
    numbers.is_sorted_by(|before, after| before < after)
}

/// Broadcasts the numbers below `count`, from one server.
async fn count_up(world: &World, server: &WorldServer, count: u64) {
    for number in 0..count {
        server.server().broadcast(message(number.to_string()));
        pause(world, 8).await;
    }
}

#[test]
fn each_receiver_gets_all_broadcasts_once_and_in_order() {
    World::check(50, async |world| {
        let servers = servers(&world, 1).await;
        let mut clients = clients(&world, &servers, 6).await;
        count_up(&world, &servers[0], 100).await;
        quiet(&world).await;
        for client in &mut clients {
            let numbers = numbers(client);
            assert!(is_complete(&numbers, 100), "{numbers:?}");
        }
    });
}

#[test]
fn a_slow_reader_gets_what_it_gets_in_order_and_delays_no_other_receiver() {
    World::check(12, async |world| {
        let servers = servers(&world, 1).await;
        let mut clients = clients(&world, &servers, 4).await;
        let padding = "x".repeat(10_000);
        clients[0].stall();
        for number in 0..200 {
            servers[0].server().broadcast(message(format!("{number:04}{padding}")));
            pause(&world, 20).await;
        }
        world.pass(Duration::from_secs(2)).await;
        let heard = |client: &mut WorldClient| -> Vec<u64> {
            texts(client).iter().map(|text| text[..4].parse().unwrap()).collect()
        };
        for client in &mut clients[1..] {
            assert!(is_complete(&heard(client), 200));
        }
        clients[0].resume();
        quiet(&world).await;
        let slow = heard(&mut clients[0]);
        assert!(is_in_order(&slow), "{slow:?}");
        let missed = 200 - slow.len() as u64;
        assert!(missed > 0 && missed == servers[0].server().counters().dropped(), "{missed} were missed");
    });
}

#[test]
fn a_member_gets_exactly_what_is_broadcast_while_it_belongs() {
    World::check(30, async |world| {
        let servers = servers(&world, 2).await;
        let mut client = member(&world, &servers[0]).await;
        let sender = one_of(&world, &servers).clone();
        let said = std::cell::Cell::new(0_u64);
        let speaking = async {
            loop {
                sender.server().broadcast(message(said.get().to_string()).to_room("lobby"));
                said.set(said.get() + 1);
                pause(&world, 5).await;
            }
        };
        let moving = async {
            for _ in 0..5 {
                let ns = client.conn().namespace("default").unwrap();
                pause(&world, 100).await;
                let before = said.get();
                let room = ns.join("lobby").await.unwrap();
                let joined = said.get();
                pause(&world, 100).await;
                let certain = joined..said.get();
                world.pass(ON_THE_WAY).await;
                room.leave().await.unwrap();
                let left = said.get();
                // Messages of another server that are on their way arrive outside the room.
                world.pass(ON_THE_WAY).await;
                let numbers = numbers(&mut client);
                assert!(is_in_order(&numbers), "{numbers:?}");
                assert!(certain.clone().all(|number| numbers.contains(&number)), "{certain:?}: {numbers:?}");
                assert!(numbers.iter().all(|&number| recent(before) <= number && number < left), "{numbers:?}");
            }
        };
        tokio::select! {
            biased;
            () = moving => {}
            () = speaking => {}
        }
    });
}

/// More time than a message needs from one server to a client of another.
const ON_THE_WAY: Duration = Duration::from_millis(200);

/// Returns the lowest number that may still be on its way when `number` is next.
fn recent(number: u64) -> u64 {
    number.saturating_sub(200)
}

#[test]
fn members_on_all_servers_miss_nothing_and_see_the_order_of_each_server() {
    World::check(30, async |world| {
        let servers = servers(&world, 3).await;
        let mut clients = clients(&world, &servers, 6).await;
        for number in 0..60 {
            for (nth, server) in servers.iter().enumerate() {
                server.server().broadcast(message(format!("{nth} {number}")));
            }
            pause(&world, 10).await;
        }
        quiet(&world).await;
        for client in &mut clients {
            assert_complete_of_each(&texts(client), 3, 60);
        }
    });
}

fn assert_complete_of_each(texts: &[String], servers: u64, count: u64) {
    for server in 0..servers {
        let own = texts.iter().filter_map(|text| text.strip_prefix(&format!("{server} ")));
        let numbers: Vec<u64> = own.map(|number| number.parse().unwrap()).collect();
        assert!(is_complete(&numbers, count), "of server {server}: {numbers:?}");
    }
}

#[test]
fn messages_that_a_cut_broker_link_loses_are_resent_once_and_in_order() {
    World::check(50, async |world| {
        let servers = servers(&world, 3).await;
        let mut clients = clients(&world, &servers, 3).await;
        for number in 0..80 {
            for (nth, server) in servers.iter().enumerate() {
                server.server().broadcast(message(format!("{nth} {number}")));
            }
            if world.number(0..=9) == 0 {
                let outage = Duration::from_millis(world.number(0..=300));
                one_of(&world, &servers).cut_link(outage);
            }
            pause(&world, 40).await;
        }
        world.joined().await;
        quiet(&world).await;
        for client in &mut clients {
            assert_complete_of_each(&texts(client), 3, 80);
        }
        assert!(servers.iter().all(|server| server.server().cluster().unwrap().status().missed == 0));
    });
}

#[test]
fn a_client_whose_stream_is_cut_has_received_a_beginning_and_the_server_forgets_it() {
    World::check(40, async |world| {
        let servers = servers(&world, 1).await;
        let mut clients = clients(&world, &servers, 3).await;
        for number in 0..60 {
            servers[0].server().broadcast(message(number.to_string()));
            if number == 30 {
                clients[0].cut();
            }
            pause(&world, 8).await;
        }
        clients[0].closed().await;
        quiet(&world).await;
        let cut = numbers(&mut clients[0]);
        assert!(is_complete(&cut, cut.len() as u64) && cut.len() <= 31, "{cut:?}");
        assert_eq!(servers[0].server().total_connections(), 2);
        for client in &mut clients[1..] {
            assert!(is_complete(&numbers(client), 60));
        }
    });
}

#[test]
fn the_restart_of_one_server_costs_clients_of_the_others_none_of_their_messages() {
    World::check(40, async |world| {
        let servers = servers(&world, 3).await;
        let mut clients = clients(&world, &servers, 3).await;
        let restart = world.number(0..=59);
        for number in 0..60 {
            servers[0].server().broadcast(message(number.to_string()));
            if number == restart {
                servers[2].restart().unwrap();
            }
            pause(&world, 20).await;
        }
        clients[2].closed().await;
        world.joined().await;
        world.pass(ON_THE_WAY).await;
        let mut late = member(&world, &servers[2]).await;
        servers[0].server().broadcast(message("60"));
        quiet(&world).await;
        for client in &mut clients[..2] {
            assert!(is_complete(&numbers(client), 61));
        }
        assert_eq!(numbers(&mut late), [60]);
        let beginning = numbers(&mut clients[2]);
        assert!(is_complete(&beginning, beginning.len() as u64), "{beginning:?}");
    });
}

#[test]
fn an_ask_of_a_client_on_another_server_is_answered() {
    World::check(30, async |world| -> Result<(), Error> {
        let servers = servers(&world, 2).await;
        let events = Events::new().on("sure?", async || "yes");
        let client = world.connect(&servers[0], |client| client.id("ada").namespace("default", events)).await?;
        client.connect("default").await?;
        let question = Message::new("sure?", "").in_namespace("default").to("ada");
        assert_eq!(servers[1].server().ask(question).await?.text()?, "yes");
        Ok(())
    });
}

/// Returns all messages of all clients with their times, in a world with most faults.
fn history(seed: u64) -> Vec<(Duration, usize, String)> {
    World::run(seed, async |world| {
        let servers = servers(&world, 4).await;
        let mut clients = clients(&world, &servers, 8).await;
        let mut history = Vec::new();
        for number in 0..40 {
            one_of(&world, &servers).server().broadcast(message(number.to_string()));
            match world.number(0..=19) {
                0 => one_of(&world, &servers).cut_link(Duration::from_millis(world.number(0..=300))),
                1 => one_of(&world, &clients).cut(),
                2 => one_of(&world, &clients).stall(),
                3 => one_of(&world, &clients).resume(),
                _ => {}
            }
            pause(&world, 30).await;
            for (nth, client) in clients.iter_mut().enumerate() {
                history.extend(texts(client).into_iter().map(|text| (world.elapsed(), nth, text)));
            }
        }
        history
    })
}

#[test]
fn a_seed_has_one_history_and_other_seeds_have_others() {
    for seed in 0..15 {
        assert_eq!(history(seed), history(seed), "of seed {seed}");
    }
    assert_ne!(history(0), history(1));
}
