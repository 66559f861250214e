//! The statistics: numbers in, a verdict out. Pure.
