//! The arguments of `bench`: the extent of the measurements.

use xtask::Result;

use super::contestants::{CONTESTANTS, Contestant};
use super::measures::{BRIEF, MEASURES, Measure};

#[derive(Debug)]
pub(super) struct Options {
    pub(super) extent: Extent,
    /// Names of contestants and measures. Empty means all.
    only: Vec<String>,
    pub(super) repeat: usize,
    /// The commit with which this one is compared.
    pub(super) against: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    Whole,
    /// Our server and the floor, once, in unoptimised builds. It shows that everything works; the figures mean nothing.
    Brief,
    /// Nothing. The page is written again from the last whole run.
    PageOnly,
}

impl Options {
    pub(super) fn parse(arguments: &[&str]) -> Result<Self> {
        let mut options = Self { extent: Extent::Whole, only: Vec::new(), repeat: 0, against: None };
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word}: its value is missing"));
            match *word {
                "--brief" => options.extent = Extent::Brief,
                "--page" => options.extent = Extent::PageOnly,
                "--against" => options.against = Some(value()?.to_string()),
                "--only" => options.only = value()?.split(',').map(str::to_owned).collect(),
                "--repeat" => options.repeat = value()?.parse().map_err(|fault| format!("--repeat: {fault}"))?,
                unknown => return Err(format!("no such argument: {unknown}").into()),
            }
        }
        if options.repeat == 0 {
            options.repeat = if options.extent == Extent::Brief { 1 } else { REPEAT };
        }
        match options.only.iter().find(|name| !is_known(name)) {
            None => Ok(options),
            Some(unknown) => Err(format!("--only: no such name: {unknown}; there are: {}", names().join(", ")).into()),
        }
    }

    /// Whether this is a whole run.
    pub(super) fn is_whole(&self) -> bool {
        self.extent != Extent::Brief && self.only.is_empty() && self.against.is_none()
    }

    /// Whether no measure and no contestant is named.
    pub(super) fn takes_all(&self) -> bool {
        self.only.is_empty()
    }

    pub(super) fn contestants(&self) -> Vec<Contestant> {
        let takes_part = |who: &&Contestant| match (&self.against, self.extent) {
            (Some(_), _) => who.is_ours(),
            (None, Extent::Brief) => who.is_own(),
            (None, Extent::Whole | Extent::PageOnly) => true,
        };
        let all = CONTESTANTS.iter().filter(takes_part);
        self.chosen(all, |who| who.name).copied().collect()
    }

    pub(super) fn measures(&self) -> Vec<&'static Measure> {
        let all = if self.extent == Extent::Brief { &BRIEF[..] } else { &MEASURES[..] };
        self.chosen(all.iter(), |measure| measure.name).collect()
    }

    /// Returns those that are named, or all of them if none of this kind is named.
    fn chosen<T>(&self, all: impl Iterator<Item = T> + Clone, name: fn(&T) -> &str) -> impl Iterator<Item = T> {
        let named = move |thing: &T| self.only.iter().any(|only| only == name(thing));
        let any = all.clone().any(|thing| named(&thing));
        all.filter(move |thing| !any || named(thing))
    }
}

fn names() -> Vec<&'static str> {
    let contestants = CONTESTANTS.iter().map(|who| who.name);
    contestants.chain(MEASURES.iter().map(|measure| measure.name)).collect()
}

fn is_known(name: &str) -> bool {
    names().contains(&name)
}

const REPEAT: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_measured_five_times_by_default() {
        let options = Options::parse(&[]).unwrap();
        assert!(options.is_whole() && options.repeat == 5);
        assert_eq!(options.contestants().len(), CONTESTANTS.len());
        assert_eq!(options.measures().len(), MEASURES.len());
    }

    #[test]
    fn names_choose_among_contestants_and_among_measures() {
        let options = Options::parse(&["--only", "load,burst-1000", "--repeat", "2"]).unwrap();
        assert!(!options.is_whole() && options.repeat == 2);
        assert_eq!(options.contestants().iter().map(|who| who.name).collect::<Vec<_>>(), ["load"]);
        assert_eq!(options.measures().iter().map(|measure| measure.name).collect::<Vec<_>>(), ["burst-1000"]);
        let options = Options::parse(&["--only", "load"]).unwrap();
        assert_eq!(options.measures().len(), MEASURES.len());
        assert!(Options::parse(&["--only", "nobody"]).unwrap_err().to_string().contains("nobody"));
    }

    #[test]
    fn another_commit_is_compared_with_our_servers_without_the_floor() {
        let options = Options::parse(&["--against", "HEAD~1"]).unwrap();
        assert!(!options.is_whole() && options.against.as_deref() == Some("HEAD~1"));
        assert!(options.contestants().iter().all(Contestant::is_ours));
        assert_eq!(options.measures().len(), MEASURES.len());
        assert!(Options::parse(&["--against"]).is_err());
    }

    #[test]
    fn a_brief_run_measures_only_programs_of_the_project() {
        let options = Options::parse(&["--brief"]).unwrap();
        assert!(options.contestants().iter().all(Contestant::is_own) && options.repeat == 1);
    }
}
