//! The whole service on a real nats-server, a real Postgres and a simulated Spacelift; the test
//! itself is the planner and the policies.

mod failures;
mod faults;
mod gone;
mod holds;
mod large;
mod locks;
mod loose;
mod native;
mod outputs;
mod people;
mod reading;
mod running;
mod sharing;
mod whole;
mod withdrawing;
