//! How many requests may be on their way at once: fewer after each answer that asks to slow down, then more again. Sends
//! nothing.

use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Shared by all listings of one store.
#[derive(Debug)]
pub(super) struct Limit {
    /// Never more than this.
    most: usize,
    free: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// At present.
    now: usize,
    /// Of the permits that are out, how many do not come back.
    excess: usize,
    /// Answers to come until it may change again: to what was asked for before it did.
    window: usize,
    /// Whether none of those has asked to slow down.
    is_calm: bool,
}

/// Leave to have one request on its way, until it is dropped.
#[derive(Debug)]
pub(super) struct Permit {
    limit: Arc<Limit>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Limit {
    /// At most `most` requests at once; 0 is taken for 1.
    pub fn new(most: usize) -> Limit {
        let most = most.max(1);
        let state = State { now: most, excess: 0, window: 0, is_calm: true };
        Limit { most, free: Arc::new(Semaphore::new(most)), state: Mutex::new(state) }
    }

    pub fn most(&self) -> usize {
        self.most
    }

    /// A permit, if one is free now.
    pub fn try_take(self: &Arc<Limit>) -> Option<Permit> {
        let permit = self.free.clone().try_acquire_owned().ok()?;
        Some(Permit { limit: self.clone(), permit: Some(permit) })
    }

    /// A permit, once one is free.
    pub async fn take(self: &Arc<Limit>) -> Permit {
        let permit = self.free.clone().acquire_owned().await.expect("the semaphore is never closed");
        Permit { limit: self.clone(), permit: Some(permit) }
    }

    /// An answer has come; `is_pressed`: the store has asked to slow down since the one before. That halves the limit, once
    /// for all that were asked for before; as many answers without it raise the limit by an eighth.
    pub fn answered(&self, is_pressed: bool) {
        let mut state = self.state();
        state.window = state.window.saturating_sub(1);
        if state.window > 0 {
            state.is_calm &= !is_pressed;
            return;
        }
        let was_calm = std::mem::replace(&mut state.is_calm, true);
        state.window = state.now;
        if is_pressed {
            let less = state.now.div_ceil(2);
            let gone = state.now - less;
            state.excess += gone - self.free.forget_permits(gone);
            state.now = less;
            tracing::info!("the store asks to slow down: {less} requests at once");
        } else if was_calm && state.now < self.most {
            let more = (state.now / 8).max(1).min(self.most - state.now);
            let kept = more.min(state.excess);
            state.excess -= kept;
            self.free.add_permits(more - kept);
            state.now += more;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.limit.state();
        if state.excess > 0 {
            state.excess -= 1;
            self.permit.take().expect("it is there until now").forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_is_pressed_is_asked_less_and_then_more_again() {
        let limit = Arc::new(Limit::new(8));
        let mut out: Vec<Permit> = (0..8).map(|_| limit.try_take().unwrap()).collect();
        assert!(limit.try_take().is_none());
        for _ in 0..8 {
            limit.answered(true);
        }
        assert_eq!(limit.state().now, 4, "what was asked for at once is one reason");
        limit.answered(true);
        assert_eq!(limit.state().now, 2, "and what was asked for since is another");
        out.truncate(2);
        assert!(limit.try_take().is_none(), "what comes back above the limit is not given out again");
        out.truncate(1);
        out.push(limit.try_take().unwrap());
        assert!(limit.try_take().is_none());
        for _ in 0..100 {
            limit.answered(false);
        }
        let more: Vec<Permit> = std::iter::from_fn(|| limit.try_take()).collect();
        assert_eq!((limit.state().now, more.len() + out.len()), (8, 8));
    }
}
