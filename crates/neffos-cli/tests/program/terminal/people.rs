//! `neffos dial` for people, with lines on stdin and stdout.

use neffos::{Events, Message, NsConn, Reply, Server};

use crate::support::{Dialogue, Program, host, run_to_end, run_with_input, soon};

#[tokio::test]
async fn two_people_talk_in_a_room() {
    let program = Program::start(&[]).await;
    let mut ada = Dialogue::start(&["dial", &program.url(), "--room", "lobby"]);
    ada.line_with("joined default/lobby").await;
    let mut bob = Dialogue::start(&["dial", &program.url()]);
    bob.line_with("connected to default").await;
    bob.say("/join lobby").await;
    bob.line_with("joined default/lobby").await;
    bob.say("hello").await;
    bob.line_with("> default/lobby chat hello").await;
    ada.line_with("< default/lobby chat hello").await;
    ada.say("/event news").await;
    ada.say("//slashed").await;
    bob.line_with("< default/lobby news /slashed").await;
    bob.say("/leave").await;
    bob.line_with("left default/lobby").await;
    bob.say("/binary pic AP8=").await;
    ada.line_with("< default pic (binary) <2 bytes> 00 ff |..|").await;
    bob.say("/quit").await;
    let ended = bob.ended().await;
    assert_eq!(ended.code, Some(0));
    assert!(ended.output.ends_with("* closed\n"), "{ended:?}");
    assert_eq!(ada.end().await.code, Some(0));
}

#[tokio::test]
async fn each_command_shows_its_result() {
    let program = Program::start(&[]).await;
    let said = "/dance\n/join\n/connect nowhere\n/disconnect elsewhere\n/leave attic\n/rooms\n/join lobby\n/rooms\n\
                /use default\n/use attic\n/status\n/help\n/ask time\n/native plain\n/disconnect\nlost\n";
    let ended = run_with_input(&["dial", &program.url()], said.as_bytes()).await;
    assert_eq!((ended.code, ended.errors.as_str()), (Some(0), ""));
    for line in [
        "! there is no /dance; /help lists what there is\n",
        "! write it as /join ROOM\n",
        "! nowhere bad namespace\n",
        "! elsewhere the namespace is not connected\n",
        "! default/attic the room is not joined\n",
        "  no rooms are joined\n",
        "* joined default/lobby\n",
        "  default/lobby\n",
        "! attic is neither connected nor joined\n",
        "connected\n           default: lobby\n",
        "  /join ROOM ",
        "> default time ",
        "! native messages need the empty namespace, which is not connected\n",
        "* disconnected from default\n",
        "! no namespace is in use; /connect one\n",
        "= default time  (",
    ] {
        assert!(ended.output.contains(line), "{line:?} is not in {}", ended.output);
    }
}

#[tokio::test]
async fn whatever_is_sent_no_control_sequence_is_shown() {
    const EVIL: &str = "\x1b]0;owned\x07\x1b[2J\u{9b}31m\r\u{202e}";
    let events = Events::new().on("evil", async |ns: NsConn| {
        ns.emit(EVIL, EVIL)?;
        ns.emit_binary(EVIL, b"\xff\x1b[2J".to_vec())?;
        Ok::<_, neffos::Error>(Reply::error(EVIL))
    });
    let (_server, url) = host(Server::builder().namespace("default", events)).await;
    let ended = run_with_input(&["dial", &url], b"/ask evil\n").await;
    assert_eq!(ended.code, Some(0));
    assert!(ended.output.contains("\\x1b]0;owned\\x07\\x1b[2J\\x9b31m"), "{ended:?}");
    let unsafe_ones: Vec<_> =
        ended.output.chars().filter(|&c| c != '\n' && (c.is_control() || c == '\u{202e}')).collect();
    assert!(unsafe_ones.is_empty(), "{ended:?}");
}

#[tokio::test]
async fn colours_are_only_for_terminals_unless_they_are_requested() {
    let program = Program::start(&[]).await;
    let plain = run_to_end(&["dial", &program.url()], &[]).await;
    assert!(!plain.output.contains('\x1b'), "{plain:?}");
    let colored = run_to_end(&["dial", &program.url(), "--color", "always"], &[("NO_COLOR", "1")]).await;
    assert!(colored.output.contains("\x1b[33m"), "{colored:?}");
}

#[tokio::test]
async fn a_long_file_arrives_completely_and_in_order() {
    const LINES: usize = 5000;
    let (told, mut heard) = tokio::sync::mpsc::channel(LINES);
    let events = Events::new().on("chat", move |message: Message| {
        let told = told.clone();
        async move { told.send(message.text().unwrap().to_owned()).await.unwrap() }
    });
    let (_server, url) = host(Server::builder().namespace("default", events)).await;
    let file: String = (0..LINES).map(|n| format!("line {n}\n")).collect();
    let ended = run_with_input(&["dial", &url], file.as_bytes()).await;
    assert_eq!(ended.code, Some(0));
    for n in 0..LINES {
        assert_eq!(soon(heard.recv()).await.unwrap(), format!("line {n}"));
    }
}

#[tokio::test]
async fn a_signal_closes_the_connection() {
    for signal in ["INT", "TERM"] {
        let program = Program::start(&[]).await;
        let mut ada = Dialogue::start(&["dial", &program.url()]);
        ada.line_with("connected to default").await;
        ada.signal(signal).await;
        let ended = ada.ended().await;
        assert_eq!(ended.code, Some(0));
        assert!(ended.output.ends_with("* closed\n"), "{ended:?}");
    }
}
