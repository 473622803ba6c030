//! The same trace under several policies: what came of it, which to choose, and how that is shown.
//!
//! Reads the files that runs left behind (their summaries and series) and makes text of them: a
//! table, JSON, and a page with plots. It starts nothing and measures nothing.

mod choice;
mod comparison;
mod figures;
mod page;
mod plot;
mod plots;
mod table;

pub use choice::{Choice, choose};
pub use comparison::{Compared, Comparison, ReadError, Round, Threshold};
pub use figures::Figures;
pub use page::page;
pub use table::table;
