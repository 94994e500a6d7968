//! The book in `docs`: its table of contents is complete, and the links of all pages lead to files and headings.

use std::collections::BTreeSet;

use super::{clone, pages, prose, read};

const CONTENTS: &str = "docs/SUMMARY.md";
/// Documents with links besides the pages for users.
const OTHERS: &[&str] = &["ARCHITECTURE.md", "SECURITY.md", "CHANGELOG.md", "interop/README.md", CONTENTS];

/// Returns the targets of all links to files, outside of code.
pub(super) fn links(page: &str) -> Vec<String> {
    let prose = prose(page);
    let targets = prose.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0));
    targets.filter(|target| !target.contains("://")).map(str::to_owned).collect()
}

/// Returns the anchors of all headings, as the book and the usual viewers of Markdown make them.
fn anchors(page: &str) -> BTreeSet<String> {
    let prose = prose(page);
    let headings = prose.lines().filter(|line| line.starts_with('#'));
    headings.map(|heading| anchor(heading.trim_start_matches('#').trim())).collect()
}

fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    let kept = kept.chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
    kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
}

#[test]
fn every_link_leads_to_a_file_and_to_a_heading_in_it() {
    let documents = pages().into_iter().chain(OTHERS.iter().map(|name| (*name).to_owned()));
    for document in documents {
        let page = read(&document);
        let folder = clone().join(&document).parent().unwrap().to_owned();
        for link in links(&page) {
            let (path, heading) = link.split_once('#').map_or((link.as_str(), None), |(path, part)| (path, Some(part)));
            let target = if path.is_empty() { clone().join(&document) } else { folder.join(path) };
            assert!(target.exists(), "{document}: there is no {link}");
            if let Some(heading) = heading.filter(|_| target.extension().is_some_and(|end| end == "md")) {
                let text = read(target.to_str().unwrap());
                assert!(anchors(&text).contains(heading), "{document}: there is no heading for {link}");
            }
        }
    }
}

#[test]
fn every_page_of_the_book_is_in_its_table_of_contents_once() {
    let listed: Vec<_> = links(&read(CONTENTS)).into_iter().map(|link| format!("docs/{link}")).collect();
    let pages: BTreeSet<_> = pages().into_iter().filter(|page| page.starts_with("docs/")).collect();
    assert_eq!(listed.iter().cloned().collect::<BTreeSet<_>>(), pages);
    assert_eq!(listed.len(), pages.len(), "a page is listed twice");
}

#[test]
fn anchors_are_those_of_the_book() {
    assert_eq!(anchor("For people: `neffos dial`"), "for-people-neffos-dial");
    assert_eq!(anchor("2. A server with rooms"), "2-a-server-with-rooms");
}
