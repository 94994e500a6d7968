//! Asks from servers of either kind to clients on servers of either kind.

use std::future::Future;

use mixed::{Cluster, Ear, Node, OLDER, SETTINGS, Setting, YOUNGER, text};
use test_client::Frame;

#[tokio::test]
#[ignore = "needs brokers and the servers in Go: cargo xtask go"]
async fn servers_of_either_kind_ask_clients_on_either_kind() {
    for setting in younger() {
        ask_everyone(setting).await;
    }
}

async fn ask_everyone(setting: Setting) {
    let cluster = Cluster::of_both_kinds(setting).await;
    let mut ears = cluster.ears().await;
    ears.push(Ear::enter(&cluster.nodes[0], "user.1 [x]").await);
    ears.push(Ear::enter(&cluster.nodes[1], "user.2 [x]").await);
    for node in &cluster.nodes {
        for ear in &mut ears {
            let id = ear.id.clone();
            let (answer, ()) = tokio::join!(ask(node, &id, "how?"), ear.answers("how?", "0;0;so; so"));
            assert!(is_answer(&answer, "so; so"), "{setting}: {:?} asked {id}: {answer}", node.kind);
        }
    }
    cluster.silent(&mut ears).await;
}

#[tokio::test]
#[ignore = "needs brokers and the servers in Go: cargo xtask go"]
async fn a_refusal_is_an_answer_on_either_kind() {
    for setting in younger() {
        be_refused(setting).await;
    }
}

async fn be_refused(setting: Setting) {
    let cluster = Cluster::of_both_kinds(setting).await;
    let mut ears = cluster.ears().await;
    for node in &cluster.nodes {
        for ear in &mut ears {
            let id = ear.id.clone();
            let (answer, ()) = tokio::join!(ask(node, &id, "how?"), ear.answers("how?", "1;0;not you"));
            assert!(answer.contains(r#""err":"not you""#), "{setting}: {:?} asked {id}: {answer}", node.kind);
        }
    }
    cluster.silent(&mut ears).await;
}

#[tokio::test]
#[ignore = "needs brokers and the servers in Go: cargo xtask go"]
async fn of_all_members_that_are_asked_in_a_room_the_first_answer_counts() {
    for setting in younger() {
        ask_a_room(setting).await;
    }
}

async fn ask_a_room(setting: Setting) {
    let cluster = Cluster::of_both_kinds(setting).await;
    let mut ears = cluster.ears().await;
    for ear in &mut ears {
        ear.join("default", "den").await;
    }
    for node in &cluster.nodes {
        for first in 0..ears.len() {
            let parameters =
                [("ns", "default"), ("room", "den"), ("event", "question"), ("body", "who?"), ("ms", "10000")];
            let answering = first_answers(&mut ears, first);
            let (answer, (tokens, body)) = tokio::join!(node.call("ask", &parameters), answering);
            assert!(is_answer(&answer, &body), "{setting}: {:?} asked, {first} answered: {answer}", node.kind);
            // Late answers have no effect.
            for (ear, token) in ears.iter_mut().zip(&tokens) {
                ear.say(&format!("{token};default;den;question;0;0;late")).await;
            }
        }
    }
    cluster.silent(&mut ears).await;
}

/// Servers in Go of this version make no asks that others recognise, and recognise no answers of others.
#[tokio::test]
#[ignore = "needs brokers and the servers in Go: cargo xtask go"]
async fn asks_do_not_cross_to_the_older_version_and_do_no_harm_there() {
    for setting in SETTINGS.into_iter().filter(|setting| setting.version == OLDER) {
        ask_the_older_version(setting).await;
    }
}

async fn ask_the_older_version(setting: Setting) {
    let cluster = Cluster::of_both_kinds(setting).await;
    let mut ears = cluster.ears().await;
    for asker in &cluster.nodes {
        for (ear, asked) in ears.iter_mut().zip(&cluster.nodes) {
            let (from_rust, to_rust) = (asker.kind.is_rust(), asked.kind.is_rust());
            let (id, crosses) = (ear.id.clone(), from_rust && to_rust);
            let patience = if crosses { "10000" } else { "300" };
            // An ask of a server in Go is no ask for this library: it arrives without a token.
            let answering = answer_to_any(ear, from_rust || !to_rust);
            let (answer, ()) = tokio::join!(ask_for(asker, &id, "how?", patience), answering);
            assert_eq!(is_answer(&answer, "so"), crosses, "{setting}: {:?} asked {id}: {answer}", asker.kind);
            assert!(crosses || answer.contains("deadline exceeded"), "{setting}: {answer}");
        }
    }
    cluster.silent(&mut ears).await;
}

/// Asks all clients, of which one answers first. Returns the tokens of all, and the first answer.
async fn first_answers(ears: &mut [Ear], first: usize) -> (Vec<String>, String) {
    let mut tokens = Vec::new();
    for ear in ears.iter_mut() {
        tokens.push(ear.is_asked("default;den", "who?").await);
    }
    let body = format!("I, {first}");
    ears[first].say(&format!("{};default;den;question;0;0;{body}", tokens[first])).await;
    (tokens, body)
}

/// Waits for the question, with or without a token, and answers it.
async fn answer_to_any(ear: &mut Ear, has_token: bool) {
    let question = payload(&ear.next().await);
    let (token, rest) = question.split_once(';').expect("a token comes first");
    assert_eq!((rest, token.is_empty()), ("default;;question;0;0;how?", !has_token), "asked of {}", ear.id);
    ear.say(&format!("{token};default;;question;0;0;so")).await;
}

fn payload(frame: &Frame) -> String {
    String::from_utf8(frame.payload.clone()).expect("it is text")
}

trait Asked {
    /// Waits for the next ask, and answers it with these flags and this body.
    fn answers(&mut self, question: &str, answer: &str) -> impl Future<Output = ()>;

    /// Waits for the next ask in this namespace and room, and returns its token.
    fn is_asked(&mut self, place: &str, question: &str) -> impl Future<Output = String>;
}

impl Asked for Ear {
    async fn answers(&mut self, question: &str, answer: &str) {
        let token = self.is_asked("default;", question).await;
        self.say(&format!("{token};default;;question;{answer}")).await;
    }

    async fn is_asked(&mut self, place: &str, question: &str) -> String {
        let frame = self.next().await;
        let payload = payload(&frame);
        let (token, _) = payload.split_once(';').expect("a token comes first");
        assert_eq!(frame, text(&format!("{token};{place};question;0;0;{question}")));
        assert!(!token.is_empty() && !token.starts_with('$') && !token.contains('!'), "{token}");
        token.to_owned()
    }
}

async fn ask(node: &Node, id: &str, question: &str) -> String {
    ask_for(node, id, question, "10000").await
}

async fn ask_for(node: &Node, id: &str, question: &str, milliseconds: &str) -> String {
    let what = [("ns", "default"), ("event", "question"), ("to", id), ("body", question), ("ms", milliseconds)];
    node.call("ask", &what).await
}

fn is_answer(answer: &str, body: &str) -> bool {
    let answer: serde_json::Value = serde_json::from_str(answer).expect("JSON");
    let says = answer["msg"].as_str().is_some_and(|msg| msg.contains(&format!(" body={body:?} ")));
    answer["err"].is_null() && says
}

fn younger() -> impl Iterator<Item = Setting> {
    SETTINGS.into_iter().filter(|setting| setting.version == YOUNGER)
}
