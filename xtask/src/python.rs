//! Programs from PyPI, each in a separate environment below the target folder.

use std::path::{Path, PathBuf};
use std::process::Command;

use xtask::Result;
use xtask::machine;
use xtask::steps::{command, run};

/// A Python environment.
#[derive(Debug)]
pub(crate) struct Environment {
    folder: PathBuf,
}

impl Environment {
    /// Creates an environment of this machine's `python3` with `packages`, each in the given version.
    ///
    /// # Errors
    /// If it cannot be created, or a package cannot be fetched.
    pub(crate) fn new(folder: PathBuf, packages: &str) -> Result<Self> {
        let environment = Self { folder };
        if !environment.program("pip").exists() {
            machine::need_python()?;
            run(command("python3 -m venv").arg(&environment.folder))?;
        }
        environment.install(packages)
    }

    /// Creates an environment of an older interpreter, which python3's own tool does not support.
    ///
    /// # Errors
    /// If it cannot be created, or a package cannot be fetched.
    pub(crate) fn of_python2(interpreter: &Path, folder: PathBuf, packages: &str) -> Result<Self> {
        let environment = Self { folder };
        if !environment.program("pip").exists() {
            let maker = Self::new(environment.folder.with_extension("maker"), LAST_VIRTUALENV_FOR_PYTHON2)?;
            let mut virtualenv = Command::new(maker.program("virtualenv"));
            run(virtualenv.arg("-q").arg("-p").arg(interpreter).arg(&environment.folder))?;
        }
        environment.install(packages)
    }

    /// Returns the path of a program of this environment.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.folder.join("bin").join(name)
    }

    /// Uses the network only for packages that are not installed in the wanted version.
    fn install(self, packages: &str) -> Result<Self> {
        let mut pip = Command::new(self.program("pip"));
        pip.env("PIP_NO_PYTHON_VERSION_WARNING", "1");
        run(pip.args("install --quiet --disable-pip-version-check".split(' ')).args(packages.split(' ')))?;
        Ok(self)
    }
}

const LAST_VIRTUALENV_FOR_PYTHON2: &str = "virtualenv==20.21.1";
