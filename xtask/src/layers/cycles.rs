//! Files that use each other in a circle: a reader of one must read all.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use super::scan::Mention;

/// The uses between the files of a crate.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    /// Each file with its module, below the root of the crate.
    files: Vec<(String, Vec<String>)>,
    mentions: Vec<Vec<Vec<String>>>,
}

/// Files that use each other in a circle.
#[derive(Debug)]
pub(crate) struct Cycle<'a> {
    pub(crate) files: Vec<&'a str>,
    /// The uses between these files.
    uses: Vec<(&'a str, &'a str)>,
}

impl fmt::Display for Cycle<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("these files use each other in a circle:")?;
        self.uses.iter().try_for_each(|(from, to)| write!(f, "\n    {from} uses {to}"))
    }
}

impl Graph {
    /// Adds a file, named by its path below `src`, with the paths that it names.
    pub(crate) fn add(&mut self, file: &Path, found: &[Mention]) {
        let module = module(file);
        let uses = found.iter().filter(|mention| !mention.in_test && !names_nothing(mention));
        self.mentions.push(uses.map(|mention| absolute(&module, &mention.segments)).collect());
        self.files.push((file.display().to_string(), module));
    }

    /// Returns the groups of more than `most` files in which each file uses all others, directly or indirectly.
    pub(crate) fn cycles(&self, most: usize) -> Vec<Cycle<'_>> {
        let edges = self.edges();
        let reach: Vec<_> = (0..self.files.len()).map(|from| reach(&edges, from)).collect();
        let mut groups = BTreeSet::new();
        for from in 0..self.files.len() {
            let group: BTreeSet<_> = reach[from].iter().copied().filter(|&to| reach[to].contains(&from)).collect();
            if group.len() > most {
                groups.insert(group);
            }
        }
        groups.iter().map(|group| self.cycle(group, &edges)).collect()
    }

    fn cycle(&self, group: &BTreeSet<usize>, edges: &[BTreeSet<usize>]) -> Cycle<'_> {
        let name = |file: usize| &*self.files[file].0;
        let inner = |from: usize| edges[from].intersection(group).map(move |&to| (name(from), name(to)));
        Cycle {
            files: group.iter().map(|&file| name(file)).collect(),
            uses: group.iter().flat_map(|&from| inner(from)).collect(),
        }
    }

    fn edges(&self) -> Vec<BTreeSet<usize>> {
        let modules: BTreeMap<&[String], usize> =
            self.files.iter().enumerate().map(|(file, (_, module))| (&**module, file)).collect();
        let edges = self.mentions.iter().enumerate().map(|(from, paths)| {
            let used = paths.iter().filter(|path| !self.is_only_passed_on(&modules, from, path));
            let targets = used.filter_map(|path| self.target(&modules, path, MOST_STEPS));
            targets.filter(|&to| to != from).collect()
        });
        edges.collect()
    }

    /// Whether a file names a module or an item below it without using it: it declares the module, or re-exports the
    /// item.
    fn is_only_passed_on(&self, modules: &BTreeMap<&[String], usize>, file: usize, path: &[String]) -> bool {
        let module = &self.files[file].1;
        let Some([_, rest @ ..]) = path.strip_prefix(&**module) else { return false };
        let Some(name) = rest.last() else { return true };
        let own = [&**module, std::slice::from_ref(name)].concat();
        // An item may have the name of a module that is declared there.
        modules.contains_key(&*own) || !self.mentions[file].iter().any(|other| other.starts_with(&own))
    }

    /// Returns the file with an item. The `mod.rs` of a folder may only re-export it.
    fn target(&self, modules: &BTreeMap<&[String], usize>, path: &[String], steps: usize) -> Option<usize> {
        let length = (1..=path.len()).rev().find(|&length| modules.contains_key(&path[..length]))?;
        let file = modules[&path[..length]];
        let Some(name) = path.get(length) else { return Some(file) };
        let module = &self.files[file].1;
        let passed_on = self.mentions[file].iter().find(|other| {
            let is_below = other.starts_with(module) && other.len() > module.len() + 1;
            is_below && modules.contains_key(&other[..=module.len()]) && other.last() == Some(name) && *other != path
        });
        match passed_on.filter(|_| steps > 0) {
            Some(other) => self.target(modules, other, steps - 1),
            None => Some(file),
        }
    }
}

/// `pub(super)` names nothing, and only tests have `use super::*`.
fn names_nothing(mention: &Mention) -> bool {
    mention.segments.iter().all(|word| ["crate", "super", "*"].contains(&&**word))
}

/// Returns all files that `from` uses, directly or indirectly.
fn reach(edges: &[BTreeSet<usize>], from: usize) -> BTreeSet<usize> {
    let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
    while let Some(file) = next.pop() {
        next.extend(edges[file].iter().copied().filter(|to| seen.insert(*to)));
    }
    seen
}

fn module(file: &Path) -> Vec<String> {
    let mut names: Vec<_> = file.iter().map(|part| part.to_string_lossy().trim_end_matches(".rs").to_owned()).collect();
    if names.last().is_some_and(|name| ["mod", "lib", "main"].contains(&&**name)) {
        names.pop();
    }
    names
}

/// Returns a path from the root of the crate, if it leads through the root; otherwise a path from this module.
fn absolute(module: &[String], segments: &[String]) -> Vec<String> {
    let ups = segments.iter().take_while(|word| *word == "super").count();
    match segments.first().map(String::as_str) {
        Some("crate") => segments[1..].to_vec(),
        Some("super") => [&module[..module.len().saturating_sub(ups)], &segments[ups..]].concat(),
        Some("self") => [module, &segments[1..]].concat(),
        _ => [module, segments].concat(),
    }
}

/// How many times a name may be re-exported.
const MOST_STEPS: usize = 4;

#[cfg(test)]
mod tests {
    use super::super::scan::mentions;
    use super::*;

    fn cycles(files: &[(&str, &str)]) -> Vec<Vec<String>> {
        let mut graph = Graph::default();
        for (file, source) in files {
            let names_its_folder = file.ends_with("mod.rs") || file.ends_with("lib.rs");
            let depth = Path::new(file).components().count() - usize::from(names_its_folder);
            graph.add(Path::new(file), &mentions(source, depth));
        }
        graph.cycles(2).into_iter().map(|cycle| cycle.files.into_iter().map(str::to_owned).collect()).collect()
    }

    #[test]
    fn a_circle_of_three_files_is_found_and_two_may_use_each_other() {
        let two = [
            ("a/mod.rs", "mod one; mod two;"),
            ("a/one.rs", "use super::two::Two;"),
            ("a/two.rs", "use super::one::One;"),
        ];
        assert_eq!(cycles(&two), Vec::<Vec<String>>::new());
        let three = [
            ("a/mod.rs", "mod one; mod two; mod three;"),
            ("a/one.rs", "use super::two::Two;"),
            ("a/two.rs", "fn f(_: crate::a::three::Three) {}"),
            ("a/three.rs", "use super::one::One;"),
        ];
        assert_eq!(cycles(&three), [["a/one.rs", "a/two.rs", "a/three.rs"]]);
    }

    #[test]
    fn a_name_that_a_folder_re_exports_counts_as_a_use_of_its_file() {
        let files = [
            ("a/mod.rs", "mod one; mod two; mod three; pub(crate) use one::One;"),
            ("a/one.rs", "use super::two::Two;"),
            ("a/two.rs", "use super::three::Three;"),
            ("a/three.rs", "use super::One;"),
        ];
        assert_eq!(cycles(&files), [["a/one.rs", "a/two.rs", "a/three.rs"]]);
    }

    #[test]
    fn the_visibility_of_an_item_is_no_use_of_the_folder() {
        let files = [
            ("a/mod.rs", "mod one; mod two; fn f() { one::f(); two::f(); }"),
            ("a/one.rs", "pub(super) fn f() {}"),
            ("a/two.rs", "pub(crate) fn f() {}"),
        ];
        assert_eq!(cycles(&files), Vec::<Vec<String>>::new());
    }

    #[test]
    fn tests_may_use_anything() {
        let files = [
            ("a/mod.rs", "mod one; mod two; mod three;"),
            ("a/one.rs", "use super::two::Two;"),
            ("a/two.rs", "use super::three::Three;"),
            ("a/three.rs", "#[cfg(test)] mod tests { use super::super::one::One; }"),
        ];
        assert_eq!(cycles(&files), Vec::<Vec<String>>::new());
    }
}
