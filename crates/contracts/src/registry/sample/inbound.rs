//! What comes in beside pushes and proposals.

use super::{CHAIN, Sample, after, change, proposal};
use crate::{
    Code, Reason,
    catalogue::{AccountAlerted, AccountAudited},
    change::{
        ChangeAnswered, ChangeClosed, ChangeCommanded, ChangeLabelled, ChangeReleased, Command,
    },
    hook::{HookReceived, ReplayDeliveries, RetryNotices},
    validation::{Annotation, ChangeValidated, Counts, Decision, Level, Stage},
};

impl Sample for ChangeLabelled {
    fn sample() -> Self {
        Self {
            change: proposal(),
            label: Some("deploy:now".to_owned()),
            added: true,
            labels: vec!["deploy:now".to_owned(), "network".to_owned()],
            fork: false,
        }
    }
}

impl Sample for ChangeCommanded {
    fn sample() -> Self {
        Self {
            repository: change().repository,
            pull_request: Some(42),
            commit: None,
            command: Command::Approve,
            arguments: vec!["network-prod".to_owned()],
            by: "grace".to_owned(),
            url: Some("https://github.com/acme/infrastructure/pull/42#issuecomment-1".to_owned()),
        }
    }
}

impl Sample for ChangeAnswered {
    fn sample() -> Self {
        let text = "pull request 42 at 7e57ab1e is planned as the chain named here";
        Self {
            repository: change().repository,
            pull_request: 42,
            command: Command::Plan,
            by: "grace".to_owned(),
            event: "0192f3a1-5b7c-7d2e-8a4f-3c6b9d0e1f28".to_owned(),
            chain: Some(CHAIN),
            reason: Reason::new(Code::CommandTaken, text),
        }
    }
}

impl Sample for ChangeValidated {
    fn sample() -> Self {
        let open = Annotation {
            file: "network/subnets.tf".to_owned(),
            line: 14,
            end_line: None,
            level: Level::Failure,
            stage: Stage::Security,
            rule: "security.open_to_the_world".to_owned(),
            message: "aws_security_group.bastion lets everybody in on port 22".to_owned(),
            stack: Some("network-prod".to_owned()),
        };
        let text = "1 failure in 1 stack; the first: network/subnets.tf:14: \
                    aws_security_group.bastion lets everybody in on port 22";
        Self {
            change: proposal(),
            decision: Decision::Reject,
            reason: Reason::new(Code::ValidationRejected, text),
            stacks: vec!["network-prod".to_owned()],
            counts: Counts { failures: 1, ..Counts::default() },
            annotations: vec![open],
            more: 0,
        }
    }
}

impl Sample for ChangeClosed {
    fn sample() -> Self {
        let updated_at = Some(after(0));
        Self { change: proposal(), merged: true, merged_as: None, fork: false, updated_at }
    }
}

impl Sample for ChangeReleased {
    fn sample() -> Self {
        Self {
            repository: change().repository,
            tag: "v1.4.0".to_owned(),
            name: "Room to grow".to_owned(),
            author: "ada".to_owned(),
            prerelease: false,
            url: Some("https://github.com/acme/infrastructure/releases/tag/v1.4.0".to_owned()),
        }
    }
}

impl Sample for HookReceived {
    fn sample() -> Self {
        Self {
            source: "standard/registry".to_owned(),
            kind: "image.pushed".to_owned(),
            delivery: Some("msg_2b6aXgwHyeAoGhUcNkSLbHT1B0W".to_owned()),
            data: serde_json::json!({ "type": "image.pushed", "image": "acme/api:1.4.0" }),
        }
    }
}

impl Sample for ReplayDeliveries {
    fn sample() -> Self {
        Self { deliveries: vec![CHAIN.0], dry_run: true, by: "grace".to_owned() }
    }
}

impl Sample for RetryNotices {
    fn sample() -> Self {
        Self { notices: vec![CHAIN.0], by: "grace".to_owned() }
    }
}

impl Sample for AccountAudited {
    fn sample() -> Self {
        Self {
            account: "acme".to_owned(),
            action: "stack.update".to_owned(),
            actor: "github::ada".to_owned(),
            entity: Some("network-prod".to_owned()),
        }
    }
}

impl Sample for AccountAlerted {
    fn sample() -> Self {
        Self {
            account: "acme".to_owned(),
            severity: "ERROR".to_owned(),
            title: "The VCS integration cannot be reached".to_owned(),
            text: "GitHub refused the token of the integration of acme/infrastructure".to_owned(),
        }
    }
}
