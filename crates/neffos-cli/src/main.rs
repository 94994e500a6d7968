//! The `neffos` program.

fn main() {}
