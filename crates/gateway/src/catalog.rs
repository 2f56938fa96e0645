//! What can be called: models, and the deployments behind them. What they cost is in
//! [`crate::terms`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::bound::ModelSize;
use wire::request::{ChatLimit, Endpoint};

use crate::count::Tokenizer;
use crate::upstream::Upstream;

/// Every model by its public name. Built at start and whenever the configuration changes.
#[derive(Debug, Default)]
pub struct Catalog {
    /// By public name.
    pub models: BTreeMap<String, Arc<Model>>,
    /// Every server, also those that run none of them, in the operator's order.
    pub upstreams: Vec<Arc<Upstream>>,
}

/// A model as callers see it.
#[derive(Debug)]
pub struct Model {
    /// What callers write; may contain `/`.
    pub id: Arc<str>,
    /// Shown in the list of models.
    pub owned_by: String,
    /// When it appeared, in seconds since the epoch.
    pub created_at_s: i64,
    /// Its window and longest answer.
    pub size: ModelSize,
    /// Counts its input where bytes are too coarse; none if it is not public.
    pub tokenizer: Option<Tokenizer>,
    /// What it can do.
    pub endpoints: Vec<Endpoint>,
    /// Where it runs; never empty.
    pub deployments: Vec<Deployment>,
}

/// A place where a model runs.
#[derive(Debug)]
pub struct Deployment {
    /// The server.
    pub upstream: Arc<Upstream>,
    /// The server's own name for the model.
    pub model: String,
    /// Its share of the requests beside its neighbours', at least 1.
    pub weight: u64,
}

/// Tells where a server answers, version included, without a slash at the end; none while it
/// starts.
pub type BaseUrl = Arc<dyn Fn() -> Option<Arc<str>> + Send + Sync>;

/// A server that runs models.
pub struct UpstreamSpec {
    /// The operator's name for it.
    pub id: Arc<str>,
    /// Where it answers.
    pub base_url: BaseUrl,
    /// The key it wants, sent as a bearer.
    pub api_key: Option<String>,
    /// The longest wait for the next byte of an answer.
    pub timeout: Duration,
    /// The longest wait for a connection.
    pub connect_timeout: Duration,
    /// What becomes of an answer whose client left.
    pub on_disconnect: OnDisconnect,
    /// How `/v1/responses` is spoken with it.
    pub responses: ResponsesMode,
    /// Under which name it is told of the output limit in chat.
    pub chat_limit: ChatLimit,
}

/// What becomes of an answer whose client left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDisconnect {
    /// The upstream is told to stop, by closing its connection.
    Cancel,
    /// The answer is read to its end and paid for.
    Drain,
}

/// How `/v1/responses` is spoken with an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponsesMode {
    /// Natively if it answers there, else translated to chat.
    Auto,
    /// Passed through.
    Native,
    /// Translated to chat.
    Translate,
}

impl Model {
    /// The deployments in the order they are tried: the first drawn by weight, then the others.
    /// `draw` is any number, such as random bits.
    pub(crate) fn order(&self, draw: u64) -> impl Iterator<Item = &Deployment> {
        let total: u64 = self
            .deployments
            .iter()
            .map(|it| it.weight)
            .sum::<u64>()
            .max(1);
        let mut left = draw % total;
        let drawn = self.deployments.iter().position(|deployment| {
            let here = left < deployment.weight;
            left = left.saturating_sub(deployment.weight);
            here
        });
        let first = drawn.unwrap_or(0);
        self.deployments[first..]
            .iter()
            .chain(&self.deployments[..first])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::bound::InputBounds;

    fn deployment(model: &str, weight: u64) -> Deployment {
        let upstream = Upstream::new(UpstreamSpec {
            id: "u".into(),
            base_url: Arc::new(|| None),
            api_key: None,
            timeout: Duration::from_secs(1),
            connect_timeout: Duration::from_secs(1),
            on_disconnect: OnDisconnect::Cancel,
            responses: ResponsesMode::Auto,
            chat_limit: ChatLimit::Compatible,
        });
        Deployment {
            upstream: Arc::new(upstream),
            model: model.into(),
            weight,
        }
    }

    #[test]
    fn deployments_are_drawn_by_weight_and_all_are_tried() {
        let model = Model {
            id: "m".into(),
            owned_by: String::new(),
            created_at_s: 0,
            size: ModelSize {
                context_tokens: 1,
                max_output_tokens: 1,
                min_output_tokens: 1,
                input: InputBounds::default(),
            },
            tokenizer: None,
            endpoints: vec![],
            deployments: vec![deployment("a", 3), deployment("b", 1)],
        };
        let order = |draw| {
            model
                .order(draw)
                .map(|it| it.model.clone())
                .collect::<String>()
        };
        let orders: Vec<String> = (0..8).map(order).collect();
        assert_eq!(orders, ["ab", "ab", "ab", "ba", "ab", "ab", "ab", "ba"]);
    }
}
