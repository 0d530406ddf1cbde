//! `stackly notices [ID]`, and `stackly notices list|show|retry`.

use chrono::{DateTime, Utc};
use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use contracts::hook::RetryNotices;
use notifier::page::{Deliveries, Delivery, Retried, Told};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    desk::{Desk, read},
    names::{self, Who},
    value::{in_order, limit, when},
};
use crate::{failure::Failure, output::notices, print::Terminal};

/// What the notifier lists, and tells again, at one time.
const PAGE: usize = 1_000;
/// How many are told again at one time: whoever waits for the answer waits for all of them.
const RETRY: usize = 100;

/// What is done about what people were told; listed, if nothing else is said.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Options {
    #[command(subcommand)]
    action: Option<Action>,
    /// Only those about this chain: its id, or a unique prefix of it
    id: Option<String>,
}

/// What can be done about what people were told.
#[derive(Debug, Subcommand)]
enum Action {
    /// List what was told where, the newest attempts first
    List(List),
    /// Show one: what it says, how it stands, and why
    Show {
        /// Its id
        #[arg(value_parser = notice)]
        id: Uuid,
    },
    /// Tell something again, or try now what waits for its next attempt
    Retry(Retry),
}

/// Which are listed.
#[derive(Debug, Default, Args)]
struct List {
    #[command(flatten)]
    which: Which,
    /// Only tried last since: a time, or how long ago (90s, 15m, 2h, 3d)
    #[arg(long, value_name = "WHEN", value_parser = when)]
    since: Option<DateTime<Utc>>,
    /// Only tried last before
    #[arg(long, value_name = "WHEN", value_parser = when)]
    until: Option<DateTime<Utc>>,
    /// Maximum number of results
    #[arg(long, default_value_t = 20, value_parser = limit::<1000>)]
    limit: u64,
}

/// What narrows them down.
#[derive(Debug, Clone, Default, Args)]
struct Which {
    /// Only in this channel (slack, github, gitlab, …, webhook)
    #[arg(long)]
    channel: Option<String>,
    /// Only those that stand so
    #[arg(long, value_enum)]
    standing: Option<Standing>,
}

/// Which are told again.
#[derive(Debug, Args)]
#[group(skip)]
#[command(group(ArgGroup::new("which").required(true).args(["ids", "since"])))]
struct Retry {
    /// Their ids
    #[arg(value_parser = notice)]
    ids: Vec<Uuid>,
    /// All that were tried last since: a time, or how long ago (90s, 15m, 2h, 3d)
    #[arg(long, value_name = "WHEN", value_parser = when)]
    since: Option<DateTime<Utc>>,
    /// Of these, only those tried last before
    #[arg(long, value_name = "WHEN", value_parser = when, requires = "since")]
    until: Option<DateTime<Utc>>,
    /// Of these, only those in this channel (slack, github, gitlab, …, webhook)
    #[arg(long, requires = "since")]
    channel: Option<String>,
    /// Of these, only those that stand so
    #[arg(long, value_enum, requires = "since", default_value_t = Standing::GivenUp)]
    standing: Standing,
    #[command(flatten)]
    who: Who,
}

/// How one stands.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Standing {
    /// The other side took it
    Delivered,
    /// It is tried again
    Waiting,
    /// It is not tried again
    GivenUp,
}

impl Standing {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Waiting => "waiting",
            Self::GivenUp => "given_up",
        }
    }
}

/// The id of something that was told.
fn notice(text: &str) -> Result<Uuid, String> {
    let no_id =
        |_| format!("`{text}` is not the id of a notice; `stackly notices list` names them");
    Uuid::parse_str(text).map_err(no_id)
}

pub(super) async fn run(
    options: &Options,
    desk: &Desk,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    match (&options.action, &options.id) {
        (None, Some(id)) => about(id, desk, terminal).await,
        (None, None) => list(&List { limit: 20, ..List::default() }, desk, terminal).await,
        (Some(Action::List(options)), _) => list(options, desk, terminal).await,
        (Some(Action::Show { id }), _) => {
            let mut answer = desk.ask("notifier", "notice", json!({ "effect": id })).await?;
            let told: Told = read("notifier", answer.clone())?;
            call(&mut answer);
            terminal.answer(&answer, |look| notices::show(&told, Utc::now(), look))
        }
        (Some(Action::Retry(options)), _) => retry(options, desk, terminal).await,
    }
}

async fn about(id: &str, desk: &Desk, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    let chain = names::chain(desk, id).await?;
    let answer = desk.ask("notifier", "deliveries", json!({ "chain": chain })).await?;
    let found: Deliveries = read("notifier", answer.clone())?;
    terminal.answer(&document(answer), |look| notices::render(&found, Utc::now(), look))
}

/// What was told, for programs: called as it is by the commands.
fn document(mut answer: Value) -> Value {
    let mut notices = answer["deliveries"].take();
    notices.as_array_mut().into_iter().flatten().for_each(call);
    json!({ "notices": notices })
}

/// Gives a notice its id under the name that the ids of everything else have.
fn call(notice: &mut Value) {
    notice["id"] = notice["effect"].clone();
}

fn question(which: &Which, since: Option<DateTime<Utc>>, until: Option<DateTime<Utc>>) -> Value {
    json!({
        "channel": which.channel,
        "standing": which.standing.map(Standing::as_str),
        "since": since,
        "until": until,
    })
}

async fn list(options: &List, desk: &Desk, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    in_order(options.since, options.until)?;
    let Which { channel, standing } = &options.which;
    let is_narrowed =
        channel.is_some() || standing.is_some() || options.since.or(options.until).is_some();
    let mut asked = question(&options.which, options.since, options.until);
    asked["limit"] = json!(options.limit);
    let answer = desk.ask("notifier", "notices", asked).await?;
    let found: Deliveries = read("notifier", answer.clone())?;
    let document = document(answer);
    terminal.answer(&document, |look| notices::list(&found, is_narrowed, Utc::now(), look))
}

async fn retry(options: &Retry, desk: &Desk, terminal: &mut Terminal<'_>) -> Result<(), Failure> {
    let by = options.who.name()?;
    in_order(options.since, options.until)?;
    let ids = match options.since {
        None => options.ids.clone(),
        Some(since) => {
            let (channel, standing) = (options.channel.clone(), Some(options.standing));
            let asked = question(&Which { channel, standing }, Some(since), options.until);
            all(asked, desk).await?.into_iter().map(|notice| notice.effect).collect()
        }
    };
    if ids.is_empty() {
        return Err(Failure::NotFound("nothing that was told then stands so".to_owned()));
    }
    let mut told = Retried { notices: Vec::with_capacity(ids.len()) };
    for some in ids.chunks(RETRY) {
        let order = RetryNotices { notices: some.to_vec(), by: by.clone() };
        let answer: Retried = read("notifier", desk.order(&order).await?)?;
        told.notices.extend(answer.notices);
    }
    let mut document = json!(told);
    document["notices"].as_array_mut().into_iter().flatten().for_each(call);
    terminal.answer(&document, |look| notices::retried(&told, look))
}

/// All of them, the oldest first, page by page: a listing begins with the newest.
async fn all(mut asked: Value, desk: &Desk) -> Result<Vec<Delivery>, Failure> {
    let mut found: Vec<Delivery> = Vec::new();
    asked["limit"] = json!(PAGE);
    loop {
        if let Some(last) = found.last() {
            asked["before"] = json!(last.effect);
        }
        let answer = desk.ask("notifier", "notices", asked.clone()).await?;
        let page: Deliveries = read("notifier", answer)?;
        let is_last = page.deliveries.len() < PAGE;
        found.extend(page.deliveries);
        if is_last {
            found.reverse();
            return Ok(found);
        }
    }
}
