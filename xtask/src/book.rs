//! `cargo xtask book`: builds the book of `docs` with mdBook, and checks the links of its pages.
//!
//! mdBook turns each link to a Markdown file into one to a page, also for files outside the book. Those are set right
//! afterwards, so that they lead to the files of the repository.

use std::fs;
use std::path::{Path, PathBuf};

use xtask::Result;
use xtask::steps::{self, Steps};
use xtask::workspace::Workspace;

use crate::subcommands::Subcommand;

/// Builds the book into the folder `book`.
///
/// # Errors
/// If mdBook cannot be installed, the book cannot be built, or a link leads nowhere. The text names each such link.
pub(crate) fn build(steps: &mut Steps, workspace: &Workspace) -> Result {
    steps.run("installation of mdBook", || Subcommand::MDBOOK.install(workspace))?;
    steps.command(&mut Subcommand::MDBOOK.command(workspace, "build docs"))?;
    steps.run("links of the book", || finish(Path::new(BOOK)))
}

fn finish(book: &Path) -> Result {
    let mut broken = Vec::new();
    for page in pages(book)? {
        let text = steps::read(&page)?;
        let folder = page.parent().unwrap_or(book);
        let (mended, lost) = mend(&text, |target| folder.join(target).exists());
        broken.extend(lost.into_iter().map(|link| format!("{}: {link}", page.display())));
        if mended != text {
            fs::write(&page, mended)?;
        }
    }
    if broken.is_empty() { Ok(()) } else { Err(format!("links lead nowhere:\n{}", broken.join("\n")).into()) }
}

/// Returns all pages below `folder`.
fn pages(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(pages(&path)?);
        } else if path.extension().is_some_and(|end| end == "html") {
            found.push(path);
        }
    }
    Ok(found)
}

/// Returns the page with links to Markdown files where those exist and pages do not, and the links that lead nowhere.
fn mend(page: &str, exists: impl Fn(&str) -> bool) -> (String, Vec<String>) {
    let mut pieces = page.split(ATTRIBUTE);
    let mut mended = pieces.next().unwrap_or_default().to_owned();
    let mut lost = Vec::new();
    for piece in pieces {
        let (link, rest) = piece.split_once('"').unwrap_or((piece, ""));
        let (target, part) = link.split_at(link.find('#').unwrap_or(link.len()));
        let markdown = target.strip_suffix(".html").map(|name| format!("{name}.md"));
        mended.push_str(ATTRIBUTE);
        match markdown.filter(|_| !exists(target)) {
            Some(file) if exists(&file) => mended.push_str(&format!("{file}{part}")),
            _ => {
                let is_local = !target.is_empty() && !target.contains(':');
                lost.extend((is_local && !exists(target)).then(|| link.to_owned()));
                mended.push_str(link);
            }
        }
        mended.push('"');
        mended.push_str(rest);
    }
    (mended, lost)
}

/// As `docs/book.toml` names it, from the root of the repository.
const BOOK: &str = "book";
const ATTRIBUTE: &str = "href=\"";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_to_a_file_outside_the_book_leads_to_the_file() {
        let exists = |target: &str| ["../README.md", "guide.html"].contains(&target);
        let page = r##"<a href="../README.html#more">a</a> <a href="guide.html#ask">b</a> <a href="#top">c</a>"##;
        let (mended, lost) = mend(page, exists);
        assert_eq!(mended, page.replace("../README.html", "../README.md"));
        assert!(lost.is_empty(), "{lost:?}");
    }

    #[test]
    fn a_link_that_leads_nowhere_is_named() {
        let page = r#"<a href="gone.html#x">a</a> <a href="https://elsewhere.example/x.html">b</a>"#;
        let (mended, lost) = mend(page, |_| false);
        assert_eq!((mended.as_str(), lost), (page, vec!["gone.html#x".to_owned()]));
    }
}
