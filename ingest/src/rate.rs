//! How often may be knocked: refused before a body is received, so that it costs next to nothing.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    num::NonZeroU32,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use governor::{
    DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};

use crate::{answer::Answer, config};

/// For how long an address is not listened to at a door where it failed to prove itself too often.
const SHUT_FOR: Duration = Duration::from_secs(60);
/// For how long it is remembered that somebody near an address has proved themselves.
const KNOWN_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// More addresses than this are not remembered as shut out; the rate of each still counts.
const SHUT_MAX: usize = 100_000;

/// The requests of one source.
#[derive(Debug)]
pub(crate) struct Lane(Option<DefaultDirectRateLimiter>);

impl Lane {
    /// At most so many each second; 0 for no limit.
    pub(crate) fn new(per_second: u32) -> Self {
        Self(NonZeroU32::new(per_second).map(|rate| RateLimiter::direct(Quota::per_second(rate))))
    }

    /// Whether one more is too many.
    pub(crate) fn enter(&self) -> Result<(), Answer> {
        let Some(limiter) = &self.0 else { return Ok(()) };
        limiter.check().map_err(|until| Answer::limited(seconds(until.wait_time_from(now()))))
    }
}

/// The requests of each address.
#[derive(Debug)]
pub(crate) struct Addresses(Option<DefaultKeyedRateLimiter<IpAddr>>);

impl Addresses {
    pub(crate) fn new(rate: &config::Rate) -> Self {
        let quota = NonZeroU32::new(rate.address_per_second).map(Quota::per_second);
        Self(quota.map(RateLimiter::keyed))
    }

    /// Whether one more request of this address is too many.
    pub(crate) fn enter(&self, address: IpAddr) -> Result<(), Answer> {
        let Some(limiter) = &self.0 else { return Ok(()) };
        limiter
            .check_key(&network(address))
            .map_err(|until| Answer::limited(seconds(until.wait_time_from(now()))))
    }

    /// Forgets addresses that have not been heard of for a while.
    pub(crate) fn forget(&self) {
        if let Some(limiter) = &self.0 {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }
}

/// The deliveries of each account at each source, once it is known that they are signed.
#[derive(Debug)]
pub(crate) struct Accounts(Option<DefaultKeyedRateLimiter<(Arc<str>, String)>>);

impl Accounts {
    /// At most so many each second; 0 for no limit.
    pub(crate) fn new(per_second: u32) -> Self {
        Self(NonZeroU32::new(per_second).map(|rate| RateLimiter::keyed(Quota::per_second(rate))))
    }

    /// Whether one more of this account is too many; never, where none is known.
    pub(crate) fn enter(&self, source: &Arc<str>, account: Option<&str>) -> Result<(), Answer> {
        let (Some(limiter), Some(account)) = (&self.0, account) else { return Ok(()) };
        limiter
            .check_key(&(source.clone(), account.to_owned()))
            .map_err(|until| Answer::account_limited(seconds(until.wait_time_from(now()))))
    }

    /// Forgets accounts that have not been heard of for a while.
    pub(crate) fn forget(&self) {
        if let Some(limiter) = &self.0 {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }
}

/// Who guesses at one door, and is not listened to there for a while.
///
/// Each door has its own, because hosts send for everybody from the same addresses: who has theirs
/// knock at one of our doors must not shut it to the others. Nor must they shut that one to the host
/// itself: where it is known to send from, it is asked for its proof all the same. Where the proof is
/// made over the body there is nothing to guess, so there is none.
#[derive(Debug)]
pub(crate) struct Guesses {
    unproven: Option<DefaultKeyedRateLimiter<IpAddr>>,
    shut: Mutex<HashMap<IpAddr, Instant>>,
    /// How many are shut out: looked at without the lock, which is needed only if there are any.
    shut_count: AtomicUsize,
    /// Near where somebody proved themselves, with which secret, and when they did last.
    proven: Mutex<HashMap<(IpAddr, usize), Instant>>,
}

impl Guesses {
    /// At most so many each minute from one address; 0 for no limit.
    pub(crate) fn new(per_minute: u32) -> Self {
        let quota = NonZeroU32::new(per_minute).map(Quota::per_minute);
        Self {
            unproven: quota.map(RateLimiter::keyed),
            shut: Mutex::default(),
            shut_count: AtomicUsize::new(0),
            proven: Mutex::default(),
        }
    }

    /// Whether this address is shut out.
    pub(crate) fn enter(&self, address: IpAddr) -> Result<(), Answer> {
        if self.shut_count.load(Ordering::Relaxed) == 0 {
            return Ok(());
        }
        let left = self.shut_for(network(address));
        left.map_or(Ok(()), |left| Err(Answer::limited(seconds(left))))
    }

    /// A request of this address failed to prove itself.
    pub(crate) fn note_unproven(&self, address: IpAddr) {
        let Some(limiter) = &self.unproven else { return };
        let network = network(address);
        if limiter.check_key(&network).is_ok() {
            return;
        }
        let mut shut = self.shut.lock().expect("no holder panics");
        if shut.len() < SHUT_MAX {
            shut.insert(network, Instant::now() + SHUT_FOR);
        }
        self.shut_count.store(shut.len(), Ordering::Relaxed);
    }

    /// A request of this address proved itself, with the secret of this number.
    pub(crate) fn note_proven(&self, address: IpAddr, secret: usize) {
        let mut proven = self.proven.lock().expect("no holder panics");
        proven.insert((neighbourhood(address), secret), Instant::now());
    }

    /// With which secrets somebody near this address proved themselves of late.
    pub(crate) fn known(&self, address: IpAddr) -> Vec<usize> {
        let near = neighbourhood(address);
        let proven = self.proven.lock().expect("no holder panics");
        let known = proven.iter().filter(|(_, at)| at.elapsed() < KNOWN_FOR);
        known.filter(|((place, _), _)| *place == near).map(|((_, secret), _)| *secret).collect()
    }

    fn shut_for(&self, network: IpAddr) -> Option<Duration> {
        let mut shut = self.shut.lock().expect("no holder panics");
        let left = shut.get(&network)?.checked_duration_since(Instant::now());
        if left.is_none() {
            shut.remove(&network);
            self.shut_count.store(shut.len(), Ordering::Relaxed);
        }
        left
    }

    /// Forgets addresses that have not been heard of for a while.
    pub(crate) fn forget(&self) {
        if let Some(limiter) = &self.unproven {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
        let now = Instant::now();
        let mut shut = self.shut.lock().expect("no holder panics");
        shut.retain(|_, until| *until > now);
        self.shut_count.store(shut.len(), Ordering::Relaxed);
        drop(shut);
        let mut proven = self.proven.lock().expect("no holder panics");
        proven.retain(|_, at| at.elapsed() < KNOWN_FOR);
    }
}

/// Hosts send from many addresses, which are close together.
fn neighbourhood(address: IpAddr) -> IpAddr {
    match network(address) {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            Ipv4Addr::new(a, b, c, 0).into()
        }
        network => network,
    }
}

/// Whoever has one IPv6 address has a network of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

fn now() -> <DefaultClock as Clock>::Instant {
    DefaultClock::default().now()
}

fn seconds(wait: Duration) -> u16 {
    u16::try_from(wait.as_secs_f64().ceil() as u64).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests;
