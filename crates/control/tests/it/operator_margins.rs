//! Which organizations bring in how much, and cost how much.

// SQL in a test: usage of several organizations over days, without thousands of requests.

use serde_json::{Value, json};
use store::{StoreError, Tx};
use testkit::on_each_database;

use crate::world::{START_S, World};

const MARGINS: &str = "/api/operator/margins";
const DAY_S: i64 = 86_400;
const DAY: i64 = START_S / DAY_S * DAY_S;

/// What was charged to an organization on a day after the first, and what that cost.
type Day = (&'static str, i64, i64, i64);

/// `big` lost money, `mean` and `even` brought in the same, and `late` was there a day later.
const DAYS: [Day; 6] = [
    ("org-big", 0, 9_000_000_000, 11_000_000_000),
    ("org-even", 0, 2_000_000_000, 2_000_000_000),
    ("org-mean", 0, 1_500_000_000, 100_000_000),
    ("org-mean", 0, 500_000_000, 0),
    ("org-late", 1, 1, 0),
    ("org-big", 1, 5_000_000_000, 1_000_000_000),
];

fn fill(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    for (index, (organization, day, revenue, cost)) in DAYS.into_iter().enumerate() {
        let sql = "INSERT INTO organizations (id, name, created_at_us) VALUES ($1, $1, 1)
                   ON CONFLICT (id) DO NOTHING";
        tx.execute(sql, &[organization.into()])?;
        let sql = "INSERT INTO usage_days (organization_id, day_at_us, project_id, model, endpoint,
                 requests, fresh_input_tokens, cached_input_tokens, cache_write_tokens,
                 output_tokens, reasoning_tokens, audio_input_tokens, audio_output_tokens,
                 image_tokens, input_cost_nusd, cached_input_cost_nusd, output_cost_nusd,
                 request_cost_nusd, cost_nusd, upstream_cost_nusd)
             VALUES ($1, $2, $3, 'm', 'chat', 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, $4, $5)";
        let values = [
            organization.into(),
            ((DAY + day * DAY_S) * 1_000_000).into(),
            index.to_string().into(),
            revenue.into(),
            cost.into(),
        ];
        tx.execute_one(sql, &values)?;
    }
    Ok(())
}

fn ids(list: &Value) -> Vec<&str> {
    let rows = list["data"].as_array().unwrap();
    rows.iter().map(|row| row["id"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn organizations_are_listed_by_what_they_bring_in_cost_or_leave() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        world.store.write(fill).await.unwrap();
        let mut operator = world.operator().await;
        let mut list = async |query: &str| {
            let path = format!("{MARGINS}?{query}");
            operator.get(&path).await.json()
        };

        let first = format!("start_time={}&end_time={}", DAY + 5, DAY + 10);
        let all = list(&first).await;
        assert_eq!(ids(&all), ["org-big", "org-even", "org-mean"]);
        let big = json!({
            "id": "org-big", "object": "operator.margin", "name": "org-big",
            "num_model_requests": 3, "revenue_usd": "9.00", "cost_usd": "11.00",
            "margin_usd": "-2.00",
        });
        assert_eq!(all["data"][0], big);
        assert_eq!(all["data"][2]["num_model_requests"], 6);
        assert_eq!(all["data"][2]["margin_usd"], "1.90");

        let both = format!("start_time={DAY}&end_time={}", DAY + 2 * DAY_S);
        for (order, want) in [
            (
                "order_by=revenue",
                ["org-big", "org-even", "org-mean", "org-late"],
            ),
            (
                "order_by=cost",
                ["org-big", "org-even", "org-mean", "org-late"],
            ),
            (
                "order_by=margin",
                ["org-big", "org-mean", "org-late", "org-even"],
            ),
            (
                "order_by=margin&order=asc",
                ["org-even", "org-late", "org-mean", "org-big"],
            ),
            ("order=asc", ["org-late", "org-even", "org-mean", "org-big"]),
        ] {
            let query = format!("{both}&{order}");
            assert_eq!(ids(&list(&query).await), want, "{order}");
            // The same, one by one.
            let mut after = String::new();
            for (at, id) in want.iter().enumerate() {
                let page = list(&format!("{query}&limit=1{after}")).await;
                assert_eq!(ids(&page), [*id], "{order}");
                assert_eq!(page["has_more"], at + 1 < want.len());
                after = format!("&after={id}");
            }
        }
        // Without a time it is this month until today.
        assert_eq!(ids(&list("limit=1").await), ["org-big"]);

        for (query, param) in [
            ("start_time=-1", "start_time"),
            ("start_time=5&end_time=5", "end_time"),
            ("order_by=name", "order_by"),
            ("order=up", "order"),
            ("limit=0", "limit"),
            ("after=org-nobody", "after"),
        ] {
            let answer = operator.get(&format!("{MARGINS}?{query}")).await;
            assert_eq!(answer.status, 400, "{query}: {}", answer.text());
            assert_eq!(answer.json()["error"]["param"], param);
        }
    })
    .await;
}
