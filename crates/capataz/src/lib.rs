//! capataz
