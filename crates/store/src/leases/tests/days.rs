//! What a node that was killed used of limits a day is what the books tell.

use domain::id::OrganizationId;
use domain::lease::{Ask, AskLine, Beat, Ending, Epoch, LimitId, RateAnswer, RateLine};
use domain::money::Nusd;
use domain::rate::Rate;
use domain::time::{DAY_US, HOUR_US};

use super::desk::{BEGIN, Desk, node, wallet};
use super::till::{self, Till};
use crate::batch::Op;
use crate::leases;

const REQUESTS: &str = "org-a:proj_other:m:requests_per_day";
const TOKENS: &str = "org-a:key_other:m:tokens_per_day";
/// Four drain in an hour.
const LIMIT: u64 = 96;

/// The node begins anew, as after a kill, and names both limits. Answers how much of them is full.
fn begin(desk: &Desk) -> (Epoch, [u64; 2]) {
    let (epoch, _) = desk.run(|tx| leases::join(tx, &node("a")));
    let line = |limit| RateLine {
        limit: LimitId::new(limit),
        rate: Rate::per_day(LIMIT).fine(),
        share: 0,
        used: 0,
        wanted: 1,
        least: 1,
        adopted: 0,
        demand: 1,
        leaves: false,
    };
    let beat = Beat {
        node: node("a"),
        epoch,
        number: 1,
        rates: [REQUESTS, TOKENS].map(line).into(),
    };
    let beaten = desk.run(|tx| leases::beat(tx, &beat, 0));
    let answers = beaten.expect("a living epoch").alive.rates;
    let full = |answer: &RateAnswer| {
        assert_eq!(answer.raise, LIMIT * Rate::FINE, "it has all of it");
        answer.filled / Rate::FINE
    };
    (epoch, [full(&answers[0]), full(&answers[1])])
}

fn usage(hours_ago: i64, project: &str, requests: u64, tokens: u64) -> String {
    let hour = BEGIN.plus(-hours_ago * HOUR_US).0;
    format!(
        "INSERT INTO usage_hours VALUES ('org-a', {hour}, '{project}', 'key_other', 'm', 'chat',
             {requests}, {tokens}, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)"
    )
}

/// Two requests of six tokens, one that was released, and one that is still held.
fn serve(desk: &Desk, epoch: Epoch) {
    let wallet = wallet(&OrganizationId::new("org-a"));
    let amount = Nusd::new(40);
    let ask = Ask {
        node: node("a"),
        epoch,
        number: 1,
        lines: vec![AskLine {
            pot: wallet.clone(),
            need: amount,
            want: amount,
        }],
    };
    let asked = desk.run(|tx| leases::ask(tx, &ask));
    asked.expect("a living epoch");
    let hold = |number| till::hold(number, std::slice::from_ref(&wallet), Nusd::new(10), BEGIN);
    let settled = |number| till::end(&hold(number), Ending::Settled(Nusd::new(6)));
    let mut till = Till::open(desk, &node("a"), epoch);
    let holds = (1..5).map(|number| Op::Hold(hold(number))).collect();
    till.commit(holds).expect("a living epoch");
    let ends = vec![settled(1), settled(2), Op::Release(hold(3).id)];
    till.commit(ends).expect("a living epoch");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_nodes_share_of_a_day_is_as_full_as_the_books_say() {
    let desk = Desk::new().await;
    let body = move || {
        for sql in [
            usage(2, "proj_other", 20, 30),
            // Too long ago; another project's, with the same key; another organization's.
            usage(3 * 24 + 1, "proj_other", 500, 500),
            usage(0, "proj_x", 50, 7),
            usage(0, "proj_other", 50, 50).replace("org-a", "org-b"),
        ] {
            desk.execute(&sql);
        }
        let (epoch, full) = begin(&desk);
        assert_eq!(full, [0, 0], "a limit that is new begins empty");
        serve(&desk, epoch);
        let (_, full) = begin(&desk);
        // Of what is of an hour ago four have drained.
        assert_eq!(full, [20 - 4 + 2 + 1, 30 - 4 + 7 + 12]);
        desk.set_clock(BEGIN.plus(2 * DAY_US));
        let (_, full) = begin(&desk);
        assert_eq!(full, [1, 0], "only what is still held");
    };
    tokio::task::spawn_blocking(body).await.expect("it holds");
}
