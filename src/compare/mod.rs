//! The same trace under several policies: what came of it, which to choose, and how that is shown.
//!
//! Reads the files that runs left behind (their summaries and series) and makes text of them: a
//! table, JSON, a page with plots, and a picture of the burst. It starts nothing and measures nothing.

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
pub use table::{OF_OPTIMUM, table};
