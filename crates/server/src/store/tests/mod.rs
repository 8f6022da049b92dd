//! The store against the real engine.

mod arrays;
mod damage;
mod driver;
mod lists;
mod logging;
mod opening;
mod projecting;
mod random;
mod retention;
mod rounds;
mod runs;
mod speed;
