//! What docs/terminal.md says.
