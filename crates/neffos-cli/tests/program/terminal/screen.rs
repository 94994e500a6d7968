//! `neffos dial` in a terminal.

use neffos::{CloseCode, Conn, Events, Message, NsConn, Server};

use crate::support::{Program, Screen, host};

const TAB: &str = "\t";
const ENTER: &str = "\r";
const UP: &str = "\x1b[A";
const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";

async fn at_the_prompt(url: &str, flags: &[&str]) -> Screen {
    let mut screen = Screen::start(&[&["dial", url, "--no-history"], flags].concat(), &[]);
    screen.until_shown("connected to default").await;
    screen.until_line("default chat> ").await;
    screen
}

#[tokio::test]
async fn tab_completes_commands_and_names() {
    let program = Program::start(&[]).await;
    let mut screen = at_the_prompt(&program.url(), &[]).await;
    screen.press(&format!("/jo{TAB}")).await;
    screen.until_line("default chat> /join ").await;
    screen.press(&format!("lobby{ENTER}")).await;
    screen.until_shown("joined default/lobby").await;
    screen.until_line("default/lobby chat> ").await;
    screen.press(&format!("/leave l{TAB}")).await;
    screen.until_line("default/lobby chat> /leave lobby").await;
    screen.press(ENTER).await;
    screen.until_line("default chat> ").await;
    screen.press(CTRL_D).await;
    assert_eq!(screen.code().await, Some(0));
}

#[tokio::test]
async fn the_up_arrow_recalls_lines_also_of_an_earlier_session() {
    let program = Program::start(&[]).await;
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("history-{}", std::process::id()));
    let variables = [("XDG_STATE_HOME", folder.to_str().unwrap())];
    let url = program.url();
    let mut screen = Screen::start(&["dial", &url], &variables);
    screen.until_line("default chat> ").await;
    screen.press(&format!("hello{ENTER}")).await;
    screen.until_shown("> default chat hello").await;
    screen.until_line("default chat> ").await;
    screen.press(UP).await;
    screen.until_line("default chat> hello").await;
    screen.press(CTRL_C).await;
    assert_eq!(screen.code().await, Some(0));

    let mut screen = Screen::start(&["dial", &url], &variables);
    screen.until_line("default chat> ").await;
    screen.press(UP).await;
    screen.until_line("default chat> hello").await;
    screen.press(CTRL_C).await;
    assert_eq!(screen.code().await, Some(0));
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn received_messages_do_not_disturb_a_half_typed_line() {
    let program = Program::start(&[]).await;
    let mut screen = at_the_prompt(&program.url(), &[]).await;
    screen.press("half ty").await;
    screen.until_line("default chat> half ty").await;
    let mut bob = program.client().await.join_namespace().await;
    for n in 0..30 {
        bob.emit("chat", &format!("message {n}")).await;
    }
    bob.emit("chat", "\x1b[2J\x1b]0;owned\x07").await;
    screen.until_shown("< default chat message 29").await;
    screen.until_shown("< default chat \\x1b[2J\\x1b]0;owned\\x07").await;
    screen.until_line("default chat> half ty").await;
    screen.press(&format!("ped{ENTER}")).await;
    assert_eq!(bob.heard().await, ";default;;chat;0;0;half typed");
    screen.until_line("default chat> ").await;
    screen.press(CTRL_D).await;
    assert_eq!(screen.code().await, Some(0));
    assert!(screen.contents().contains("* closed"), "{}", screen.contents());
}

#[tokio::test]
async fn wide_characters_are_edited_at_their_position() {
    let program = Program::start(&[]).await;
    let mut screen = at_the_prompt(&program.url(), &["--color", "never"]).await;
    let mut bob = program.client().await.join_namespace().await;
    screen.press("日本x\x1b[D\x7f").await;
    screen.until_shown("default chat> 日x").await;
    screen.press(ENTER).await;
    assert_eq!(bob.heard().await, ";default;;chat;0;0;日x");
    bob.emit("chat", "語 👩\u{200d}🚀 é").await;
    screen.until_shown("< default chat 語").await;
    screen.press(CTRL_D).await;
    assert_eq!(screen.code().await, Some(0));
}

#[tokio::test]
async fn a_close_by_the_server_leaves_a_tidy_terminal() {
    let events = Events::new().on("chat", async |ns: NsConn, conn: Conn, message: Message| {
        ns.emit("chat", format!("last words to {}", message.text().unwrap())).unwrap();
        conn.close(CloseCode::POLICY, "kicked");
    });
    let (_server, url) = host(Server::builder().namespace("default", events)).await;
    let mut screen = at_the_prompt(&url, &[]).await;
    screen.press(&format!("you{ENTER}")).await;
    assert_eq!(screen.code().await, Some(1));
    let contents = screen.contents();
    let at = |text: &str| contents.find(text).unwrap_or_else(|| panic!("{text:?} is not in\n{contents}"));
    assert!(at("< default chat last words to you") < at("error: the server closed the connection: [1008] kicked"));
    assert!(contents.ends_with("kicked"), "{contents}");
}

#[tokio::test]
async fn a_signal_in_the_middle_of_a_line_closes_the_connection_and_leaves_a_tidy_terminal() {
    let program = Program::start(&[]).await;
    for signal in ["TERM", "INT"] {
        let mut screen = at_the_prompt(&program.url(), &[]).await;
        screen.press("half").await;
        screen.until_line("default chat> half").await;
        screen.signal(signal).await;
        assert_eq!(screen.code().await, Some(0));
        assert!(screen.contents().ends_with("* closed"), "{}", screen.contents());
        assert!(!screen.is_editing());
    }
}

#[tokio::test]
async fn a_lost_connection_is_shown_and_restored() {
    let program = Program::start(&[]).await;
    let address = program.address;
    let mut screen = at_the_prompt(&program.url(), &[]).await;
    screen.press("half").await;
    program.kill().await;
    screen.until_shown("* lost the connection").await;
    screen.until_shown("* trying to come back (1) in ").await;
    let _again = Program::start_again(address).await;
    screen.until_shown("* back, you are ").await;
    screen.until_line("default chat> half").await;
    screen.press(CTRL_C).await;
    assert_eq!(screen.code().await, Some(0));
}
