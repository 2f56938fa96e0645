//! A rush: many clients at once at one limit, until nobody gets in any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use serde_json::Value;
use testkit::{Reply, Upstream};

use crate::world::World;

/// What an answer of [`upstream`] costs, in nUSD.
pub(crate) const COST: i64 = 100_000;

/// The most that a request for 50 tokens can cost, in nUSD.
pub(crate) fn bound(body: &Value) -> i64 {
    (body.to_string().len() as i64 + 64) * 1_000 + 100_000
}

pub(crate) async fn upstream() -> Upstream {
    // 20 input tokens at 1,000 and 40 output tokens at 2,000 nUSD: less than the bound.
    Upstream::start(|_| Reply::chat_with_usage("Hi there", 20, 40).first_byte_delay_ms(3)).await
}

/// Clients that each send until they are refused, again and again until a whole round of all of
/// them is. Answers how many were served.
pub(crate) async fn rush(
    world: &Arc<World>,
    clients: usize,
    body: &Value,
    code: &'static str,
) -> i64 {
    let served = Arc::new(AtomicI64::new(0));
    loop {
        let before = served.load(Ordering::Relaxed);
        let clients: Vec<_> = (0..clients)
            .map(|_| {
                let (world, served, body) = (Arc::clone(world), Arc::clone(&served), body.clone());
                tokio::spawn(async move {
                    let answer = world.chat(&body).await;
                    match answer.status {
                        200 => {
                            served.fetch_add(1, Ordering::Relaxed);
                        }
                        429 => {
                            assert_eq!(answer.json()["error"]["code"], code);
                            assert_eq!(answer.json()["error"]["type"], "insufficient_quota");
                            assert_eq!(answer.header("x-should-retry"), Some("false"));
                        }
                        other => panic!("{other}: {}", answer.text()),
                    }
                })
            })
            .collect();
        for client in clients {
            client.await.unwrap();
        }
        if served.load(Ordering::Relaxed) == before {
            return before;
        }
    }
}
