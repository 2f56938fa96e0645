//! `farebox upstream-costs import` at the real binary: it shows what changes, keeps that unless it
//! is told not to, and writes to operators once.

use serde_json::{Value, json};
use testkit::on_each_database;

use crate::place::Place;

const DAY_S: i64 = 86_400;
/// 2026-11-01 and the day after.
const FIRST: i64 = 1_793_491_200;

fn page(days: &[(i64, &str, Value)]) -> Value {
    let bucket = |(day, line, value): &(i64, &str, Value)| {
        json!({"object": "bucket", "start_time": day, "end_time": day + DAY_S, "results": [
            {"amount": {"value": value, "currency": "usd"}, "line_item": line},
        ]})
    };
    let data: Vec<Value> = days.iter().map(bucket).collect();
    json!({"object": "page", "data": data, "has_more": false, "next_page": null})
}

fn import(place: &Place, more: &[&str]) -> (Option<i32>, String, String) {
    let arguments = ["upstream-costs", "import", "costs.json", "--upstream", "u"];
    let output = place.run(&[&arguments, more].concat());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

fn waiting(place: &Place) -> usize {
    let list = place.json(&["messages", "list", "--json"]);
    let waiting = list["waiting"].as_array();
    waiting.unwrap_or_else(|| panic!("{list}")).len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_costs_is_compared_and_then_kept() {
    on_each_database(async |database| {
        let place = Place::new(&database.url, "http://127.0.0.1:9");
        place.set_up("0");
        let mails = waiting(&place);
        let [first, second] = [FIRST, FIRST + DAY_S];
        // Two pages in one file. Nothing was used here; three dollars are owed for the first day.
        let pages = [
            page(&[(first, "m, input", json!(3.25))]),
            page(&[(second, "m, input", json!("0.5"))]),
        ];
        place.write("costs.json", &json!(pages).to_string());
        for _ in 0..2 {
            let (code, out, err) = import(&place, &["--dry-run"]);
            assert_eq!(code, Some(0), "{err}");
            for line in [
                "2026-11-01: 3.25 of 0.00 by our books: more than is let pass\n",
                "    m, input  none -> 3.25\n",
                "2026-11-02: 0.50 of 0.00 by our books\n",
                "2 of 2 days of u change\nNothing was kept: leave --dry-run out to keep this.\n",
            ] {
                assert!(out.contains(line), "{line} in {out}");
            }
        }
        assert_eq!(waiting(&place), mails, "nobody was told of a dry run");

        let (code, out, err) = import(&place, &[]);
        assert_eq!(code, Some(0), "{err}");
        assert!(out.ends_with("2 of 2 days of u change\nKept.\n"), "{out}");
        assert_eq!(
            waiting(&place),
            mails + 1,
            "the operator is told of one day"
        );

        // The latest word on a day takes the place of the one before; nobody is told again.
        let pages = page(&[(first, "m, output", json!(4))]);
        place.write("costs.json", &pages.to_string());
        let (_, out, _) = import(&place, &["--json"]);
        let told: Value = serde_json::from_str(&out).unwrap();
        let day = &told["days"][0];
        assert_eq!(
            (&day["day"], &day["theirs_usd"]),
            (&json!("2026-11-01"), &json!("4.00"))
        );
        assert_eq!(
            (&day["is_tolerated"], &day["is_alarmed"]),
            (&json!(false), &json!(false))
        );
        let changes = json!([
            {"line_item": "m, input", "from_usd": "3.25", "to_usd": null},
            {"line_item": "m, output", "from_usd": null, "to_usd": "4.00"},
        ]);
        assert_eq!(day["changes"], changes);
        let (_, out, _) = import(&place, &[]);
        assert!(
            out.ends_with("0 of 1 days of u change\nNothing changes.\n"),
            "{out}"
        );
        assert_eq!(waiting(&place), mails + 1);
    })
    .await;
}

#[test]
fn what_is_no_file_of_costs_is_told_and_nothing_kept() {
    let database = testkit::databases::sqlite();
    let place = Place::new(&database.url, "http://127.0.0.1:9");
    place.set_up("0");
    for (text, problem) in [
        ("no JSON", "it is no JSON"),
        ("{}", "'data' is missing."),
        ("[3]", "It is no JSON object."),
    ] {
        place.write("costs.json", text);
        let (code, _, err) = import(&place, &[]);
        assert_eq!(code, Some(1), "{err}");
        assert!(
            err.contains("costs.json cannot be read") && err.contains(problem),
            "{err}"
        );
    }
    let unknown = ["upstream-costs", "import", "costs.json", "--upstream", "v"];
    let output = place.run(&unknown);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_key_for_costs_is_named_hidden_and_never_sent_in_clear() {
    let database = testkit::databases::sqlite();
    let config = |url: &str| {
        let place = Place::new(&database.url, url);
        let text = std::fs::read_to_string(place.path().join("farebox.toml")).unwrap();
        let named = text.replace(
            "kind = \"openai\"",
            "kind = \"openai\"\ncosts_api_key_env = \"PATH\"",
        );
        place.write("farebox.toml", &named);
        let output = place.run(&["check-config"]);
        let shown = [output.stdout, output.stderr].concat();
        (
            output.status.code(),
            String::from_utf8_lossy(&shown).into_owned(),
        )
    };
    let (code, shown) = config("https://api.example.com/v1");
    assert_eq!(code, Some(0), "{shown}");
    assert!(
        shown.contains("costs_api_key_env = \"PATH\" # set"),
        "{shown}"
    );
    assert!(!shown.contains(&std::env::var("PATH").unwrap()));
    let (code, shown) = config("http://api.example.com/v1");
    assert_eq!(code, Some(1), "{shown}");
    assert!(shown.contains("needs a base_url with https://"), "{shown}");
}
