//! From manifests to the objects of one color. Pure.
