use simulator::{Account, Fault, FaultKind, Options, Simulator, StackSeed};
use spacelift::Client;

use super::*;

#[tokio::test]
async fn runs_of_which_spacelift_says_nothing_hold_up_neither_each_other_nor_those_not_asked_about()
{
    let account = Account { stacks: vec![StackSeed::new("a")], ..Account::default() };
    let simulator = Simulator::start(Options::new(account)).await.unwrap();
    let key = simulator.api_key();
    let client = Client::new(&spacelift::Options {
        endpoint: simulator.url(),
        api_key_id: key.id,
        api_key_secret: key.secret.into(),
        timeout: Duration::from_secs(2),
        requests_per_second: 100,
        requests_burst: 100,
        breaker_failures: 10,
        breaker_wait: Duration::from_secs(10),
    })
    .unwrap();
    let trouble = Fault::always(FaultKind::PartialData);
    simulator.control().add_fault(trouble.on("GetRuns").on("GetRun"));
    let silent = |run: usize| InFlight {
        chain: Uuid::nil(),
        stack: "a".into(),
        run: format!("r{run}").into(),
        version: 1,
        plan_is_missing: false,
        is_unknown: false,
        misses: 0,
        correlation: Uuid::nil(),
        trace: None,
    };

    let (quiet, told) = ask(&client, (0..10).map(silent).collect()).await.unwrap();

    let quiet: Vec<_> = quiet.iter().map(|step| step.run.as_str()).collect();
    assert_eq!((quiet, told.len()), (vec!["r0", "r1", "r2"], 0));
}
