//! docs/getting-started.md: a new user follows the chapter, block by block.

use std::fs;

use super::shell::Shell;
use super::{blocks, clone, read};

const PAGE: &str = "docs/getting-started.md";
const PORT: &str = "8080";

#[tokio::test]
async fn the_chapter_for_beginners_works_in_its_order() {
    let mut shell = Shell::new("getting-started", &[PORT]);
    std::os::unix::fs::symlink(clone(), shell.path("neffos")).unwrap();
    let page = read(PAGE);
    for block in blocks(&page) {
        let (kind, code) = block.split_once('\n').unwrap();
        match kind {
            "sh" if code.starts_with("cargo new") => shell.build(code).await,
            "sh" if code == "cargo run\n" => {
                shell.end_all();
                shell.build("cd chat\ncargo build").await;
                shell.serve("cd chat\nexec cargo run", PORT).await;
            }
            "sh" => shell.build(&format!("cd chat\n{code}")).await,
            "console" => follow(&mut shell, code).await,
            "rust,ignore" => {
                let path = code.lines().next().and_then(|line| line.strip_prefix("// ")).unwrap();
                fs::create_dir_all(shell.path("chat").join(path).parent().unwrap()).unwrap();
                shell.write(&format!("chat/{path}"), code);
            }
            other => panic!("{PAGE}: how is a block of {other} followed?"),
        }
    }
}

/// Runs the commands, and compares their output with the page.
async fn follow(shell: &mut Shell, console: &str) {
    let (commands, shown): (Vec<_>, Vec<_>) = console.lines().partition(|line| line.starts_with("$ "));
    let script: Vec<_> = commands.iter().map(|line| &line[2..]).collect();
    shell.run(&script.join("\n")).await;
    assert_eq!(fs::read_to_string(shell.path("output")).unwrap(), shown.join("\n") + "\n");
}
