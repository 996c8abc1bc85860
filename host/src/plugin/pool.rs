//! Warm instances of one generation for one connection.
//!
//! An instance serves one call at a time and is reused until it has served its quota,
//! trapped, or been given up in the middle of a call. Waiting for one counts against the
//! call's deadline.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout_at;
use wasmtime::Store;

use super::generation::Generation;
use super::guests::Guests;
use super::instance::{Instance, arm, explain};
use super::outbound::Outbound;
use super::quota::Quota;
use super::runtime::Runtime;
use super::spec::Resolved;
use super::state::{DeadlinePassed, State};
use crate::contract::Error;

/// The instances of one generation for one connection.
pub(super) struct Pool {
    resolved: Resolved,
    outbound: Outbound,
    idle: Mutex<Vec<Instance>>,
    permits: Arc<Semaphore>,
}

impl Pool {
    pub(super) fn new(runtime: &Runtime, resolved: Resolved, quota: Arc<Quota>) -> Self {
        let policy = Arc::clone(&resolved.policy);
        let outbound = runtime.outbound(policy, resolved.credentials.clone(), quota);
        Self {
            resolved,
            outbound,
            idle: Mutex::default(),
            permits: Arc::new(Semaphore::new(runtime.limits.max_instances)),
        }
    }

    pub(super) fn resolved(&self) -> &Resolved {
        &self.resolved
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Instance>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A warm instance, or a new one.
    async fn instance(
        &self,
        runtime: &Runtime,
        generation: &Generation,
        deadline: Instant,
    ) -> Result<Instance, Error> {
        let warm = self.idle().pop();
        if let Some(mut instance) = warm {
            arm(&mut instance.store, deadline);
            return Ok(instance);
        }
        Instance::start(
            &runtime.engine,
            &generation.component,
            &self.resolved,
            // Each instance has its own place for what was refused to it.
            self.outbound.for_instance(),
            runtime.memory_bytes(),
            deadline,
        )
        .await
    }

    async fn permit(self: &Arc<Self>, deadline: Instant) -> Result<OwnedSemaphorePermit, Error> {
        let permits = Arc::clone(&self.permits);
        match Arc::clone(&permits).try_acquire_owned() {
            Ok(permit) => return Ok(permit),
            Err(_) => timeout_at(deadline.into(), permits.acquire_owned()).await,
        }
        .ok()
        .and_then(Result::ok)
        .ok_or_else(|| {
            Error::Timeout(
                "every instance was busy until the deadline; raise max_instances under [limits] \
                 in roost.toml"
                    .to_owned(),
            )
        })
    }
}

/// An instance for one call. Dropped before it is settled, it takes the instance with
/// it: a call that was given up may have left it in any state.
pub(crate) struct Lease {
    runtime: Arc<Runtime>,
    generation: Arc<Generation>,
    pool: Arc<Pool>,
    instance: Instance,
    operation: &'static str,
    deadline: Instant,
    _running: tokio_util::task::task_tracker::TaskTrackerToken,
    _permit: OwnedSemaphorePermit,
}

impl Lease {
    /// An instance of `generation`, warm or new, for a call that ends by `deadline`.
    pub(super) async fn take(
        runtime: &Arc<Runtime>,
        generation: Arc<Generation>,
        pool: Arc<Pool>,
        operation: &'static str,
        deadline: Instant,
    ) -> Result<Self, Error> {
        let running = generation.running.token();
        generation.count_call();
        let begun = async {
            let permit = pool.permit(deadline).await?;
            let instance = pool.instance(runtime, &generation, deadline).await?;
            Ok((permit, instance))
        };
        let (permit, instance) = begun
            .await
            .inspect_err(|_: &Error| generation.count_error())?;
        Ok(Self {
            runtime: Arc::clone(runtime),
            generation,
            pool,
            instance,
            operation,
            deadline,
            _running: running,
            _permit: permit,
        })
    }

    /// Run a call on the instance until it answers, its deadline passes, or its generation
    /// is given up.
    pub(crate) async fn run<T>(
        mut self,
        call: impl AsyncFnOnce(&mut Store<State>, &Guests) -> wasmtime::Result<Result<T, Error>>,
    ) -> Result<T, Error> {
        let outcome = {
            let Instance { store, guests, .. } = &mut self.instance;
            let given_up = self.generation.given_up.cancelled();
            tokio::select! {
                biased;
                outcome = call(store, guests) => outcome,
                () = given_up => {
                    self.generation.count_error();
                    return Err(Error::Unavailable(
                        "the provider was replaced and the call did not end in time".to_owned(),
                    ));
                }
                () = tokio::time::sleep_until(self.deadline.into()) => Err(DeadlinePassed.into()),
            }
        };
        self.settle(outcome)
    }

    fn settle<T>(mut self, outcome: wasmtime::Result<Result<T, Error>>) -> Result<T, Error> {
        let verdict = self.instance.store.data().outbound.take_verdict();
        let answer = match outcome {
            Ok(answer) => {
                self.instance.calls += 1;
                let is_spent = self.instance.store.data().is_spent();
                if self.instance.calls < self.runtime.limits.calls_per_instance && !is_spent {
                    self.pool.idle().push(self.instance);
                }
                answer
            }
            Err(error) => Err(explain(self.operation, &error)),
        };
        answer.map_err(|error| {
            self.generation.count_error();
            // A provider that failed because an address was refused cannot know how to have
            // it granted; the refusal can.
            verdict.unwrap_or(error)
        })
    }
}
