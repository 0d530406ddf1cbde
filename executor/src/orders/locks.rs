//! `stack.lock` and `stack.unlock`: answered when Spacelift has, or with why it has not.

use std::time::Duration;

use bus::{Command, Problem, ProblemKind, read};
use chrono::Utc;
use contracts::{
    Code, Message, StackId,
    order::{LockStack, UnlockStack},
    plain,
};
use serde_json::Value;
use uuid::Uuid;

use super::{Desk, said};
use crate::{
    course::Said,
    input::Input,
    lock::{self, LockInput, LockKind, LockLine, LockState, LockWord},
    questions::unavailable,
    store,
};

/// How long whoever asks waits for Spacelift; what takes longer goes on without them.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often the lock is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(50);

/// A command about the lock on a stack.
struct LockOrder {
    stack: StackId,
    kind: LockKind,
    force: bool,
    said: Said,
}

impl Desk {
    /// `stack.lock`.
    pub(crate) async fn lock(self, body: Value) -> Result<Value, Problem> {
        let Command { id, command } = read::<Command<LockStack>>(body)?;
        let LockStack { stack, by, note } = command;
        let said = said(&by, note, Utc::now());
        let order = LockOrder { stack, kind: LockKind::Lock, force: false, said };
        self.change::<LockStack>(id, "lock", order).await
    }

    /// `stack.unlock`.
    pub(crate) async fn unlock(self, body: Value) -> Result<Value, Problem> {
        let Command { id, command } = read::<Command<UnlockStack>>(body)?;
        let UnlockStack { stack, force, by, note } = command;
        let said = said(&by, note, Utc::now());
        let order = LockOrder { stack, kind: LockKind::Unlock, force, said };
        self.change::<UnlockStack>(id, "unlock", order).await
    }

    async fn change<C: Message>(
        &self,
        id: Uuid,
        name: &str,
        order: LockOrder,
    ) -> Result<Value, Problem> {
        let LockOrder { stack, kind, force, said } = order;
        self.may(&said, name, force)?;
        if stack.as_str().trim().is_empty() {
            return Err(Problem::malformed("`stack` must name a stack"));
        }
        let (now, key) = (said.at, stack.to_string());
        let id = Uuid::new_v5(&lock::key(&stack), id.as_bytes());
        let what = LockWord::Ordered { said, force };
        let body = Input::Lock(LockInput { stack: stack.clone(), kind, what });
        self.decide::<C>((id, id, key), body, now).await?;
        let line = self.settled(&stack).await?;
        let is_refused = matches!(
            (kind, line.state),
            (LockKind::Lock, LockState::Free) | (LockKind::Unlock, LockState::Locked)
        );
        match is_refused {
            true => {
                let kind = match line.reason.code {
                    Code::CircuitOpen | Code::SpaceliftUnavailable => ProblemKind::Unavailable,
                    Code::SpaceliftUnauthorized => ProblemKind::Internal,
                    Code::StackGone => ProblemKind::NotFound,
                    _ => ProblemKind::Conflict,
                };
                Err(Problem::new(kind, line.reason.code.as_str(), line.reason.text))
            }
            false => Ok(plain(&line)),
        }
    }

    /// How the lock stands once the call is through, or when nobody waits any longer.
    async fn settled(&self, stack: &StackId) -> Result<LockLine, Problem> {
        let mut ticks = tokio::time::interval(LOOK);
        let since = tokio::time::Instant::now();
        loop {
            let waited = ticks.tick().await.duration_since(since);
            let found = store::locks(&self.pages.pool, Some(stack)).await.map_err(unavailable)?;
            let line = found.into_iter().next();
            let line = line.ok_or_else(|| Problem::not_found("the lock is not there"))?;
            if !line.state.is_moving() || waited >= PATIENCE {
                return Ok(line);
            }
        }
    }
}
