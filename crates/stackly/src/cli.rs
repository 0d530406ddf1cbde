//! The command line, and what becomes of it: text on standard output, an exit status.

use std::{
    fs,
    io::{self, BufReader, IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand, builder::FalseyValueParser};

use crate::{
    command::{
        self, answer, chain, chains, completions, connect, dead, deliveries, drift, gates, glass,
        graph, inspect, line, lock, loose, migrate, notices, order, plan, policy, review, simulate,
        stacks, tail, topology, trace, validate, why,
    },
    dev::{self, DeliverArguments, DevArguments},
    failure::{Failure, STATUSES},
    print::{Look, Terminal},
    system,
    target::prefix,
};

/// Ordered, gated chains of Spacelift runs: see what goes on, and say yes or no.
#[derive(Parser)]
#[command(name = "stackly", version, after_help = STATUSES, arg_required_else_help = true)]
pub struct Cli {
    /// What holds for every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What holds for every command.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Where nats-server listens [default: what the nearest .stackly/dev.json says, else
    /// nats://127.0.0.1:4222]
    #[arg(long, global = true, value_name = "URL", env = "STACKLY_NATS_URL")]
    #[arg(hide_env_values = true)]
    pub nats: Option<String>,
    /// Subject prefix of this installation, if several share a server
    #[arg(long, global = true, env = "STACKLY_PREFIX", value_parser = prefix)]
    pub prefix: Option<String>,
    /// A NATS credentials file
    #[arg(long, global = true, value_name = "FILE", env = "STACKLY_CREDS")]
    pub creds: Option<PathBuf>,
    /// Print one JSON document (tail: one per line), errors included
    #[arg(long, global = true)]
    pub json: bool,
    /// Print without colours
    #[arg(long, global = true, env = "NO_COLOR", value_parser = FalseyValueParser::new())]
    #[arg(hide_env = true)]
    pub no_color: bool,
}

/// What can be done.
#[derive(Subcommand)]
pub enum Command {
    /// Run the whole pipeline on this machine, with a sample account
    Dev(Box<DevArguments>),
    /// Show the state of the system: services, catalogue, policies, manual stops, dead letters
    Status,
    /// Set up a space of a Spacelift account, or the webhook of a repository
    #[command(subcommand)]
    Connect(connect::Action),
    /// Check every link from webhook to run, and say in one line each what is wrong and how to fix it
    Doctor,
    /// List chains, newest first
    Chains(chains::Options),
    /// Show a chain: its steps, and why each one waits
    Chain(chain::Options),
    /// Explain why a chain or a stack waits and what to do about it, or what became of a delivery or a
    /// commit
    Why(why::Options),
    /// Show the path of one change through all services, with times
    Trace(trace::Options),
    /// List gates: what is waiting for whom, and why
    Gates(gates::Options),
    /// Approve what a gate holds
    Approve(review::Options),
    /// Reject what a gate holds
    Reject(review::Options),
    /// Pause a chain or one of its steps: runs continue to their next gate, and nothing new starts
    Pause(order::Options),
    /// Resume a paused chain or step
    Resume(order::Options),
    /// Cancel a chain or one of its steps: plans are discarded, running applies finish
    Cancel(order::CancelOptions),
    /// Retry the failed steps of a chain, or one of them, and what depends on them
    Retry(order::RetryOptions),
    /// Lock a stack, in Spacelift and for chains: no new run starts, current runs continue
    Lock(lock::Lock),
    /// Release a lock taken with `stackly lock`; other locks are never touched
    Unlock(lock::Unlock),
    /// List stacks locked with `stackly lock`, or the history of one lock
    Locks(lock::Locks),
    /// Withdraw your approval or rejection
    Withdraw(review::Options),
    /// Break-glass: pass a gate against its policies, or all gates of its chain; everyone is notified
    Override(glass::Options),
    /// Stop the line: nothing new starts and nothing waiting is applied; everyone is notified
    Stop(line::Stop),
    /// Restart the line after `stackly stop`; everyone is notified
    Go(line::Go),
    /// List manual stops: what is stopped, by whom, and why
    Stops,
    /// Answer a blocking hook, or a health check
    Answer(answer::Options),
    /// Check, test, explain, replay and shadow policies
    #[command(subcommand)]
    Policy(policy::Action),
    /// List all stacks, or those that match a query
    Stacks(stacks::Options),
    /// Print the dependencies between stacks, and where each one is declared
    Graph(graph::Options),
    /// Show where the account and the code differ
    #[command(subcommand)]
    Drift(drift::Action),
    /// Manage stacks whose code is gone
    #[command(subcommand)]
    Loose(loose::Action),
    /// Show what a commit or changed files would start; starts nothing
    Plan(plan::Options),
    /// List, show or replay the webhooks that were received
    Deliveries(deliveries::Options),
    /// List, show or retry the notifications that were sent
    Notices(notices::Options),
    /// Print events as they happen
    Tail(tail::Options),
    /// List, show or requeue messages that no service could handle
    #[command(subcommand)]
    Dead(dead::Action),
    /// Show or change the JetStream streams
    #[command(subcommand)]
    Topology(topology::Action),
    /// Migrate the database schemas of all services
    Migrate(migrate::Options),
    /// Check stack code (stackly.hcl, Terraform, Terragrunt) and policies as the services read them
    Validate(validate::Options),
    /// Show what the code declares: modules, and the dependencies inferred from it
    Inspect(inspect::Options),
    /// Run a simulated Spacelift: a GraphQL server with runs, dependencies and webhooks
    Simulate(simulate::Options),
    /// Print a completion script for a shell
    Completions(completions::Options),
    /// Run one service: the whole program of that service
    #[command(hide = true)]
    Service {
        /// Its name
        name: String,
        /// Its configuration file
        #[arg(long)]
        config: Option<PathBuf>,
    },
    /// Tell a running `stackly dev` of a push; the sample repository's hook calls it
    #[command(hide = true)]
    Deliver(DeliverArguments),
}

/// Runs the program.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return misunderstood(&error),
    };
    let json = cli.global.json;
    // A service brings its own runtime.
    let done = match &cli.command {
        Command::Service { name, config } => system::run_service(name, config.as_deref())
            .ok_or_else(|| {
                let names = system::SERVICES.join(", ");
                Failure::Usage(format!("there is no service `{name}`; there are {names}"))
            }),
        _ => in_runtime(cli),
    };
    done.unwrap_or_else(|failure| complain(&failure, json))
}

fn in_runtime(cli: Cli) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("the operating system grants threads");
    let done = runtime.block_on(async {
        match cli.command {
            Command::Dev(arguments) => Ok(Box::pin(dev::run(*arguments)).await?),
            Command::Deliver(arguments) => {
                dev::deliver(arguments).await?;
                Ok(ExitCode::SUCCESS)
            }
            _ => Box::pin(run(cli)).await.map(|()| ExitCode::SUCCESS),
        }
    });
    // What still runs in the background must not keep the program.
    runtime.shutdown_background();
    done
}

async fn run(cli: Cli) -> Result<(), Failure> {
    let stdout = io::stdout();
    let mut terminal = Terminal {
        look: Look {
            json: cli.global.json,
            colour: !cli.global.no_color && stdout.is_terminal(),
            width: width(stdout.is_terminal()),
        },
        is_interactive: io::stdin().is_terminal() && stdout.is_terminal(),
        out: &mut stdout.lock(),
        input: &mut BufReader::new(io::stdin()),
    };
    let folder = fs::canonicalize(".").unwrap_or_else(|_| Path::new(".").to_owned());
    command::execute(cli, &folder, &mut terminal).await
}

/// The width to fit into; nothing is cut for a file or a pipe.
fn width(is_terminal: bool) -> Option<usize> {
    let (_, columns) = console::Term::stdout().size_checked().filter(|_| is_terminal)?;
    Some(usize::from(columns).max(40))
}

/// What clap says; as JSON to whoever wants errors so.
fn misunderstood(error: &clap::Error) -> ExitCode {
    // `--help` and `--version` are asked for, and so no errors.
    let wants_json = error.use_stderr() && std::env::args_os().any(|given| given == "--json");
    if !wants_json {
        error.exit();
    }
    let text = error.to_string();
    complain(&Failure::Usage(text.trim().trim_start_matches("error: ").to_owned()), true)
}

fn complain(failure: &Failure, json: bool) -> ExitCode {
    let status = failure.status();
    if status != 0 {
        let text =
            if json { failure.json().to_string() } else { format!("stackly: {}", failure.text()) };
        // Where should one complain that one cannot complain?
        let _ = writeln!(io::stderr(), "{text}");
    }
    ExitCode::from(status)
}
