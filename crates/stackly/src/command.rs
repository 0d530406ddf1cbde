//! One module per subcommand: what it asks, of whom, and what it prints.

use std::path::Path;

use crate::{
    cli::{Cli, Command},
    failure::Failure,
    print::Terminal,
    target::Target,
};

pub mod answer;
pub mod chain;
pub mod chains;
pub mod completions;
pub mod connect;
pub mod dead;
pub mod deliveries;
mod desk;
mod doctor;
pub mod drift;
pub mod gates;
pub mod glass;
pub mod graph;
pub mod inspect;
pub mod line;
pub mod lock;
pub mod loose;
pub mod migrate;
mod names;
pub mod notices;
pub mod order;
pub mod plan;
pub mod policy;
pub mod review;
pub mod simulate;
pub mod stacks;
pub mod status;
pub mod tail;
pub mod topology;
pub mod trace;
pub mod validate;
mod value;
pub mod why;

use desk::Desk;
use review::Word;

/// Does what the command line says. `folder` is where `.stackly/dev.json` is looked for.
pub async fn execute(cli: Cli, folder: &Path, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    let Cli { global, command } = cli;
    // What needs nobody else comes first.
    let command = match command {
        Command::Completions(options) => return completions::run(&options, terminal),
        Command::Validate(options) => return validate::run(&options, terminal),
        Command::Inspect(options) => return inspect::run(&options, terminal),
        Command::Migrate(options) => return migrate::run(&options, terminal).await,
        Command::Simulate(options) => return simulate::run(&options, terminal).await,
        Command::Connect(action) => return connect::run(&action, folder, terminal).await,
        Command::Policy(action) => match action.offline(terminal) {
            Some(done) => return done,
            None => Command::Policy(action),
        },
        command => command,
    };
    let desk = Desk::connect(Target::find(&global, folder)?).await?;
    match command {
        Command::Status => status::run(&desk, terminal).await,
        Command::Chains(options) => chains::run(&options, &desk, terminal).await,
        Command::Chain(options) => chain::run(&options, &desk, terminal).await,
        Command::Why(options) => why::run(&options, &desk, terminal).await,
        Command::Trace(options) => trace::run(&options, &desk, terminal).await,
        Command::Gates(options) => gates::run(&options, &desk, terminal).await,
        Command::Pause(options) => order::pause(&options, &desk, terminal).await,
        Command::Resume(options) => order::resume(&options, &desk, terminal).await,
        Command::Cancel(options) => order::cancel(&options, &desk, terminal).await,
        Command::Retry(options) => order::retry(&options, &desk, terminal).await,
        Command::Lock(options) => lock::lock(&options, &desk, terminal).await,
        Command::Unlock(options) => lock::unlock(&options, &desk, terminal).await,
        Command::Locks(options) => lock::list(&options, &desk, terminal).await,
        Command::Approve(options) => review::run(&options, Word::Approve, &desk, terminal).await,
        Command::Reject(options) => review::run(&options, Word::Reject, &desk, terminal).await,
        Command::Withdraw(options) => review::run(&options, Word::Withdraw, &desk, terminal).await,
        Command::Override(options) => glass::run(&options, &desk, terminal).await,
        Command::Stop(options) => line::stop(&options, &desk, terminal).await,
        Command::Go(options) => line::go(&options, &desk, terminal).await,
        Command::Stops => line::list(&desk, terminal).await,
        Command::Answer(options) => answer::run(&options, &desk, terminal).await,
        Command::Policy(action) => policy::run(&action, &desk, terminal).await,
        Command::Stacks(options) => stacks::run(&options, &desk, terminal).await,
        Command::Graph(options) => graph::run(&options, &desk, terminal).await,
        Command::Drift(action) => drift::run(&action, &desk, terminal).await,
        Command::Loose(action) => loose::run(&action, &desk, terminal).await,
        Command::Plan(options) => plan::run(&options, &desk, terminal).await,
        Command::Deliveries(options) => deliveries::run(&options, &desk, terminal).await,
        Command::Doctor => doctor::run(&desk, terminal).await,
        Command::Notices(options) => notices::run(&options, &desk, terminal).await,
        Command::Tail(options) => tail::run(&options, &desk, terminal).await,
        Command::Dead(action) => dead::run(&action, &desk, terminal).await,
        Command::Topology(action) => topology::run(&action, &desk, terminal).await,
        Command::Completions(_)
        | Command::Validate(_)
        | Command::Inspect(_)
        | Command::Migrate(_)
        | Command::Connect(_)
        | Command::Simulate(_)
        | Command::Dev(_)
        | Command::Deliver(_)
        | Command::Service { .. } => unreachable!("they talk to no running system"),
    }
}

#[cfg(test)]
mod tests;
