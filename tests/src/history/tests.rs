//! Hand-made histories: good ones that pass, and bad ones of which each is refused for the one thing that is wrong.

mod bad;
mod builder;
mod connections;
mod good;
mod told;
