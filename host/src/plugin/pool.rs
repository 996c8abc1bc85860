//! Warm instances of one generation for one connection.
//!
//! An instance serves one call at a time and is reused until it has served its quota, has
//! grown, trapped, waited too long for a call, or been given up in the middle of one. Waiting
//! for an instance counts against the call's deadline.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep_until, timeout_at};
use tokio_util::task::task_tracker::TaskTrackerToken;
use wasmtime::Store;

use super::connection::Settings;
use super::ending::explain;
use super::generation::Generation;
use super::guests::Guests;
use super::instance::{Instance, NotStarted, Start, arm};
use super::limits::{Class, Limits};
use super::logs::LogBudget;
use super::meter::{Stopwatch, Timed, error_name};
use super::outbound::Outbound;
use super::runtime::{Runtime, size};
use super::spec::Resolved;
use super::state::{DeadlinePassed, State};
use super::status::Quarantine;
use super::supervisor::Supervisor;
use super::turns::Share;
use crate::contract::Error;

/// The instances of one generation for one connection.
pub(super) struct Pool {
    resolved: Resolved,
    outbound: Outbound,
    limits: Arc<Limits>,
    log: Arc<LogBudget>,
    supervisor: Supervisor,
    /// Of the turns to compute.
    share: Share,
    /// The one that waits longest is the first.
    idle: Mutex<Vec<Idle>>,
    permits: Arc<Semaphore>,
}

struct Idle {
    instance: Instance,
    since: Instant,
}

/// A call that wants an instance.
#[derive(Clone, Copy)]
pub(super) struct Call {
    pub(super) operation: &'static str,
    pub(super) class: Class,
    pub(super) began: Instant,
    pub(super) deadline: Instant,
}

impl Pool {
    pub(super) fn new(
        runtime: &Runtime,
        generation: &Generation,
        settings: &Settings,
        resolved: Resolved,
    ) -> Self {
        let (connection, limits) = (&settings.spec.name, &settings.limits);
        let provider = &generation.component.name;
        Self {
            outbound: runtime.outbound(
                Arc::clone(&resolved.policy),
                resolved.credentials.clone(),
                limits,
                Some(&generation.record),
            ),
            resolved,
            limits: Arc::clone(limits),
            log: Arc::new(LogBudget::new(limits)),
            supervisor: Supervisor::new(provider, connection, runtime.rules.clone()),
            share: runtime.engine.turns.share(),
            idle: Mutex::default(),
            permits: Arc::new(Semaphore::new(size(limits.max_instances))),
        }
    }

    pub(super) fn resolved(&self) -> &Resolved {
        &self.resolved
    }

    pub(super) fn quarantine(&self) -> Option<Quarantine> {
        self.supervisor.quarantine()
    }

    /// Forget what failed; whether the connection was quarantined.
    pub(super) fn lift(&self) -> bool {
        self.supervisor.lift()
    }

    pub(super) fn idle_instances(&self) -> usize {
        self.idle().len()
    }

    /// Drop the instances that have waited too long for a call.
    pub(super) fn drop_idle(&self) {
        let timeout = self.limits.idle_timeout();
        let mut idle = self.idle();
        let stale = idle.partition_point(|one| one.since.elapsed() >= timeout);
        let stale: Vec<_> = idle.drain(..stale).collect();
        // Their memory is given back outside of the lock.
        drop(idle);
        drop(stale);
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An instance has answered. It may serve again, or is returned.
    fn keep(&self, mut instance: Instance) -> Option<Instance> {
        instance.calls += 1;
        if !instance.is_fresh(&self.limits) {
            return Some(instance);
        }
        let since = Instant::now();
        self.idle().push(Idle { instance, since });
        None
    }

    /// A warm instance, or a new one.
    async fn instance(
        &self,
        runtime: &Runtime,
        generation: &Generation,
        call: Call,
    ) -> Result<Instance, Error> {
        if let Some(quarantine) = self.supervisor.quarantine() {
            let provider = &generation.component.name;
            return Err(Error::Unavailable(format!(
                "the provider is {quarantine}. Drop a mended file, or run `roost providers lift \
                 {provider}`"
            )));
        }
        let warm = self.idle().pop();
        if let Some(Idle { mut instance, .. }) = warm {
            arm(&mut instance.store, call.operation, call.deadline);
            return Ok(instance);
        }
        if let Some(not_before) = self.supervisor.not_before() {
            if not_before >= call.deadline {
                return Err(Error::Unavailable(
                    "the provider fails, and is started again only after a while".to_owned(),
                ));
            }
            sleep_until(not_before.into()).await;
        }
        self.start(runtime, generation, call).await
    }

    async fn start(
        &self,
        runtime: &Runtime,
        generation: &Generation,
        call: Call,
    ) -> Result<Instance, Error> {
        let began = Instant::now();
        let own_deadline = began + self.limits.start_timeout();
        let (deadline, setting) = if own_deadline < call.deadline {
            (own_deadline, "start_timeout_millis")
        } else {
            (call.deadline, call.class.setting())
        };
        let started = Instance::start(Start {
            engine: &runtime.engine,
            share: &self.share,
            component: &generation.component,
            config: &self.resolved.config,
            #[cfg(feature = "database")]
            database: &self.resolved.database,
            // Each instance has its own place for what was refused to it.
            outbound: self.outbound.for_instance(),
            limits: &self.limits,
            log: &self.log,
            deadline,
            setting,
        });
        match started.await {
            Ok(mut instance) => {
                self.supervisor.started();
                arm(&mut instance.store, call.operation, call.deadline);
                Ok(instance)
            }
            Err(NotStarted::Answered(error)) => Err(error),
            Err(NotStarted::Ended(ending)) => {
                // A call that came late leaves too little time to blame the guest for it.
                let full = self
                    .limits
                    .start_timeout()
                    .min(self.limits.timeout(call.class));
                let had_time = !matches!(ending.error, Error::Timeout(_))
                    || deadline.duration_since(began) >= full / 2;
                if ending.is_fault && had_time {
                    self.supervisor.start_failed(began, ending.why());
                    runtime.fault(generation);
                }
                Err(ending.error)
            }
        }
    }

    async fn permit(&self, call: Call) -> Result<OwnedSemaphorePermit, Error> {
        let permits = Arc::clone(&self.permits);
        match Arc::clone(&permits).try_acquire_owned() {
            Ok(permit) => return Ok(permit),
            Err(_) => timeout_at(call.deadline.into(), permits.acquire_owned()).await,
        }
        .ok()
        .and_then(Result::ok)
        .ok_or_else(|| {
            Error::Timeout(format!(
                "every instance was busy until the deadline; {}",
                self.limits.raise("max_instances")
            ))
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
    call: Call,
    watch: Stopwatch,
    running: TaskTrackerToken,
    permit: OwnedSemaphorePermit,
}

impl Lease {
    /// An instance of `generation`, warm or new. `None` when that was replaced while the call
    /// waited: it belongs to the next one then.
    pub(super) async fn take(
        runtime: &Arc<Runtime>,
        generation: Arc<Generation>,
        pool: Arc<Pool>,
        call: Call,
    ) -> Result<Option<Self>, Error> {
        let permit = tokio::select! {
            biased;
            () = generation.retired.cancelled() => return Ok(None),
            permit = pool.permit(call) => permit,
        };
        let running = generation.running.token();
        if generation.retired.is_cancelled() {
            return Ok(None);
        }
        generation.count_call();
        let watch = Stopwatch::start(&generation.record, Timed::Call(call.operation), call.began);
        let begun = async {
            let permit = permit?;
            let instance = pool.instance(runtime, &generation, call).await?;
            Ok((permit, instance))
        };
        match begun.await {
            Ok((permit, instance)) => Ok(Some(Self {
                runtime: Arc::clone(runtime),
                generation,
                pool,
                instance,
                call,
                watch,
                running,
                permit,
            })),
            Err(error) => {
                generation.count_error();
                watch.stop(Some(error_name(&error)));
                Err(error)
            }
        }
    }

    /// The number of the generation it is of.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.number
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
            let clock = Arc::clone(&store.data().clock);
            tokio::select! {
                biased;
                outcome = self.pool.share.run(&clock, call(store, guests)) => outcome,
                () = given_up => {
                    self.generation.count_error();
                    self.watch.stop(Some("unavailable"));
                    return Err(Error::Unavailable(
                        "the provider was replaced and the call did not end in time".to_owned(),
                    ));
                }
                () = sleep_until(self.call.deadline.into()) => Err(DeadlinePassed.into()),
            }
        };
        self.settle(outcome)
    }

    fn settle<T>(self, outcome: wasmtime::Result<Result<T, Error>>) -> Result<T, Error> {
        let state = self.instance.store.data();
        let verdict = state.outbound.take_verdict();
        let (answer, spent) = match outcome {
            Ok(answer) => {
                self.generation.answered();
                (answer, self.pool.keep(self.instance))
            }
            Err(error) => {
                let Call {
                    operation, class, ..
                } = self.call;
                let limits = &self.pool.limits;
                let ending = explain(operation, class.setting(), limits, state, &error);
                if ending.is_fault {
                    self.pool.supervisor.trapped(ending.why());
                    self.runtime.fault(&self.generation);
                }
                (Err(ending.error), Some(self.instance))
            }
        };
        if let Some(spent) = spent {
            let (pool, held) = (Arc::clone(&self.pool), (self.permit, self.running));
            // It takes milliseconds to give hundreds of megabytes back.
            tokio::spawn(async move {
                pool.share.step(|| drop(spent)).await;
                drop(held);
            });
        }
        let answer = answer.map_err(|error| {
            self.generation.count_error();
            // A provider that failed because something was refused to it cannot know how to
            // have it granted; the refusal can.
            verdict.unwrap_or(error)
        });
        self.watch.stop(answer.as_ref().err().map(error_name));
        answer
    }
}
