//! The store against the real engine.

mod agreement;
mod arrays;
mod damage;
mod driver;
mod lists;
mod loading;
mod logging;
mod opening;
mod projecting;
mod random;
mod retention;
mod rounds;
mod run_driver;
mod runs;
mod wal;
