//! How things look: text made of objects and a moment, nothing else.

mod debugging;
mod decision;
mod explanation;
mod list;
mod paint;
mod summary;
mod table;
mod time;

pub use debugging::debugging;
pub use decision::{doing, now_open, outcome, question, state, subject, sure};
pub use explanation::explanation;
pub use list::list;
pub use paint::Paint;
pub use summary::{does, progress, summary};
pub use time::Clock;
