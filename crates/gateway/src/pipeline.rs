//! One request, from its key to its answer. The order of the steps is decided here and only here.

use std::sync::Arc;

use axum::body::Body;
use domain::access::{self, AccessRefusal};
use domain::admission as rules;
use domain::bound::{TokenBound, token_bound};
use domain::id::{OrganizationId, ProjectId, RequestId};
use domain::idempotency::RequestDigest;
use domain::price::PinnedPrice;
use domain::restriction::Call;
use domain::time::AtUs;
use http::request::Parts;
use http::{Request, Response};
use store::LedgerState;
use tokio::sync::oneshot;
use wire::request::{Endpoint, ModelRequest};

use crate::admission::{Admitted, Bid, NotAdmitted, Unadmitted};
use crate::catalog::Model;
use crate::directory::Caller;
use crate::headers::Stamp;
use crate::idempotency::{Looked, Once};
use crate::in_place::InPlace;
use crate::log::Trace;
use crate::metrics::RequestLabels;
use crate::refusal::Refusal;
use crate::state::Gateway;
use crate::{admission, authenticate, body, count, headers, idempotency, relay, respond, size};

/// An admitted request on its way to an upstream.
pub(crate) struct Job {
    pub(crate) gateway: Gateway,
    pub(crate) admitted: Admitted,
    pub(crate) model: Arc<Model>,
    pub(crate) request: ModelRequest,
    pub(crate) stamp: Stamp,
    /// Not claimed yet; none if the request carries no idempotency key.
    pub(crate) once: Option<Once>,
    pub(crate) trace: Trace,
}

impl Job {
    /// The most output tokens of each choice that the upstream is asked for, where that is less
    /// than it would make of itself.
    ///
    /// Where the caller named no limit and the model's own is held, none is written: the upstream
    /// knows the model better, and one that adds prompt and limit up would refuse a long prompt.
    pub(crate) fn output_limit(&self) -> Option<u64> {
        let most = self.admitted.upstream_bound().output_tokens_each;
        let lowered = most < self.model.size.max_output_tokens;
        (self.request.names_limit || lowered).then_some(most)
    }

    /// Ends it without a charge, and says why: to the log, and to a client that is still there.
    pub(crate) async fn refuse(self, refusal: Refusal, reply: Reply) {
        self.failed(&refusal).await;
        let _ = reply.send(Err(refusal));
    }

    /// Ends it without a charge, and says why to the log.
    pub(crate) async fn failed(mut self, refusal: &Refusal) {
        let (log, now) = (&self.gateway.0.log, self.gateway.now());
        log.refused(&mut self.trace, refusal, self.admitted.upstream(), now);
        self.admitted.release().await;
    }

    /// The client is sent this.
    pub(crate) fn sends(&mut self, piece: &[u8]) {
        if let Some(copied) = &mut self.trace.copied {
            copied.add(piece);
        }
    }

    /// It ends, and is charged.
    pub(crate) fn charged(&mut self) {
        self.gateway.0.log.keep_prompt(&mut self.trace);
    }

    /// The headers of an answer that begins now.
    pub(crate) fn stamp_now(&self) -> Stamp {
        let took_us = self.gateway.now().since(self.admitted.hold.admitted_at);
        Stamp {
            processing_ms: took_us / 1_000,
            ..self.stamp.clone()
        }
    }
}

/// Where the answer goes; closed when the client has left.
pub(crate) type Reply = oneshot::Sender<Result<Response<Body>, Refusal>>;

/// Answers a request that costs money.
pub(crate) async fn answer(
    gateway: &Gateway,
    endpoint: Endpoint,
    request: Request<Body>,
) -> Response<Body> {
    let arrived = gateway.now();
    let mut stamp = Stamp::new(RequestId::random(arrived, gateway.0.settings.entropy));
    let mut trace = Trace::new(stamp.request_id, endpoint, arrived);
    gateway.0.metrics.in_flight.inc();
    let (head, mut body) = request.into_parts();
    let outcome = run(gateway, (&head, &mut body), &mut stamp, &mut trace).await;
    gateway.0.metrics.in_flight.dec();
    let response = match outcome {
        Ok(response) => response,
        Err(refusal) => {
            let now = gateway.now();
            gateway.0.log.refused(&mut trace, &refusal, None, now);
            stamp.processing_ms = now.since(arrived) / 1_000;
            // Boxed, as answers need no room for it.
            Box::pin(body::take_rest(&head.headers, body)).await;
            respond::respond(&refusal, &stamp, &gateway.0.settings.public_url)
        }
    };
    let labels = RequestLabels {
        endpoint: endpoint.name(),
        status: response.status().as_u16(),
    };
    gateway.0.metrics.requests.get_or_create(&labels).inc();
    response
}

async fn run(
    gateway: &Gateway,
    (head, body): (&Parts, &mut Body),
    stamp: &mut Stamp,
    trace: &mut Trace,
) -> Result<Response<Body>, Refusal> {
    let (endpoint, arrived) = (trace.endpoint, trace.started_at);
    let who = &mut trace.who;
    let (caller, project) = authenticate::caller(gateway, head, call(endpoint), arrived, who)?;
    let project = &project;
    stamp.caller = Some((caller.principal.organization.clone(), project.clone()));
    gateway.0.suspended.pass(&caller.principal.organization)?;

    // Looked at in every request: a slip in it must not wait for an empty wallet to be found.
    let allow_shorter = headers::allow_shorter(&head.headers)?;
    let key = idempotency::key(&head.headers)?;
    let most_bytes = gateway.0.settings.body_bytes;
    body::check(&head.headers, most_bytes)?;
    let body = body::read(body, most_bytes).await?;
    let organization = &caller.principal.organization;
    trace.copied = gateway.0.log.copied(organization, &body, arrived);
    let request = ModelRequest::parse(endpoint, &body)?;
    trace.streamed = Some(request.stream);

    let model = resolve(gateway, &caller, project, &request)?;
    trace.model = Some(Arc::clone(&model.id));
    let once = match key {
        None => None,
        Some(key) => {
            let content = RequestDigest::of(endpoint.path(), &body);
            // Boxed, as other requests need no room for it.
            match Box::pin(idempotency::look(gateway, key, content, stamp)).await? {
                Looked::New(once) => Some(once),
                Looked::Answered(answer) => {
                    caller.used(gateway.now());
                    return Ok(answer);
                }
            }
        }
    };
    // The clock may have moved while the body arrived; the price is the one in force now.
    let now = gateway.now();
    let price = price(gateway, &request, organization, now)?;
    if gateway.0.ledger.state() != LedgerState::Healthy {
        return Err(Refusal::Ledger);
    }
    let bid = Paid {
        caller: &caller,
        project,
        model: &model,
        price,
    }
    .bid(stamp.request_id, &request, allow_shorter);
    let admitted = admit(gateway, &model, &request, bid).await;
    let admitted = admitted.map_err(|refused| {
        let mut refused = *refused;
        trace.looked = std::mem::take(&mut refused.looked);
        not_admitted(refused, &caller, &request.model, stamp)
    })?;
    stamp.rates = Some(admitted.rates);
    stamp.max_output_tokens = admitted.lowered_output_limit(request.max_output_tokens);
    caller.used(now);

    let job = Job {
        gateway: gateway.clone(),
        admitted,
        model,
        request,
        stamp: stamp.clone(),
        once,
        trace: trace.hand_over(),
    };
    in_task(gateway, job).await
}

/// From here on the request lives in a task: a client that leaves drops this future, and the task
/// notices, but is never cut off between spending and settling.
async fn in_task(gateway: &Gateway, job: Job) -> Result<Response<Body>, Refusal> {
    let (reply, answer) = oneshot::channel();
    let told = InPlace::new(relay::run(job, reply), answer, &gateway.0.tasks).await;
    told.unwrap_or(Err(Refusal::Internal))
}

/// The price in force of what a request wants.
fn price(
    gateway: &Gateway,
    request: &ModelRequest,
    organization: &OrganizationId,
    now: AtUs,
) -> Result<PinnedPrice, Refusal> {
    let price = gateway.0.terms.price(&request.model, organization, now);
    price.ok_or_else(|| Refusal::NotPriced {
        model: request.model.clone(),
    })
}

/// What a request for an endpoint asks for, as keys are restricted.
fn call(endpoint: Endpoint) -> Call {
    match endpoint {
        Endpoint::Chat => Call::Chat,
        Endpoint::Completions => Call::Completions,
        Endpoint::Responses => Call::Responses,
        Endpoint::Embeddings => Call::Embeddings,
    }
}

/// How a request is refused that a limit has no room for. One that waits for a rate limit is shown
/// where its limits stand.
fn not_admitted(refused: Unadmitted, caller: &Caller, model: &str, stamp: &mut Stamp) -> Refusal {
    let NotAdmitted::Refused(refusal) = refused.why else {
        return Refusal::Ledger;
    };
    if let rules::Refusal::Rate(stop) = &refusal {
        stamp.rates = Some(stop.states);
    }
    Refusal::Admission {
        refusal,
        hopeless: refused.hopeless,
        model: model.to_owned(),
        organization: caller.principal.organization.to_string(),
    }
}

/// Finds the model, and checks that the key may use it here.
fn resolve(
    gateway: &Gateway,
    caller: &Caller,
    project: &ProjectId,
    request: &ModelRequest,
) -> Result<Arc<Model>, Refusal> {
    let named = || request.model.clone();
    let catalog = gateway.0.catalog.load();
    let model = catalog.models.get(&request.model);
    let model = model.filter(|_| !gateway.0.terms.is_disabled(&request.model));
    let model = model.ok_or_else(|| Refusal::NoModel { model: named() })?;
    access::model(&caller.principal, &request.model).map_err(|refusal: AccessRefusal| {
        Refusal::Access {
            refusal,
            model: Some(named()),
        }
    })?;
    if !gateway.0.project_models.allow(project, &request.model) {
        return Err(Refusal::ModelNotOfProject {
            model: named(),
            project: project.clone(),
        });
    }
    if !model.endpoints.contains(&request.endpoint) {
        let endpoint = request.endpoint.name();
        return Err(Refusal::NotOffered {
            model: named(),
            endpoint,
        });
    }
    Ok(Arc::clone(model))
}

/// Takes what the request can cost; where there is too little credit and a recharge is under way,
/// or about to begin, waits for that a while.
async fn admit(
    gateway: &Gateway,
    model: &Model,
    request: &ModelRequest,
    bid: Bid,
) -> Result<Admitted, Box<Unadmitted>> {
    match admit_now(gateway, model, request, bid).await {
        // Boxed, as others need no room for it.
        Err(refused) if refused.credit().is_some() => {
            Box::pin(admission::with_recharge(&gateway.0.books, refused)).await
        }
        outcome => outcome,
    }
}

/// Takes what the request can cost by its bytes; where the money does not pay for that, by its
/// tokens, if they can be counted; and where it does not pay for those, for as long an answer as it
/// does.
async fn admit_now(
    gateway: &Gateway,
    model: &Model,
    request: &ModelRequest,
    bid: Bid,
) -> Result<Admitted, Box<Unadmitted>> {
    let admit = |bid| admission::admit(&gateway.0.books, bid);
    if !count::is_possible(model, request) {
        return admit(bid).await;
    }
    let whole = Bid {
        may_shorten: false,
        ..bid.clone()
    };
    match admit(whole).await {
        Err(refusal) if refusal.is_about_money() => {
            let tighter = count::tighter_input_tokens(model, request, &bid.bound).await;
            let bound = TokenBound {
                input_tokens: tighter.unwrap_or(bid.bound.input_tokens),
                ..bid.bound
            };
            admit(Bid { bound, ..bid }).await
        }
        outcome => outcome,
    }
}

/// Who pays for what, at which price.
struct Paid<'a> {
    caller: &'a Caller,
    project: &'a ProjectId,
    model: &'a Model,
    price: PinnedPrice,
}

impl Paid<'_> {
    /// The most the request can cost, and everything that is pinned with it. A caller who named no
    /// output limit takes a shorter answer, unless the header says otherwise.
    fn bid(self, id: RequestId, request: &ModelRequest, allow_shorter: Option<bool>) -> Bid {
        let bound = token_bound(&self.model.size, &size::of(request));
        // Where media are counted by the piece, their data is not prompt as well.
        let media_bytes = match bound.media_tokens {
            0 => 0,
            _ => request.prompt.media.bytes,
        };
        Bid {
            id,
            organization: self.caller.principal.organization.clone(),
            project: self.project.clone(),
            key: self.caller.principal.key.clone(),
            model: Arc::clone(&self.model.id),
            endpoint: request.endpoint.name(),
            price: self.price,
            bound,
            choices: request.choices,
            may_shorten: allow_shorter.unwrap_or(!request.names_limit),
            min_output_tokens: self.model.size.min_output_tokens,
            stream: request.stream,
            prompt_bytes: request.prompt.body_bytes - media_bytes,
        }
    }
}
