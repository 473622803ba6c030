//! Compares runs of the same input under several policies, and recommends one of the policies.
//!
//! It reads the files that runs have written (their summaries and series) and makes a table, JSON, a page with plots
//! and a picture of the burst. It starts no run and measures nothing.

mod choice;
mod comparison;
mod figures;
mod page;
mod picture;
mod plot;
mod plots;
mod table;

pub use choice::{Choice, choose};
pub use comparison::{Compared, Comparison, Provenance, Round, Threshold};
pub use figures::Figures;
pub use page::page;
pub use picture::picture;
pub use table::table;
