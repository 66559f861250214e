//! Tables: a snapshot in, the whole decision out. A row is named by its story.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a row that can't be read is a failed row")]

mod available;
mod connections;
mod decisions;
mod fixture;
mod gates;
mod group;
mod halts;
mod hands;
mod hands_off;
mod install;
mod jobs;
mod late;
mod lengths;
mod mirrors;
mod overlap;
mod previews;
mod probing;
mod promotion;
mod reaching;
mod report;
mod rest;
mod returning;
mod ripening;
mod testing;
mod waited;
mod whole;
