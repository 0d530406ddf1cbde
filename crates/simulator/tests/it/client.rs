//! A client that sends documents as they are and judges answers strictly.

use std::time::Duration;

use serde_json::{Value, json};
use simulator::{Account, JournalEvent, Options, RunState, Simulator, StackSeed};

/// How long a test waits for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Client {
    pub(crate) simulator: Simulator,
    pub(crate) http: reqwest::Client,
    pub(crate) token: Option<String>,
}

/// An account with these stacks.
pub(crate) fn account(stacks: &[&str]) -> Account {
    Account { stacks: stacks.iter().map(|id| StackSeed::new(id)).collect(), ..Account::default() }
}

impl Client {
    /// Starts a simulator and signs in.
    pub(crate) async fn start(account: Account) -> Self {
        Self::with(Options::new(account)).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let simulator = Simulator::start(options).await.unwrap();
        let http = reqwest::Client::new();
        let mut client = Self { simulator, http, token: None };
        client.sign_in().await;
        client
    }

    pub(crate) async fn sign_in(&mut self) {
        let key = self.simulator.api_key();
        let answer = self
            .ask(
                "mutation($id:ID!$secret:String!){apiKeyUser(id: $id, secret: $secret){jwt,validUntil}}",
                json!({"id": key.id, "secret": key.secret}),
            )
            .await;
        let user = &answer["data"]["apiKeyUser"];
        self.token = Some(user["jwt"].as_str().unwrap().into());
    }

    pub(crate) fn request(&self, document: &str, variables: &Value) -> reqwest::RequestBuilder {
        let mut body = json!({"query": document});
        if variables.as_object().is_some_and(|map| !map.is_empty()) {
            body["variables"] = variables.clone();
        }
        let request = self.http.post(format!("{}/graphql", self.simulator.url())).json(&body);
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// The whole answer; GraphQL's are always 200.
    pub(crate) async fn ask(&self, document: &str, variables: Value) -> Value {
        let response = self.request(document, &variables).send().await.unwrap();
        assert_eq!(response.status(), 200, "{document}");
        response.json().await.unwrap()
    }

    /// The data of an answer without errors.
    pub(crate) async fn data(&self, document: &str, variables: Value) -> Value {
        let mut answer = self.ask(document, variables).await;
        assert_eq!(answer.get("errors"), None, "{document}");
        answer["data"].take()
    }

    /// The first error of an answer.
    pub(crate) async fn error(&self, document: &str, variables: Value) -> String {
        let answer = self.ask(document, variables).await;
        answer["errors"][0]["message"].as_str().unwrap_or_else(|| panic!("{answer}")).into()
    }

    /// Triggers a run of this type and gives its id.
    pub(crate) async fn trigger(&self, stack: &str, kind: &str) -> String {
        let data = self
            .data(
                "mutation($stack:ID!$type:RunType){runTrigger(stack: $stack, runType: $type){id}}",
                json!({"stack": stack, "type": kind}),
            )
            .await;
        data["runTrigger"]["id"].as_str().unwrap().into()
    }

    /// Does something to a run that takes a stack and a run.
    pub(crate) async fn act(&self, mutation: &str, stack: &str, run: &str) -> Value {
        let document =
            format!("mutation($run:ID!$stack:ID!){{{mutation}(stack: $stack, run: $run){{id}}}}");
        self.ask(&document, json!({"stack": stack, "run": run})).await
    }

    /// The states a run has been through, oldest first, without time.
    pub(crate) fn states(&self, run: &str) -> Vec<RunState> {
        let run = self.simulator.control().run(run).unwrap();
        run.history.iter().map(|transition| transition.state).collect()
    }

    pub(crate) fn state(&self, run: &str) -> RunState {
        self.simulator.control().run(run).unwrap().state
    }

    /// Waits until the run has entered the state.
    pub(crate) async fn reaches(&self, run: &str, state: RunState) {
        self.simulator
            .control()
            .wait_for_entry(0, PATIENCE, |entry| match &entry.event {
                JournalEvent::Transition(record) => record.run == run && record.to == state,
                JournalEvent::Mutation(_) => false,
            })
            .await
            .unwrap();
    }

    /// The newest tracked run of a stack.
    pub(crate) fn newest(&self, stack: &str) -> simulator::RunView {
        self.simulator.control().runs(stack).pop().unwrap()
    }
}
