//! A model of the world around the planner, walked exhaustively.
