//! The command line of Sluicebox: verbs, diagnostics, admin server, signals.
//!
//! The roof of the house. Only this crate prints, reads the environment and exits. It is a library, so that a program
//! with components of its own is the same command: build a [`sluicebox_core::Registry`] and hand it to [`main`].

mod admin;
mod arguments;
mod check;
mod connectors;
mod cursor;
mod dead_letters;
mod demo;

mod diagnostics;
mod emulate;
mod exit;
mod fleet;
mod learn;
mod letter_requests;
mod limits;
mod logs;
mod outside;
mod picture;
mod pipeline_files;
mod plugin;
mod program;
mod progress;
mod redact;
mod reference;
mod rule;
mod run;
mod signals;
mod tap;
mod terminal;
mod test;

pub use program::main;
