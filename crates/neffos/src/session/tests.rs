//! The properties of a session with random input, and single cases.

use proptest::prelude::*;
use tokio::time::Instant;

use super::acts::{Act, NAMESPACES, ROOMS};
use super::limits::TestSide;
use super::model::{World, small};
use super::*;
use crate::message::{Message, events};

fn acts(with_requests: bool) -> impl Strategy<Value = Vec<Act>> {
    let event = prop_oneof![
        3 => Just(events::CONNECT),
        1 => Just(events::DISCONNECT),
        3 => Just(events::JOIN),
        2 => Just(events::LEAVE),
        1 => Just(events::LEFT),
        1 => Just(events::CONNECTED),
        4 => Just("chat"),
    ];
    let places = (0..NAMESPACES.len(), 0..ROOMS.len());
    let weight = u32::from(with_requests);
    let act = prop_oneof![
        12 => (event, places.clone(), prop::bool::weighted(0.8)).prop_map(|(event, (namespace, room), is_ask)| Act::Send { event, namespace, room, is_ask }),
        1 => prop::collection::vec(any::<u8>(), 0..12).prop_map(Act::SendBytes),
        12 => any::<u8>().prop_map(Act::EndJob),
        4 * weight => any::<bool>().prop_map(|is_error| Act::Reply { is_error }),
        4 * weight => (any::<u8>(), places).prop_map(|(what, (namespace, room))| Act::Begin { what, namespace, room }),
        8 * weight => (0..8_usize, prop::bool::weighted(0.8)).prop_map(|(nth, consents)| Act::Step { nth, consents }),
        weight => (0..8_usize).prop_map(|nth| Act::GiveUp { nth }),
        1 => any::<u16>().prop_map(Act::Wait),
        1 => Just(Act::Drain),
    ];
    prop::collection::vec(act, 1..80)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn a_servers_session_keeps_its_promises_whatever_the_client_sends(acts in acts(false)) {
        World::new(small(TestSide::server()), Instant::now()).run(&acts);
    }

    #[test]
    fn a_servers_session_keeps_its_promises_beside_requests_of_the_server(acts in acts(true)) {
        World::new(small(TestSide::server()), Instant::now()).run(&acts);
    }

    #[test]
    fn a_clients_session_keeps_its_promises_whatever_the_server_sends(acts in acts(false)) {
        World::new(small(TestSide::client()), Instant::now()).run(&acts);
    }

    #[test]
    fn a_clients_session_keeps_its_promises_beside_its_requests(acts in acts(true)) {
        World::new(small(TestSide::client()), Instant::now()).run(&acts);
    }
}

#[test]
fn nothing_is_sent_to_a_place_before_the_reply_that_confirms_it() {
    let mut world = World::new(TestSide::server(), Instant::now());
    world.end_job(0);
    world.turn();
    let may_send = |world: &World, room: &str| {
        world.session.may_send(&Message::new("chat", "").in_namespace("a").to_room(room)).is_ok()
    };
    for (event, room) in [(events::CONNECT, ""), (events::JOIN, "r")] {
        world.receive(format!("$1;a;{room};{event};0;0;").into());
        let mut action = world.session.poll_action(&world.side);
        while !matches!(action, Some(Action::Index(..))) {
            action = match action {
                Some(Action::Run(_, message)) => world.end_handler(message, Outcome::Nothing),
                Some(_) => world.session.continue_work(&world.side),
                None => panic!("the change never takes effect"),
            };
        }
        assert!(!may_send(&world, room), "{event}");
        assert!(room.is_empty() || may_send(&world, ""), "the namespace is confirmed");
        world.perform(action);
        assert!(may_send(&world, room), "{event}");
        world.replies.clear();
        let rest = world.session.continue_work(&world.side);
        world.perform(rest);
        while world.job.is_some() {
            world.end_job(0);
        }
    }
}

#[test]
fn a_request_ends_a_pause_of_reading_once() {
    let mut world = World::new(TestSide::server(), Instant::now());
    world.end_job(0);
    let ask = |world: &mut World| {
        let pending = OpenAsk { namespace: "a".into(), effect: Effect::Nothing, waiter: 0 };
        world.session.open_ask(new_token(), pending, 0).unwrap()
    };
    assert!(!ask(&mut world), "nothing was paused");
    assert!(!world.session.pause_until_asked(), "the reply must be read");
    world.session.asks.close_all();
    assert!(world.session.pause_until_asked());
    assert!(ask(&mut world));
    assert!(!ask(&mut world));
}
