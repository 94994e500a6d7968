//! Cargo's facts about this workspace.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::Result;
use crate::steps::{command, output};

/// The workspace as `cargo metadata` describes it.
#[derive(Debug)]
pub struct Workspace {
    metadata: Value,
    target: PathBuf,
}

impl Workspace {
    /// Reads the workspace around the current folder, and makes its root the current folder.
    ///
    /// # Errors
    /// If cargo cannot read it.
    pub fn enter() -> Result<Self> {
        let metadata = metadata("Cargo.toml")?;
        std::env::set_current_dir(text(&metadata["workspace_root"])?)?;
        let target = PathBuf::from(text(&metadata["target_directory"])?);
        Ok(Self { metadata, target })
    }

    /// Returns the folder of all builds, wherever the user has put it.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Returns the path of one of the workspace's programs after `cargo build`.
    pub fn program(&self, name: &str) -> PathBuf {
        self.target.join("debug").join(name)
    }

    /// Returns the names of the targets of one kind: `bench`, `bin`, `test`.
    pub fn targets(&self, kind: &str) -> Vec<&str> {
        targets(&self.metadata, kind)
    }

    /// Returns the published packages, by the oldest Rust that builds them.
    pub fn oldest_rust(&self) -> BTreeMap<&str, Vec<&str>> {
        let published = array(&self.metadata["packages"]).filter(|package| package["publish"].is_null());
        let mut found = BTreeMap::<_, Vec<_>>::new();
        for package in published {
            if let (Some(version), Some(name)) = (package["rust_version"].as_str(), package["name"].as_str()) {
                found.entry(version).or_default().push(name);
            }
        }
        found
    }

    /// Returns the `src` folders of all packages, below the root.
    pub fn sources(&self) -> impl Iterator<Item = PathBuf> {
        let root = self.metadata["workspace_root"].as_str().unwrap_or_default();
        array(&self.metadata["packages"]).filter_map(move |package| {
            let manifest = Path::new(package["manifest_path"].as_str()?);
            Some(manifest.strip_prefix(root).ok()?.parent()?.join("src"))
        })
    }

    /// Returns pairs of a package and a package that its manifest names, with any kind of dependency.
    pub fn dependencies(&self) -> impl Iterator<Item = (&str, &str)> {
        array(&self.metadata["packages"]).flat_map(|package| {
            let name = package["name"].as_str().unwrap_or_default();
            let needs = array(&package["dependencies"]).filter_map(|dependency| dependency["name"].as_str());
            needs.map(move |needed| (name, needed))
        })
    }
}

/// Returns the names of the programs of another workspace.
///
/// # Errors
/// If cargo cannot read it.
pub fn programs_of(manifest: &str) -> Result<Vec<String>> {
    let metadata = metadata(manifest)?;
    Ok(targets(&metadata, "bin").into_iter().map(str::to_owned).collect())
}

fn metadata(manifest: &str) -> Result<Value> {
    let mut cargo = command("cargo metadata --no-deps --format-version 1");
    if manifest != "Cargo.toml" {
        cargo.args(["--manifest-path", manifest]);
    }
    Ok(serde_json::from_str(&output(&mut cargo)?)?)
}

fn targets<'a>(metadata: &'a Value, kind: &str) -> Vec<&'a str> {
    array(&metadata["packages"])
        .flat_map(|package| array(&package["targets"]))
        .filter(|target| array(&target["kind"]).any(|of| of == kind))
        .filter_map(|target| target["name"].as_str())
        .collect()
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> Result<&str> {
    value.as_str().ok_or_else(|| "cargo metadata has another form than expected".into())
}
